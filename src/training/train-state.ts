// What a checkpoint says of its run beside the numbers: how far it is, and what the steps to come depend on.
import { createHash } from 'node:crypto'
import { isDeepStrictEqual } from 'node:util'
import { isRecord, parsedRecord } from '../data/record.ts'
import { shown } from '../data/shown.ts'
import { MtLlamaError } from '../errors.ts'
import type { Contamination } from './contamination.ts'
import { type DataFingerprint, dataFingerprint } from './data-fingerprint.ts'
import type { OpenMixture } from './open-mixture.ts'
import type { TrainKey, TrainSettings } from './train-config.ts'

/** What a run depends on beside its settings. */
export interface RunInputs {
  /** Of the checkpoint that it began with: see fingerprint(). */
  base: string
  /** SHA-256 of the mixture's definition. */
  mixture: string
  data: DataFingerprint
  /** Sets whose texts are left out, and how many items each has. */
  evaluationSets: Record<string, number>
}

/** How far a run is. */
export interface Progress {
  step: number
  /** The draw that comes next. */
  draw: number
  tokens: number
  scoredTokens: number
}

export interface TrainState extends Progress {
  version: 1
  settings: TrainSettings
  inputs: RunInputs
  /** 'cpu avx512_bf16': another may round otherwise. Null where nothing was computed yet. */
  backend: string | null
}

/** How far a state is, or a run at its beginning. */
export function progressOf(state: TrainState | undefined): Progress {
  const { step, draw, tokens, scoredTokens } = state ?? { step: 0, draw: 0, tokens: 0, scoredTokens: 0 }
  return { step, draw, tokens, scoredTokens }
}

export async function runInputs(
  base: string,
  open: OpenMixture,
  known: Contamination | undefined,
): Promise<RunInputs> {
  return {
    base,
    mixture: createHash('sha256').update(JSON.stringify(open.mixture)).digest('hex'),
    data: await dataFingerprint(open),
    evaluationSets: Object.fromEntries(known?.sets.map(({ name, items }) => [name, items]) ?? []),
  }
}

/** Settings that do not change which weights a step gives; paths are known by what lies there. */
const free: ReadonlySet<TrainKey> = new Set([
  ...(['model', 'mixture', 'dataRoot', 'templatesDir', 'evalDir', 'out', 'allowMissing'] as const),
  ...(['saveEvery', 'keep', 'threads', 'keepActivations', 'validateEvery', 'validationExamples'] as const),
  ...(['evalEvery', 'evalSamples', 'evalTasks'] as const),
])

/** A hash of all that decides which weights a step gives, but for the processor. */
export function weightsHash(settings: TrainSettings, inputs: RunInputs, step: number): string {
  const deciding = Object.entries(settings).filter(([key]) => !free.has(key as TrainKey))
  return createHash('sha256')
    .update(JSON.stringify([deciding, inputs, step]))
    .digest('hex')
}

/**
 * Refuses to go on with a run of other settings or other data.
 * @param where the checkpoint's folder, for messages
 * @throws OUTPUT naming what differs
 */
export function checkSameRun(
  where: string,
  saved: TrainState,
  settings: TrainSettings,
  inputs: RunInputs,
): void {
  const other = (what: string) =>
    new MtLlamaError(
      'OUTPUT',
      `${where} is of a run with ${what}; going on would be neither run. Name another out folder, or remove this one.`,
    )
  for (const key of Object.keys(settings) as (keyof TrainSettings)[])
    if (!free.has(key) && !isDeepStrictEqual(saved.settings[key], settings[key]))
      throw other(`${key} ${settingText(saved.settings[key])}, not ${settingText(settings[key])}`)
  const words: Record<keyof RunInputs, string> = {
    base: 'another model to begin with',
    mixture: 'another mixture',
    data: 'other data or templates',
    evaluationSets: 'other evaluation sets, whose texts are left out',
  }
  for (const [key, what] of Object.entries(words) as [keyof RunInputs, string][])
    if (!isDeepStrictEqual(saved.inputs[key], inputs[key])) throw other(what)
}

/** @param value null is that of a part which the run does not have */
function settingText(value: unknown): string {
  return value === null ? 'none' : shown(value)
}

/** @throws OUTPUT for what is no state of a run */
export function parseState(text: string, file: string): TrainState {
  const value = parsedRecord(text)
  if (value?.version === 1 && isRecord(value.settings) && isRecord(value.inputs)) {
    const state = value as unknown as TrainState
    if ([state.step, state.draw, state.tokens, state.scoredTokens].every(Number.isSafeInteger)) return state
  }
  throw new MtLlamaError(
    'OUTPUT',
    `${file}: is no state of a training run that this version writes. Remove its folder, or name another out folder.`,
  )
}
