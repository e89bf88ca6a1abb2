// run.json in the folder of a fleet's run: what is scored, by which model and to which bits. Workers read all they need from it.
import { isRecord, parsedRecord } from '../data/record.ts'
import { MtLlamaError } from '../errors.ts'
import type { OnError } from '../lines/answering.ts'
import type { Device } from '../native/types.ts'
import type { Identity } from './identity.ts'
import type { Range } from './ranges.ts'
import type { ShardSettings } from './shard-files.ts'
import { readText, type Storage } from './storage.ts'

export interface FleetRun {
  /** Of the last submission: its queue and the ids of its jobs have it, so that what an earlier one left stands in no way. */
  id: string
  /**
   * The path is relative to the folder, which may be mounted elsewhere on another machine. Messages have the name that the input
   * was submitted by: lines with errors are the same bits wherever the folder is mounted, and those of one process.
   */
  input: Identity & { path: string; name: string; requests: number }
  shards: number
  /** Requests of each shard but the last. */
  linesEach: number
  settings: ShardSettings
  onError: OnError
  /** What to load; paths of folders and files are absolute. */
  model: { path: string; delta?: string; adapters?: readonly string[]; device: Device }
}

const runName = 'run.json'

/** What a job of a shard holds. */
export interface ShardJob {
  input: string
  range: Range
  /** The number of the shard whose files the answers go to. */
  index: number
}

/** The run of a folder; undefined where there is none. @throws OUTPUT */
export async function readRunFile(storage: Storage): Promise<FleetRun | undefined> {
  const text = await readText({ storage, name: runName })
  if (text === undefined) return undefined
  const value = parsedRecord(text)
  if (typeof value?.id === 'string' && ['input', 'settings', 'model'].every(name => isRecord(value[name])))
    return value as unknown as FleetRun
  throw new MtLlamaError(
    'OUTPUT',
    `${storage.where(runName)}: is no run of a fleet. Remove it, and submit the run again.`,
  )
}

/** The same of a folder that has to hold a run. @throws OUTPUT */
export async function runOf(folder: string, storage: Storage): Promise<FleetRun> {
  const run = await readRunFile(storage)
  if (run) return run
  throw new MtLlamaError(
    'OUTPUT',
    `${folder} holds no run of a fleet (no run.json). Name the --out folder of fleet submit.`,
  )
}

export async function writeRunFile(storage: Storage, run: FleetRun): Promise<void> {
  await storage.write(runName, [Buffer.from(`${JSON.stringify(run, null, 2)}\n`)])
}
