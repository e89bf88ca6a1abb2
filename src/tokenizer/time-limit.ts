// Runs work that may take for ever, such as matching a regular expression, and stops it after a while.
import vm from 'node:vm'

/** A script can be stopped where a function cannot; it calls the work, which need know nothing of it. */
let guard: { context: vm.Context; script: vm.Script } | undefined

/**
 * Takes some 100 us more than the work itself.
 * @returns whether the work has ended by itself; what it throws is thrown on
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
