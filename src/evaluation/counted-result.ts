// What the samples of a task come to, counted from their records.
import type { Figure } from '../metrics/mean.ts'
import { spread } from '../metrics/spread.ts'
import { hasScores } from './done-samples.ts'
import { readJournal } from './journal.ts'
import type { TaskResult, TemplateResult } from './results.ts'
import { Tally } from './tally.ts'

/** What is known of a task before it is run. */
type Known = Pick<
  TaskResult,
  'title' | 'headline' | 'decimals' | 'aggregations' | 'files' | 'skipped' | 'samplesTotal'
>

/** All of a task's result but what it cost to run. @param tally must hold one sample at least */
export async function countedResult(
  tally: Tally,
  { title, headline, decimals, aggregations, files, skipped, samplesTotal }: Known,
): Promise<Omit<TaskResult, 'timing'>> {
  const templates = await tally.templates()
  const commonest = tally.commonest()
  return {
    ...{ title, headline, decimals },
    status: tally.samples === samplesTotal ? 'complete' : 'partial',
    files,
    samplesTotal,
    samplesDone: tally.samples,
    metrics: { ...(await tally.metrics()), ...spreads(templates, headline) },
    ...(templates.length > 0 && { templates }),
    ...(commonest && { commonest }),
    ...(aggregations && { aggregations }),
    skipped,
    ties: tally.ties,
    failed: tally.failed,
    truncated: tally.truncated,
    notFinite: tally.notFinite,
  }
}

/** How the metrics whose spread stands for the task, and F1, spread over the templates that have them. */
function spreads(templates: readonly TemplateResult[], headline: readonly string[]): Record<string, Figure> {
  const names = new Set(templates.flatMap(({ metrics }) => Object.keys(metrics)))
  const wanted = [...names].filter(name => headline.includes(`${name}_mean`) || name === 'f1')
  const each = wanted.map(name =>
    spread(
      name,
      templates.flatMap(({ metrics }) => metrics[name]?.value ?? []),
    ),
  )
  return Object.assign({}, ...each)
}

/**
 * A task's result as its journal has it now: a run that was killed has left more samples there than it has counted.
 * The result stays as it is where the journal is gone, holds fewer samples, or cannot be read.
 */
export async function recounted(result: TaskResult, journal: string): Promise<TaskResult> {
  const records = await readJournal(journal).then(
    content => content.records,
    () => [],
  )
  const { samplesDone, samplesTotal } = result
  if (records.length <= samplesDone || records.length > samplesTotal || !records.every(hasScores))
    return result
  const tally = new Tally(result.aggregations)
  for (const record of records) tally.add(record)
  return { ...result, ...(await countedResult(tally, result)) }
}
