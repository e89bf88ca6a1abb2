// Holds the questions of two runs against each other: figures of different data cannot be compared.
import { basename } from 'node:path'
import { isDeepStrictEqual } from 'node:util'
import { shown } from '../../data/shown.ts'
import { MtLlamaError } from '../../errors.ts'
import type { Ask } from '../../protocols/protocol.ts'
import { type SavedTask, sampleWords } from './read-run.ts'

/** What was asked in one of two runs, or is about to be. */
export interface Asked {
  /** What holds the questions, for messages: a file of samples. */
  where: string
  /** The data files that they were made of; their folders may differ. */
  files: readonly string[]
  /** By sampleKey(). */
  asks: ReadonlyMap<string, Ask>
}

/** What was asked of a task in a saved run. */
export function askedOf({ file, result, samples }: SavedTask): Asked {
  return { where: file, files: result.files, asks: samples }
}

/** What must be equal for the same id. */
const parts = ['kind', 'prompt', 'choices', 'asPrompts', 'gold', 'golds'] as const

/**
 * Pairs what both have.
 * @returns the keys, in the order of the first
 * @throws DATA_INVALID where the data files have other names, a sample is another question, or none is in both
 */
export function pairedKeys(task: string, a: Asked, b: Asked): string[] {
  const runs = 'Only runs of the same data and prompts can be compared'
  if (
    !isDeepStrictEqual(
      a.files.map(one => basename(one)),
      b.files.map(one => basename(one)),
    )
  )
    throw new MtLlamaError(
      'DATA_INVALID',
      `${task}: ${a.where} is of ${a.files.join(', ')}, ${b.where} of ${b.files.join(', ')}. ${runs}.`,
    )
  const keys = [...a.asks.keys()].filter(key => b.asks.has(key))
  if (keys.length === 0)
    throw new MtLlamaError('DATA_INVALID', `${task}: no sample of ${a.where} is in ${b.where} too. ${runs}.`)
  for (const key of keys) {
    const [one, other] = [a.asks.get(key)!, b.asks.get(key)!]
    const part = parts.find(name => !isDeepStrictEqual(one[name as 'kind'], other[name as 'kind']))
    if (part === undefined) continue
    const [there, here] = [one, other].map(ask => shown(ask[part as 'kind']))
    throw new MtLlamaError(
      'DATA_INVALID',
      `${task}, ${sampleWords(one)}: its ${part} is ${there} in ${a.where} and ${here} in ${b.where}. ${runs}.`,
    )
  }
  return keys
}
