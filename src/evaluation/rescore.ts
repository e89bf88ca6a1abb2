// Judges the saved samples of a run again, without a model: after a mended metric, or to look for another answer in texts.
import { MtLlamaError } from '../errors.ts'
import type { Form } from '../protocols/protocol.ts'
import { countedResult } from './counted-result.ts'
import { hasScores } from './done-samples.ts'
import { groupResults } from './group-results.ts'
import { Journal, readJournal } from './journal.ts'
import { languageMeans } from './language-means.ts'
import { isNotFinite } from './not-finite.ts'
import { report } from './report.ts'
import type { RunResults, SampleRecord } from './results.ts'
import type { RunFolder } from './run-folder.ts'
import { wrong } from './run-task.ts'
import { Tally } from './tally.ts'

/**
 * Rewrites samples, results.json and table.md of a folder.
 * @param formOf the form that a task was put in, by the task's name and the run's protocol
 * @throws OUTPUT where the folder holds no run, or its samples cannot be read; INVALID_ARGUMENT from formOf
 */
export async function rescore(
  folder: RunFolder,
  formOf: (task: string, protocol: string) => Form,
  { card }: { card: boolean },
): Promise<RunResults> {
  const results = await folder.results()
  if (!results)
    throw new MtLlamaError('OUTPUT', `${folder.path} holds no results.json, so no run to judge again`)
  const forms = new Map(
    Object.keys(results.tasks).map(name => [name, formOf(name, results.settings.protocol)]),
  )
  for (const [name, form] of forms) {
    const file = folder.journal(name)
    const { records } = await readJournal(file)
    if (records.length === 0 || !records.every(hasScores))
      throw new MtLlamaError('OUTPUT', `${file}: no samples that could be judged again`)
    const tally = new Tally(form.aggregations)
    const journal = await Journal.replace(file)
    try {
      for (const record of records) {
        const anew = judgedAgain(record, form)
        tally.add(anew)
        await journal.add(anew)
      }
    } catch (error) {
      await journal.discard()
      throw error
    }
    await journal.close()
    const before = results.tasks[name]!
    results.tasks[name] = {
      ...before,
      ...(await countedResult(tally, { ...before, headline: form.headline })),
    }
    results.languageMeans = languageMeans(results.tasks)
    if (results.groups) results.groups = groupResults(Object.values(results.groups), results.tasks)
    await folder.write(results, report(results, { card }))
  }
  return results
}

function judgedAgain(record: SampleRecord, form: Form): SampleRecord {
  const {
    prediction: _,
    scores: __,
    tied: ___,
    failed: ____,
    pairedWith: _____,
    truncatedTokens,
    ...asked
  } = record
  if (record.kind !== form.kind)
    throw new MtLlamaError(
      'OUTPUT',
      `sample ${JSON.stringify(record.id)} was a question of kind ${record.kind}; its task asks by ${form.kind}`,
    )
  // The kinds of record and form are the same.
  const outcome = isNotFinite(record) ? wrong(form) : form.judge(record as never, record as never)
  return { ...asked, ...outcome, truncatedTokens } as SampleRecord
}
