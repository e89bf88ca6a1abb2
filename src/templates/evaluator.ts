// Evaluates expressions.
import { getAttribute, getItem } from './attributes.ts'
import type { Budget } from './budget.ts'
import { ChangingMethod } from './changing-methods.ts'
import { compare, contains, equals } from './compare.ts'
import type { Environment } from './environment.ts'
import { toList } from './iterate.ts'
import { Loop } from './loop.ts'
import type { CallArguments, Comparison, Expression, Statement } from './nodes.ts'
import { binary, unary } from './operators.ts'
import { toText } from './print.ts'
import type { Draw, Filter, Runtime, Test } from './runtime.ts'
import type { Scope } from './scope.ts'
import { Slice } from './slice.ts'
import { tests } from './tests.ts'
import {
  Arguments,
  Callable,
  Dict,
  isTruthy,
  List,
  orElse,
  TemplateError,
  Tuple,
  typeName,
  Undefined,
  type Value,
} from './values.ts'

export abstract class Evaluator implements Runtime {
  readonly budget: Budget
  readonly environment: Environment
  readonly draw: Draw

  constructor(environment: Environment, budget: Budget, draw: Draw) {
    this.budget = budget
    this.environment = environment
    this.draw = draw
  }

  /** Runs the statements of a block and gives the text that they print. */
  protected abstract body(statements: readonly Statement[], scope: Scope): string

  filter(name: string): Filter {
    const filter = this.environment.filters.get(name)
    if (!filter) throw new TemplateError(`No filter named '${name}'.`, 'TemplateRuntimeError')
    return filter
  }

  test(name: string): Test {
    const test = tests.get(name)
    if (!test) throw new TemplateError(`No test named '${name}'.`, 'TemplateRuntimeError')
    return test
  }

  protected lookUp(name: string, scope: Scope): Value {
    return orElse(scope.get(name), () => new Undefined(`'${name}' is undefined`))
  }

  protected evaluate(node: Expression, scope: Scope): Value {
    const value = this.valueOf(node, scope)
    if (this.environment.isStrict && value instanceof Undefined) value.isStrict = true
    return value
  }

  private valueOf(node: Expression, scope: Scope): Value {
    this.budget.spend(1)
    switch (node.kind) {
      case 'constant':
        return node.value
      case 'name':
        return this.lookUp(node.name, scope)
      case 'list':
        return new List(node.items.map(item => this.evaluate(item, scope)))
      case 'tuple':
        return new Tuple(node.items.map(item => this.evaluate(item, scope)))
      case 'dict': {
        const dict = new Dict()
        for (const [key, value] of node.pairs)
          dict.set(this.evaluate(key, scope), this.evaluate(value, scope), this.budget)
        return dict
      }
      case 'concat':
        return this.concatenated(node.items.map(item => toText(this.evaluate(item, scope), this.budget)))
      case 'attribute':
        return this.allowed(getAttribute(this.evaluate(node.object, scope), node.name, this.budget))
      case 'item':
        return this.allowed(
          getItem(this.evaluate(node.object, scope), this.evaluate(node.index, scope), this.budget),
        )
      case 'slice':
        return new Slice(node.parts.map(part => part && this.evaluate(part, scope)))
      case 'call':
        return this.call(node, scope)
      case 'filter': {
        const value = this.evaluate(node.value, scope)
        return this.filter(node.name)(value, this.arguments(node.args, scope), this)
      }
      case 'test': {
        const value = this.evaluate(node.value, scope)
        return this.test(node.name)(value, this.arguments(node.args, scope), this)
      }
      case 'unary': {
        const value = this.evaluate(node.value, scope)
        return node.operator === 'not' ? !isTruthy(value) : unary(node.operator, value)
      }
      case 'binary':
        return binary(
          node.operator,
          this.evaluate(node.left, scope),
          this.evaluate(node.right, scope),
          this.budget,
        )
      case 'and':
      case 'or': {
        const left = this.evaluate(node.left, scope)
        return isTruthy(left) === (node.kind === 'or') ? left : this.evaluate(node.right, scope)
      }
      case 'compare':
        return this.comparison(node, scope)
      case 'condition':
        if (isTruthy(this.evaluate(node.test, scope))) return this.evaluate(node.value, scope)
        return node.otherwise
          ? this.evaluate(node.otherwise, scope)
          : new Undefined('the inline if-expression evaluated to false and no else section was defined.')
      case 'body':
        return this.body(node.statements, scope)
    }
  }

  /** @param caller the body of a call block */
  protected call({ called, args }: Expression & { kind: 'call' }, scope: Scope, caller?: Value): Value {
    const callable = this.allowed(this.evaluate(called, scope))
    const given = this.arguments(args, scope)
    const all =
      caller === undefined
        ? given
        : new Arguments(given.positional, new Map([...given.keyword, ['caller', caller]]))
    if (callable instanceof Callable) return callable.call(all, this)
    if (callable instanceof Undefined) throw callable.error()
    if (callable instanceof Loop) {
      if (!callable.recurse)
        throw new TemplateError("The loop must have the 'recursive' marker to be called recursively.")
      return callable.recurse(all.bind('loop', ['iterable'], 1)[0]!)
    }
    throw new TemplateError(`'${typeName(callable)}' object is not callable`)
  }

  /** Gives a value, or what a sandbox gives in its place. */
  private allowed(value: Value): Value {
    return value instanceof ChangingMethod && this.environment.isSandboxed ? value.refused() : value
  }

  private arguments(args: CallArguments, scope: Scope): Arguments {
    this.budget.spend(2)
    const positional = args.positional.map(argument => this.evaluate(argument, scope))
    const keyword = new Map(args.keyword.map(([name, value]) => [name, this.evaluate(value, scope)]))
    if (args.list) positional.push(...toList(this.evaluate(args.list, scope), this.budget))
    if (args.dict) {
      const dict = this.evaluate(args.dict, scope)
      if (!(dict instanceof Dict))
        throw new TemplateError(`argument after ** must be a mapping, not ${typeName(dict)}`)
      for (const [name, value] of dict.texts()) keyword.set(name, value)
    }
    return new Arguments(positional, keyword)
  }

  private concatenated(texts: readonly string[]): string {
    this.budget.concatenate(texts.map(text => text.length))
    return texts.reduce((made, text) => made + text, '')
  }

  private comparison({ first, rest }: Expression & { kind: 'compare' }, scope: Scope): boolean {
    let left = this.evaluate(first, scope)
    for (const { operator, value } of rest) {
      const right = this.evaluate(value, scope)
      if (!this.holds(operator, left, right)) return false
      left = right
    }
    return true
  }

  private holds(operator: Comparison, left: Value, right: Value): boolean {
    const { budget } = this
    switch (operator) {
      case '==':
        return equals(left, right, budget)
      case '!=':
        return !equals(left, right, budget)
      case 'in':
        return contains(right, left, budget)
      case 'not in':
        return !contains(right, left, budget)
      case '<':
        return compare(left, right, operator, budget) < 0
      case '<=':
        return compare(left, right, operator, budget) <= 0
      case '>':
        return compare(left, right, operator, budget) > 0
      case '>=':
        return compare(left, right, operator, budget) >= 0
    }
  }
}
