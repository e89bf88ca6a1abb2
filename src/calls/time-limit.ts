// Runs work that may take for ever, such as matching a regular expression, and stops it after a while.
import vm from 'node:vm'

/** A script that calls the work: unlike a function, a script can be stopped. */
let guard: { context: vm.Context; script: vm.Script } | undefined

/**
 * Runs work, and stops it after a while. This costs some 100 us more than the work itself.
 * @returns whether the work has ended by itself. What the work throws is thrown on
 */
export function endsWithin(milliseconds: number, work: () => void): boolean {
  guard ??= { context: vm.createContext(), script: new vm.Script('work()') }
  const { context, script } = guard
  context.work = work
  try {
    script.runInContext(context, { timeout: milliseconds })
    return true
  } catch (error) {
    if ((error as { code?: unknown }).code === 'ERR_SCRIPT_EXECUTION_TIMEOUT') return false
    throw error
  } finally {
    context.work = undefined
  }
}
