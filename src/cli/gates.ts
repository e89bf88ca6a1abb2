// The gates of mt-llama eval: their options, what is checked before a run, and what comes of it.
import { rm } from 'node:fs/promises'
import { resolve } from 'node:path'
import { type Command, InvalidArgumentError } from 'commander'
import { MtLlamaError, message } from '../errors.ts'
import type { SavedRun } from '../evaluation/compare/read-run.ts'
import { checkGates, type Gate, type GateOutcome, judgeGate, parseGate } from '../evaluation/gates/gate.ts'
import { judgeVersus, readBase } from '../evaluation/gates/gate-versus.ts'
import { junitXml } from '../evaluation/gates/junit.ts'
import type { RunResults } from '../evaluation/results.ts'
import type { Work } from '../evaluation/work.ts'
import { createFile, partOf, replaceFile, writing } from '../files/output.ts'
import { fileName, folder } from './command.ts'
import { exitCodes } from './exit-codes.ts'
import { type Io, note } from './io.ts'

export interface GateOptions {
  gate?: Gate[]
  gateVs?: string
  junit?: string
  out?: string
  quiet?: boolean
}

export function addGateOptions(command: Command): Command {
  return command
    .option(
      '--gate <condition>',
      'exit with 100 unless it holds, as "copa.acc>=0.85"; may be given again',
      (text, before: Gate[] = []) => [...before, gate(text)],
    )
    .option(
      '--gate-vs <dir>',
      'exit with 100 if the run is worse than the saved one in <dir> beyond chance (needs --out)',
      folder,
    )
    .option('--junit <file>', 'write tasks and gates as JUnit XML', fileName)
}

function gate(text: string): Gate {
  try {
    return parseGate(text)
  } catch (error) {
    throw new InvalidArgumentError((error as Error).message)
  }
}

const place = { folder: '--junit file', kept: 'Results are printed or saved' }

/**
 * Checks what can be checked before data is read.
 * @param metrics what the run will have, by the task's name
 * @throws INVALID_ARGUMENT, OUTPUT
 */
export async function checkGateOptions(
  { gate: gates = [], gateVs, junit, out }: GateOptions,
  metrics: ReadonlyMap<string, readonly string[]>,
): Promise<void> {
  checkGates(gates, metrics)
  if (gateVs !== undefined && out === undefined)
    throw new MtLlamaError(
      'INVALID_ARGUMENT',
      message`${{ kind: 'option', name: 'gateVs' }} compares saved samples, so it needs ${{ kind: 'option', name: 'out' }} DIR for those of this run.`,
    )
  if (gateVs !== undefined && resolve(gateVs) === resolve(out!))
    throw new MtLlamaError(
      'INVALID_ARGUMENT',
      message`${{ kind: 'option', name: 'gateVs' }} ${gateVs} is the run's own folder. Name another run's.`,
    )
  if (junit === undefined) return
  await writing(junit, place, async () => {
    await (await createFile(partOf(junit))).close()
    await rm(partOf(junit))
    // A run that fails must not leave the report of an earlier one. A folder of this name is refused here.
    await rm(junit, { force: true })
  })
}

/** Reads the run to compare with. @throws DATA_NOT_FOUND, DATA_INVALID */
export async function openBase(
  { gateVs }: GateOptions,
  work: readonly Work[],
  dataDir: string,
): Promise<SavedRun | undefined> {
  return gateVs === undefined ? undefined : readBase(gateVs, work, dataDir)
}

/**
 * Judges the gates, writes the JUnit file, says on stderr what came of each gate, and sets the exit code.
 * @returns the outcomes; none after a run that was stopped
 */
export async function judgeGates(
  io: Io,
  results: RunResults,
  base: SavedRun | undefined,
  options: GateOptions,
): Promise<GateOutcome[]> {
  const { gate: gates = [], junit, out } = options
  const isStopped = io.signal.aborted
  const outcomes = isStopped ? [] : gates.map(one => judgeGate(one, results))
  if (base && !isStopped) outcomes.push(...(await judgeVersus(base, out!)))
  const names = [...gates.map(({ text }) => text), ...(base ? [`not worse than ${base.path}`] : [])]
  if (junit !== undefined) {
    const shown = isStopped ? names.map(name => ({ gate: name })) : outcomes
    await writing(junit, place, () => replaceFile(junit, junitXml(results, shown)))
  }
  if (isStopped && names.length > 0) note('the run was stopped, so its gates are not judged', options)
  for (const { gate: name, passed, found } of outcomes)
    note(`gate ${name}: ${passed ? 'passed' : 'FAILED'}; ${found}`, passed ? options : {})
  if (outcomes.some(({ passed }) => !passed)) io.endWith(exitCodes.gate)
  return outcomes
}
