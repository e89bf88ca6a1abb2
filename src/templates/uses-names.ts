// Tells whether a template looks up names that it is given: jinja2.meta.find_undeclared_variables() finds none then.
import type { CallArguments, Expression, MacroNode, Statement, Target } from './nodes.ts'

/**
 * @param statements a parsed template
 * @param globals names that every template has
 */
export function usesNames(
  statements: readonly Statement[],
  globals: { has(name: string): boolean },
): boolean {
  return bodyUses(statements, new Known(globals))
}

/** The names that are set at a place of the template. */
class Known {
  private readonly names = new Set<string>()
  private readonly outer: { has(name: string): boolean }
  readonly isBranch: boolean

  constructor(outer: { has(name: string): boolean }, isBranch = false) {
    this.outer = outer
    this.isBranch = isBranch
  }

  has(name: string): boolean {
    return this.names.has(name) || this.outer.has(name)
  }

  add(name: string): void {
    this.names.add(name)
  }
}

function bodyUses(statements: readonly Statement[], known: Known): boolean {
  return statements.some(statement => statementUses(statement, known))
}

function statementUses(statement: Statement, known: Known): boolean {
  const uses = (expression: Expression | undefined) =>
    expression !== undefined && expressionUses(expression, known)
  switch (statement.kind) {
    case 'print':
      return uses(statement.value)
    case 'if': {
      const branches = [...statement.branches.map(({ body }) => body), statement.otherwise]
      return (
        statement.branches.some(({ test }) => uses(test)) ||
        branches.some(body => bodyUses(body, new Known(known, true)))
      )
    }
    case 'for': {
      const inner = new Known(known)
      inner.add('loop')
      assign(statement.target, inner)
      return (
        uses(statement.items) ||
        (statement.filter !== undefined && expressionUses(statement.filter, inner)) ||
        bodyUses(statement.body, inner) ||
        bodyUses(statement.otherwise, new Known(known))
      )
    }
    case 'set':
      return uses(statement.value) || assign(statement.target, known)
    case 'scope': {
      const inner = new Known(known)
      return (
        statement.names.some(([target, value]) => expressionUses(value, known) || assign(target, inner)) ||
        bodyUses(statement.body, inner)
      )
    }
    case 'macro':
      known.add(statement.macro.name)
      return macroUses(statement.macro, known)
    case 'callBlock':
      return uses(statement.call) || macroUses(statement.macro, known)
    default:
      return false
  }
}

/** Adds the names of a target. @returns whether the template counts as looking one of them up */
function assign(target: Target, known: Known): boolean {
  if (target.kind === 'namespace') return !known.has(target.name)
  if (target.kind === 'tuple') return target.items.map(item => assign(item, known)).includes(true)
  // A name that a branch sets has the value from before it in the other branches, so Jinja looks it up.
  const isLookedUp = known.isBranch && !known.has(target.name)
  known.add(target.name)
  return isLookedUp
}

function macroUses({ parameters, body }: MacroNode, known: Known): boolean {
  const inner = new Known(known)
  for (const name of ['caller', 'varargs', 'kwargs', ...parameters.map(({ name }) => name)]) inner.add(name)
  return (
    parameters.some(({ fallback }) => fallback !== undefined && expressionUses(fallback, inner)) ||
    bodyUses(body, inner)
  )
}

function expressionUses(expression: Expression, known: Known): boolean {
  const any = (...parts: (Expression | undefined)[]) =>
    parts.some(part => part !== undefined && expressionUses(part, known))
  const inArguments = ({ positional, keyword, list, dict }: CallArguments) =>
    any(...positional, ...keyword.map(([, value]) => value), list, dict)
  switch (expression.kind) {
    case 'constant':
      return false
    case 'name':
      return !known.has(expression.name)
    case 'list':
    case 'tuple':
    case 'concat':
      return any(...expression.items)
    case 'dict':
      return any(...expression.pairs.flat())
    case 'attribute':
      return any(expression.object)
    case 'item':
      return any(expression.object, expression.index)
    case 'slice':
      return any(...expression.parts)
    case 'call':
      return any(expression.called) || inArguments(expression.args)
    case 'filter':
    case 'test':
      return any(expression.value) || inArguments(expression.args)
    case 'unary':
      return any(expression.value)
    case 'binary':
    case 'and':
    case 'or':
      return any(expression.left, expression.right)
    case 'compare':
      return any(expression.first, ...expression.rest.map(({ value }) => value))
    case 'condition':
      return any(expression.test, expression.value, expression.otherwise)
    case 'body':
      return bodyUses(expression.statements, new Known(known))
  }
}
