// A Jinja template: parsed once, rendered with a budget. It prints what Jinja2 prints in the environment it is written for.
import { Budget, BudgetError } from './budget.ts'
import type { Environment } from './environment.ts'
import { Interpreter } from './interpreter.ts'
import { SyntaxProblem } from './lexer.ts'
import type { Statement } from './nodes.ts'
import { parseTemplate } from './parser.ts'
import type { Draw } from './runtime.ts'
import { Scope } from './scope.ts'
import { usesNames } from './uses-names.ts'
import { type ExceptionName, fromJs, TemplateError, type Value } from './values.ts'

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
  /** The exception that Jinja raises there; undefined where only this engine has such a limit. */
  readonly exception: ExceptionName | undefined

  constructor(
    fault: TemplateFault,
    cause: Error,
    {
      message = cause.message,
      line,
      exception,
    }: Partial<Pick<TemplateProblem, 'message' | 'line' | 'exception'>>,
  ) {
    super(message, { cause })
    this.fault = fault
    this.line = line
    this.exception = exception
  }
}

/** Values by the names that a template has for them. */
export type Names = ReadonlyMap<string, Value>

/**
 * Converts values of JavaScript: what JSON can hold, and functions as Callable.
 * @throws TemplateProblem where they are too large or nested too deep
 */
export function readNames(values: Iterable<readonly [string, unknown]>): Map<string, Value> {
  return asProblem(() => {
    const budget = new Budget()
    return new Map(Array.from(values, ([name, value]) => [name, fromJs(value, budget)]))
  })
}

export class Template {
  private readonly environment: Environment
  private readonly statements: Statement[]

  /** @throws TemplateProblem */
  constructor(source: string, environment: Environment) {
    this.environment = environment
    this.statements = asProblem(() => parseTemplate(source, environment))
  }

  /** Whether the template looks up a name of its own that render() has to be given. */
  get usesNames(): boolean {
    return usesNames(this.statements, this.environment.globals)
  }

  /**
   * @param names what the template may name, beside range and the like
   * @param draw gives the numbers of filters that choose at random
   * @throws TemplateProblem, and what a function among the names throws
   */
  render(names: Names, draw: Draw = noDraw): string {
    return asProblem(() => {
      const { environment } = this
      const scope = new Scope(new Scope(new Scope(undefined, environment.globals), names))
      return new Interpreter(environment, new Budget(), draw).render(this.statements, scope)
    })
  }
}

function noDraw(): never {
  throw new Error('a filter of the template chooses at random: render() needs a draw')
}

function asProblem<T>(run: () => T): T {
  try {
    return run()
  } catch (error) {
    if (error instanceof SyntaxProblem) throw new TemplateProblem('syntax', error, error)
    if (error instanceof BudgetError) throw new TemplateProblem('budget', error, {})
    if (error instanceof TemplateError) throw new TemplateProblem('failed', error, error)
    // Values nested without end overflow the stack. Other RangeErrors are limits of the JavaScript engine.
    if (error instanceof RangeError) {
      const message = /call stack/.test(error.message)
        ? 'its values or expressions are nested too deep'
        : error.message
      throw new TemplateProblem('budget', error, { message })
    }
    throw error
  }
}
