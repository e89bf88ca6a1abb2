// Reads what earlier runs have done of a task: the records of its journal, which must belong to the samples that the data
// has now.
import { rename, rm } from 'node:fs/promises'
import { isDeepStrictEqual } from 'node:util'
import { shown } from '../data/shown.ts'
import { MtLlamaError, message } from '../errors.ts'
import { partOf, writing } from '../files/output.ts'
import type { TaskSamples } from '../tasks/load-samples.ts'
import type { AnswerSample, ChoiceSample } from '../tasks/task.ts'
import { type JournalContent, outFolder, readJournal } from './journal.ts'
import type { SampleRecord } from './results.ts'

export const nothingDone: JournalContent = { records: [], bytes: 0, torn: false }

/**
 * @param file the task's journal
 * @param redo whether the run replaces the journal: one that cannot be read, or belongs to other data, then counts as empty
 * @throws OUTPUT
 */
export async function readDone(file: string, work: TaskSamples, redo: boolean): Promise<JournalContent> {
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

async function read(file: string, work: TaskSamples): Promise<JournalContent> {
  const content = await readJournal(file)
  checkSame(file, content.records, work)
  return content
}

/** @throws OUTPUT where the data has changed since */
function checkSame(file: string, records: readonly SampleRecord[], work: TaskSamples): void {
  const index = records.findIndex((record, i) => !isOf(record, work.samples[i]))
  if (index < 0) return
  const there = index < work.samples.length ? 'another sample' : 'no sample'
  throw new MtLlamaError(
    'OUTPUT',
    message`${file}, line ${index + 1}: a record of sample ${shown(records[index]!.id)}; the data has ${there} at this place, so it has changed since. Name another --out folder, or give ${{ kind: 'option', name: 'redo' }}, which runs the task from its start.`,
  )
}

function isOf(record: SampleRecord, sample: ChoiceSample | AnswerSample | undefined): boolean {
  if (!sample) return false
  const same = Object.entries(sample).every(([name, value]) =>
    isDeepStrictEqual(value, record[name as keyof SampleRecord]),
  )
  return same && hasScores(record)
}

/** Whether a record holds what a tally adds up. */
export function hasScores(record: SampleRecord): boolean {
  if ('choices' in record) {
    const { choices, logLikelihoods: scores, correct, correctNormalised, tied } = record
    return (
      Array.isArray(scores) &&
      scores.length === choices.length &&
      scores.every(score => score === null || typeof score === 'number') &&
      [correct, correctNormalised, tied].every(value => typeof value === 'boolean')
    )
  }
  return [record.exactMatch, record.f1].every(value => value >= 0 && value <= 1)
}
