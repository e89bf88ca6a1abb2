// Defines what filters and tests are given beside their value.
import type { Budget } from './budget.ts'
import type { Arguments, Value } from './values.ts'

export type Filter = (value: Value, args: Arguments, runtime: Runtime) => Value
export type Test = (value: Value, args: Arguments, runtime: Runtime) => boolean

export interface Runtime {
  readonly budget: Budget
  /** Finds a filter. @throws TemplateError for a name that none has */
  filter(name: string): Filter
  /** Finds a test. @throws TemplateError for a name that none has */
  test(name: string): Test
}
