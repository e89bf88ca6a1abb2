// The loop of a fuzzer's child process: CHILD SEED SECONDS [CASE]. Says on standard output which case is running.
import { writeSync } from 'node:fs'
import { inspect } from 'node:util'
import { nativeErrorCodes, typescriptErrorCodes } from '../../src/errors.ts'
import { OnPurpose, Random } from './random.ts'

/** Maximum of faults before the run ends, since many have a cause in common. */
const maxFaults = 10

/**
 * Runs cases until the time is up, then ends the process: with exit code 1 if there were faults. Native code may crash
 * at any moment, so a case is named before it begins.
 */
export async function runCases(run: (random: Random) => Promise<void>): Promise<never> {
  const [seed, seconds, only] = process.argv.slice(2).map(Number) as [number, number, number | undefined]
  const end = Date.now() + 1000 * seconds
  let faults = 0
  for (let index = only ?? 0; faults < maxFaults; index++) {
    writeSync(1, `case ${index}\n`)
    try {
      await run(new Random(seed, index))
    } catch (error) {
      faults++
      writeSync(2, `fault in case ${index}: ${error instanceof Error ? inspect(error) : String(error)}\n`)
    }
    if (only !== undefined || Date.now() >= end) break
  }
  process.exit(faults > 0 ? 1 : 0)
}

/** Fails unless an error is one that was thrown on purpose: with a known code, and not our own fault. */
export function checkError(error: unknown, what: string, type: new (...args: never[]) => Error): void {
  if (error instanceof OnPurpose) return
  const code = (error as { code?: unknown })?.code
  const known = [...nativeErrorCodes, ...typescriptErrorCodes] as readonly unknown[]
  if (error instanceof type && known.includes(code) && code !== 'INTERNAL' && error.message !== '') return
  throw new Error(`${what} failed with ${describe(error)}`, { cause: error })
}

function describe(error: unknown): string {
  if (!(error instanceof Error)) return `${typeof error}, which is no Error`
  return `${error.name}, code ${String((error as { code?: unknown }).code)}: ${error.message}`
}
