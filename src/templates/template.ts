// A Jinja template: parsed once, rendered with a budget. It prints what Jinja2 in transformers' settings prints.
import { Budget, BudgetError } from './budget.ts'
import { filters } from './filters.ts'
import { globalNames } from './globals.ts'
import { Interpreter } from './interpreter.ts'
import { SyntaxProblem, type WhiteSpace } from './lexer.ts'
import type { Statement } from './nodes.ts'
import { parseTemplate } from './parser.ts'
import { Scope } from './scope.ts'
import { tests } from './tests.ts'
import { fromJs, TemplateError, type Value } from './values.ts'

export type TemplateFault =
  /** The source is not valid Jinja. */
  | 'syntax'
  /** The template fails on the values that it is given. */
  | 'failed'
  /** The template asks for too much; the message says of what. */
  | 'budget'

/** The error for a template that does not render. */
export class TemplateProblem extends Error {
  readonly fault: TemplateFault
  /** The line where it fails, counted from 1; undefined where none is known. */
  readonly line: number | undefined

  constructor(fault: TemplateFault, message: string, line: number | undefined, cause: unknown) {
    super(message, { cause })
    this.fault = fault
    this.line = line
  }
}

export class Template {
  private readonly statements: Statement[]

  /** @throws TemplateProblem */
  constructor(source: string, whiteSpace: WhiteSpace) {
    this.statements = asProblem(() =>
      parseTemplate(source, whiteSpace, (kind, name) => (kind === 'filter' ? filters : tests).has(name)),
    )
  }

  /**
   * @param names what the template may name, beside range and the like: what JSON can hold, and functions as Callable
   * @throws TemplateProblem, and what a function among the names throws
   */
  render(names: Iterable<[string, unknown]>): string {
    return asProblem(() => {
      const budget = new Budget()
      const given = Array.from(names, ([name, value]): [string, Value] => [name, fromJs(value, budget)])
      const scope = new Scope(new Scope(new Scope(undefined, globalNames(budget)), given))
      return new Interpreter(budget).render(this.statements, scope)
    })
  }
}

function asProblem<T>(run: () => T): T {
  try {
    return run()
  } catch (error) {
    if (error instanceof SyntaxProblem) throw new TemplateProblem('syntax', error.message, error.line, error)
    if (error instanceof BudgetError) throw new TemplateProblem('budget', error.message, undefined, error)
    if (error instanceof TemplateError) throw new TemplateProblem('failed', error.message, error.line, error)
    // Values nested without end overflow the stack. Other RangeErrors are limits of the JavaScript engine.
    if (error instanceof RangeError) {
      const what = /call stack/.test(error.message)
        ? 'its values or expressions are nested too deep'
        : error.message
      throw new TemplateProblem('budget', what, undefined, error)
    }
    throw error
  }
}
