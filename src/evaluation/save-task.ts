// Runs one task from where its journal ends, and appends to the journal so that nothing that is done is lost.
import { relative } from 'node:path'
import { performance } from 'node:perf_hooks'
import { MtLlamaError, message } from '../errors.ts'
import { countedResult } from './counted-result.ts'
import { nothingDone, readDone } from './done-samples.ts'
import { Journal } from './journal.ts'
import { canBeWrong, isNotFinite, notFiniteError } from './not-finite.ts'
import type { SampleRecord, TaskResult, Timing } from './results.ts'
import type { RunOptions } from './run.ts'
import { runTask } from './run-task.ts'
import type { Scorer } from './scorer.ts'
import { Tally } from './tally.ts'
import { sampleName, type Work } from './work.ts'

/** What has been done of a task, by this run and by earlier ones. */
interface Progress extends Timing {
  tally: Tally
}

/** Time in ms between two savings of results while a task runs: what a killed run leaves in results.json is no older. */
const saveMs = 10_000

/**
 * Runs a task until it ends, fails or is aborted, and yields its samples in order: what earlier runs have done first, unless
 * it is done again. A loop that is left ends the task; what is done is saved.
 * @param before the task's result of earlier runs
 * @param save called with the result so far, from time to time and at the end, unless no sample is done
 * @throws OUTPUT, SCORE_NOT_FINITE, and what scoring throws
 */
export async function* runAndSave(
  model: Scorer,
  work: Work,
  before: TaskResult | undefined,
  options: RunOptions,
  save: (result: TaskResult) => Promise<void>,
): AsyncGenerator<SampleRecord, void, undefined> {
  const { settings, folder, redo = false, onKept } = options
  const { name, title, definition, questions } = work.task
  if (before && before.definition !== definition && !redo)
    throw new MtLlamaError(
      'OUTPUT',
      message`${folder!.path} holds results of ${name} by another definition than the task file has now. Name another --out folder, or give ${{ kind: 'option', name: 'redo' }}, which runs the task from its start.`,
    )
  const samplesTotal = work.asks.length
  const file = folder?.journal(name)
  const done = file === undefined ? nothingDone : await readDone(file, work, redo)
  const samplesKept = done.records.length
  const isEmpty = samplesKept === 0
  const earlier: Progress = {
    tally: new Tally(work.form.aggregations),
    tokens: isEmpty ? 0 : (before?.timing.tokens ?? 0),
    seconds: isEmpty ? 0 : (before?.timing.seconds ?? 0),
  }
  for (const record of done.records) {
    if (!redo) checkFinite(model, work, record, earlier.tally.samples, options)
    earlier.tally.add(record)
  }
  const tell = (reason: 'done' | 'redo') =>
    isEmpty ? undefined : onKept?.({ task: name, title, samplesKept, samplesTotal, reason })
  const resultOf = async ({ tally, tokens, seconds }: Progress): Promise<TaskResult> => ({
    ...(await countedResult(tally, {
      ...{ title, headline: work.form.headline, decimals: work.form.decimals ?? 1 },
      ...{ skipped: work.skipped.length, samplesTotal },
      ...(work.form.aggregations && { aggregations: work.form.aggregations }),
      files: work.files.map(path => relative(settings.dataDir, path)),
    })),
    ...(definition !== undefined && { definition }),
    ...(questions !== undefined && { questions }),
    timing: { tokens, seconds },
  })

  const saveState = async (state: Progress) => {
    if (state.tally.samples > 0) await save(await resultOf(state))
  }

  if (redo) {
    const journal = file === undefined ? undefined : await Journal.replace(file)
    const anew: Progress = { tally: new Tally(work.form.aggregations), tokens: 0, seconds: 0 }
    let isWritten = true
    try {
      yield* run(model, work, anew, journal, options, noSaving)
    } catch (error) {
      isWritten = !isOutput(error)
      throw error
    } finally {
      const replaces = isWritten && anew.tally.samples > 0 && anew.tally.samples >= samplesKept
      if (replaces) await journal?.close()
      else {
        await journal?.discard()
        tell('redo')
      }
      await saveState(replaces ? anew : earlier)
    }
    return
  }

  tell('done')
  yield* done.records
  const isComplete = samplesKept === samplesTotal
  const journal =
    file !== undefined && (!isComplete || done.torn) ? await Journal.append(file, done) : undefined
  try {
    if (!isComplete) yield* run(model, work, earlier, journal, options, () => saveState(earlier))
  } finally {
    await journal?.close()
    await saveState(earlier)
  }
}

/** A redo saves nothing on its way: its samples count only once they are as many as those they replace. */
async function noSaving(): Promise<void> {}

/** Runs the samples that are missing in `state`, adds them to it and yields them. Returns at an abort. */
async function* run(
  model: Scorer,
  work: Work,
  state: Progress,
  journal: Journal | undefined,
  options: RunOptions,
  save: () => Promise<void>,
): AsyncGenerator<SampleRecord, void, undefined> {
  const { settings, signal, onProgress } = options
  const { name, title } = work.task
  const start = performance.now()
  const { tokens: tokensBefore, seconds: secondsBefore } = state
  const skip = state.tally.samples
  let nextSave = start
  let tokensTotal: number | undefined
  const tell = () => {
    const seconds = (performance.now() - start) / 1000
    state.seconds = secondsBefore + seconds
    onProgress?.({
      ...{ task: name, title, samplesDone: state.tally.samples, samplesTotal: work.asks.length },
      ...{ tokens: state.tokens - tokensBefore, tokensTotal, seconds },
    })
  }
  const onTokens = (count: number, total: number | undefined) => {
    tokensTotal = total
    state.tokens = tokensBefore + count
    tell()
  }
  try {
    for await (const record of runTask(model, work, {
      skip,
      tooLong: settings.tooLong,
      cache: options.scoreCache,
      signal,
      onTokens,
    })) {
      checkFinite(model, work, record, state.tally.samples, options)
      await journal?.add(record)
      state.tally.add(record)
      tell()
      yield record
      if (performance.now() < nextSave) continue
      // A failure to write results is left to the end of the task, which tries again: the journal holds every sample.
      await save().catch(() => {})
      nextSave = performance.now() + saveMs
    }
  } catch (error) {
    if (!signal?.aborted || isOutput(error)) throw error
  }
}

function isOutput(error: unknown): boolean {
  return error instanceof MtLlamaError && error.code === 'OUTPUT'
}

/** @throws SCORE_NOT_FINITE unless the run allows such scores, and the task's metrics do */
function checkFinite(
  model: Scorer,
  work: Work,
  record: SampleRecord,
  index: number,
  { allowNan = false }: RunOptions,
): void {
  if (isNotFinite(record) && !(allowNan && canBeWrong(work.form)))
    throw notFiniteError(record, work.form, sampleName(work, index), model.info.dtype)
}
