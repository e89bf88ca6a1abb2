// Skips a test, or the tests behind a before(), and says why, on the screen and in reports.
import Mocha from 'mocha'

export function skip(context: Mocha.Context, reason: string): never {
  const { test } = context
  const isHook = test instanceof Mocha.Hook
  const skipped = isHook ? test.parent : test
  if (skipped) skipped.title += ` (skipped: ${reason})`
  if (isHook) console.log(`      skipped: ${reason}`)
  return context.skip()
}
