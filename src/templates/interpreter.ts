// Runs a template's statements.

import { equals } from './compare.ts'
import { Evaluator } from './evaluator.ts'
import { iterate, sizeOf } from './iterate.ts'
import { Loop } from './loop.ts'
import type { ForNode, MacroNode, Statement, Target } from './nodes.ts'
import { toText } from './print.ts'
import { Scope } from './scope.ts'
import {
  type Arguments,
  Dict,
  isTruthy,
  Macro,
  Namespace,
  orElse,
  TemplateError,
  Tuple,
  Undefined,
  type Value,
} from './values.ts'

/** The statement that has ended an iteration of a loop early. */
type Jump = 'break' | 'continue' | undefined

export class Interpreter extends Evaluator {
  private out: string[] = []

  /** Runs the statements and gives the text that they print. */
  render(statements: readonly Statement[], scope: Scope): string {
    return this.printed(() => this.run(statements, scope))
  }

  protected override body(statements: readonly Statement[], scope: Scope): string {
    return this.printed(() => this.run(statements, new Scope(scope)))
  }

  /** Gives the text that `run` prints, in the place of printing it. */
  private printed(run: () => void): string {
    const { out } = this
    this.out = []
    try {
      run()
      return this.out.join('')
    } finally {
      this.out = out
    }
  }

  private print(text: string): void {
    this.budget.make(text.length)
    this.out.push(text)
  }

  private run(statements: readonly Statement[], scope: Scope): Jump {
    for (const statement of statements) {
      this.budget.spend(1)
      try {
        const jump = this.step(statement, scope)
        if (jump) return jump
      } catch (error) {
        if (error instanceof TemplateError) error.line ??= statement.line
        throw error
      }
    }
    return undefined
  }

  private step(statement: Statement, scope: Scope): Jump {
    switch (statement.kind) {
      case 'text':
        this.print(statement.text)
        return undefined
      case 'print':
        this.print(toText(this.evaluate(statement.value, scope), this.budget))
        return undefined
      case 'if': {
        const branch = statement.branches.find(({ test }) => isTruthy(this.evaluate(test, scope)))
        return this.run(branch?.body ?? statement.otherwise, scope)
      }
      case 'for':
        return this.loop(statement, this.evaluate(statement.items, scope), scope, 0)
      case 'set':
        this.assign(statement.target, this.evaluate(statement.value, scope), scope)
        return undefined
      case 'scope': {
        const inner = new Scope(scope)
        for (const [target, value] of statement.names) this.assign(target, this.evaluate(value, scope), inner)
        return this.run(statement.body, inner)
      }
      case 'macro':
        scope.set(statement.macro.name, this.macro(statement.macro, scope))
        return undefined
      case 'callBlock':
        this.print(toText(this.call(statement.call, scope, this.macro(statement.macro, scope)), this.budget))
        return undefined
      default:
        return statement.kind
    }
  }

  private loop(node: ForNode, items: Value, scope: Scope, depth0: number): Jump {
    const loop = new Loop(
      this.filtered(node, items, scope),
      node.filter ? undefined : sizeOf(items, this.budget),
      {
        depth0,
        same: (a, b) => equals(a, b, this.budget),
        recurse: node.isRecursive
          ? inner =>
              this.budget.call(() =>
                this.printed(() => {
                  this.loop(node, inner, scope, depth0 + 1)
                }),
              )
          : undefined,
      },
    )
    let isElse = true
    for (let item = loop.next(); item !== undefined; item = loop.next()) {
      this.budget.spend(2)
      const inner = new Scope(scope)
      inner.set('loop', loop)
      this.assign(node.target, item, inner)
      const jump = this.run(node.body, inner)
      if (jump === 'break') break
      // Jinja runs the loop's `else` unless an iteration has come to its end.
      if (jump === undefined) isElse = false
    }
    if (isElse) return this.run(node.otherwise, scope)
    return undefined
  }

  /** Yields the items that a loop's filter lets through. The filter runs when the loop comes to the item. */
  private *filtered({ filter, target }: ForNode, items: Value, scope: Scope): IterableIterator<Value> {
    for (const item of iterate(items, this.budget)) {
      if (filter) {
        const inner = new Scope(scope)
        this.assign(target, item, inner)
        if (!isTruthy(this.evaluate(filter, inner))) continue
      }
      yield item
    }
  }

  private assign(target: Target, value: Value, scope: Scope): void {
    if (target.kind === 'name') scope.set(target.name, value)
    else if (target.kind === 'namespace') {
      const namespace = this.lookUp(target.name, scope)
      if (!(namespace instanceof Namespace))
        throw new TemplateError('cannot assign attribute on non-namespace object', 'TemplateRuntimeError')
      namespace.set(target.attribute, value, this.environment.isSandboxed)
    } else {
      const { items } = target
      const values = [...iterate(value, this.budget)]
      if (values.length > items.length)
        throw new TemplateError(`too many values to unpack (expected ${items.length})`, 'ValueError')
      if (values.length < items.length)
        throw new TemplateError(
          `not enough values to unpack (expected ${items.length}, got ${values.length})`,
          'ValueError',
        )
      for (const [i, item] of items.entries()) this.assign(item, values[i]!, scope)
    }
  }

  private macro(node: MacroNode, scope: Scope): Macro {
    const parameters = node.parameters.map(({ name }) => name)
    const call = (args: Arguments) =>
      this.budget.call(() => {
        const inner = new Scope(scope)
        this.bind(node, args, inner)
        return this.printed(() => this.run(node.body, inner))
      })
    return new Macro(node.name, call, { parameters, usesCaller: node.reads.has('caller') })
  }

  private bind({ name, parameters, reads }: MacroNode, args: Arguments, scope: Scope): void {
    const keyword = new Map(args.keyword)
    const take = (key: string): Value | undefined => {
      const value = keyword.get(key)
      keyword.delete(key)
      return value
    }
    for (const [i, node] of parameters.entries()) {
      const { name: parameter, fallback } = node
      const given = i < args.positional.length ? args.positional[i] : take(parameter)
      const value = orElse(given, () =>
        fallback
          ? this.evaluate(fallback, scope)
          : new Undefined(`parameter '${parameter}' was not provided`),
      )
      scope.set(parameter, value)
    }
    if (reads.has('caller') && !parameters.some(parameter => parameter.name === 'caller'))
      scope.set(
        'caller',
        orElse(take('caller'), () => new Undefined('No caller defined')),
      )
    const rest = args.positional.slice(parameters.length)
    if (reads.has('varargs')) scope.set('varargs', new Tuple(rest))
    else if (rest.length > 0)
      throw new TemplateError(`macro '${name}' takes not more than ${parameters.length} argument(s)`)
    if (reads.has('kwargs')) {
      const named = new Dict()
      for (const [key, value] of keyword) named.set(key, value, this.budget)
      scope.set('kwargs', named)
    } else
      for (const key of keyword.keys())
        throw new TemplateError(`macro '${name}' takes no keyword argument '${key}'`)
  }
}
