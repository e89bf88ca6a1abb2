// Keeps the values of names, within the scopes around them.
import type { Value } from './values.ts'

export class Scope {
  private readonly names = new Map<string, Value>()
  private readonly outer: Scope | undefined

  constructor(outer?: Scope, names: Iterable<[string, Value]> = []) {
    this.outer = outer
    for (const [name, value] of names) this.names.set(name, value)
  }

  set(name: string, value: Value): void {
    this.names.set(name, value)
  }

  get(name: string): Value | undefined {
    for (let scope: Scope | undefined = this; scope; scope = scope.outer) {
      const value = scope.names.get(name)
      if (value !== undefined) return value
    }
    return undefined
  }
}
