// Defines what filters and tests are given beside their value.
import type { Budget } from './budget.ts'
import type { Environment } from './environment.ts'
import type { Arguments, Value } from './values.ts'

export type Filter = (value: Value, args: Arguments, runtime: Runtime) => Value
export type Test = (value: Value, args: Arguments, runtime: Runtime) => boolean

/** Draws at random. @returns a whole number from 0 on and below `length`, which is above 0 */
export type Draw = (length: number) => number

export interface Runtime {
  readonly budget: Budget
  readonly environment: Environment
  readonly draw: Draw
  /** Finds a filter. @throws TemplateError for a name that none has */
  filter(name: string): Filter
  /** Finds a test. @throws TemplateError for a name that none has */
  test(name: string): Test
}
