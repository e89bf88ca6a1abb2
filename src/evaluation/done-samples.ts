// Reads what earlier runs have done of a task: the records of its journal, which must belong to the samples that the data
// has now.
import { rename, rm } from 'node:fs/promises'
import { isDeepStrictEqual } from 'node:util'
import { isRecord } from '../data/record.ts'
import { shown } from '../data/shown.ts'
import { MtLlamaError, message } from '../errors.ts'
import { partOf, writing } from '../files/output.ts'
import type { Ask } from '../protocols/protocol.ts'
import { type JournalContent, outFolder, readJournal } from './journal.ts'
import type { SampleRecord } from './results.ts'
import type { Work } from './work.ts'

export const nothingDone: JournalContent = { records: [], bytes: 0, torn: false }

/**
 * @param file the task's journal
 * @param redo whether the run replaces the journal: one that cannot be read, or belongs to other data, then counts as empty
 * @throws OUTPUT
 */
export async function readDone(file: string, work: Work, redo: boolean): Promise<JournalContent> {
  // A run that was to replace the journal and was killed has left a second one: the one with more samples is kept.
  const part = partOf(file)
  const [there, other] = await Promise.all(
    [file, part].map(name => read(name, work).catch(() => nothingDone)),
  )
  const isMore = other!.records.length > 0 && other!.records.length >= there!.records.length
  await writing(file, outFolder, () => (isMore ? rename(part, file) : rm(part, { force: true })))
  if (isMore) return other!
  return redo ? there! : read(file, work)
}

async function read(file: string, work: Work): Promise<JournalContent> {
  const content = await readJournal(file)
  checkSame(file, content.records, work)
  return content
}

/** @throws OUTPUT where the data has changed since */
function checkSame(file: string, records: readonly SampleRecord[], work: Work): void {
  const index = records.findIndex((record, i) => !isOf(record, work.asks[i]))
  if (index >= 0) {
    const there = index < work.asks.length ? 'another sample' : 'no sample'
    throw notGoneOn(
      file,
      index,
      `a record of sample ${shown(records[index]!.id)}; the data has ${there} at this place, so it has changed since`,
    )
  }
  // A mean over the samples that happen to have a score would be silently wrong.
  for (const [i, { scores }] of records.entries()) {
    const missing = work.form.metrics.find(name => !Object.hasOwn(scores, name))
    if (missing !== undefined)
      throw notGoneOn(file, i, `a record without the score ${missing}, which a sample has by now`)
  }
}

function notGoneOn(file: string, index: number, fault: string): MtLlamaError {
  return new MtLlamaError(
    'OUTPUT',
    message`${file}, line ${index + 1}: ${fault}. Name another --out folder, or give ${{ kind: 'option', name: 'redo' }}, which runs the task from its start.`,
  )
}

function isOf(record: SampleRecord, ask: Ask | undefined): boolean {
  if (!ask) return false
  const same = Object.entries(ask).every(([name, value]) =>
    isDeepStrictEqual(value, record[name as keyof SampleRecord]),
  )
  return same && hasScores(record)
}

/** Whether a record holds what a tally adds up. */
export function hasScores({ scores, ...record }: SampleRecord): boolean {
  if (!isRecord(scores) || !Object.values(scores).every(Number.isFinite)) return false
  if (record.kind === 'roll') return record.logLikelihood === null || Number.isFinite(record.logLikelihood)
  if (record.kind !== 'rank') return record.kind === 'generate'
  const { choices, logLikelihoods } = record
  return (
    Array.isArray(logLikelihoods) &&
    logLikelihoods.length === choices.length &&
    logLikelihoods.every(value => value === null || typeof value === 'number')
  )
}
