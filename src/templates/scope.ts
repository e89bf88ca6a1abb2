// Keeps the values of names, within the scopes around them.
import type { Value } from './values.ts'

export class Scope {
  private own: Map<string, Value> | undefined
  private readonly given: ReadonlyMap<string, Value> | undefined
  private readonly outer: Scope | undefined

  /** @param given names that the scope has from the start, and never changes */
  constructor(outer?: Scope, given?: ReadonlyMap<string, Value>) {
    this.outer = outer
    this.given = given
  }

  set(name: string, value: Value): void {
    this.own ??= new Map()
    this.own.set(name, value)
  }

  get(name: string): Value | undefined {
    for (let scope: Scope | undefined = this; scope; scope = scope.outer) {
      const set = scope.own?.get(name)
      const value = set === undefined ? scope.given?.get(name) : set
      if (value !== undefined) return value
    }
    return undefined
  }
}
