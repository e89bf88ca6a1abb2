// Lays out the samples of runs for the page: a question once, with the answers of all runs that were asked it.
import { type SavedRun, type SavedTask, sampleKey } from '../evaluation/compare/read-run.ts'
import { askedOf, pairedKeys } from '../evaluation/compare/same-data.ts'
import type { SampleRecord } from '../evaluation/results.ts'

/** What page/browser.js reads. */
export interface PageData {
  runs: PageRun[]
  tasks: PageTask[]
  samples: PageSample[]
}

export interface PageRun {
  name: string
}

interface PageTask {
  title: string
  /** The metric by which a sample is right (1), wrong (0) or partly right; '' where there is none. */
  metric: string
  /** The names of the scores that tell something of a sample alone. */
  scores: string[]
}

interface PageSample {
  /** Index of the task. */
  task: number
  ask: Record<string, unknown>
  /** One for each run: what the record has beside the question; null where the run lacks the sample. */
  answers: (Record<string, unknown> | null)[]
}

/** The fields of a record that are its question; all others are the answer. */
const askFields = new Set([
  'kind',
  'id',
  'template',
  'prompt',
  'choices',
  'asPrompts',
  'gold',
  'golds',
  'positive',
])

/** What a task was asked by: runs that say the same were asked the same. A task of a file says itself how it is put. */
export function askedBy({ results }: SavedRun, { result }: SavedTask): string {
  return result.definition === undefined ? results.settings.protocol : 'own'
}

/**
 * @param names what the page calls the runs
 * @param limit how many samples of each task to take, from the first
 * @throws DATA_INVALID where runs that were asked the same are of different data
 */
export function pageData(runs: readonly SavedRun[], names: readonly string[], limit: number): PageData {
  const data: PageData = { runs: [], tasks: [], samples: [] }
  for (const name of names) data.runs.push({ name })
  for (const name of new Set(runs.flatMap(({ tasks }) => [...tasks.keys()]))) {
    const having = runs.flatMap((run, place) => {
      const task = run.tasks.get(name)
      return task ? [{ task, run: place, by: askedBy(run, task) }] : []
    })
    const index = data.tasks.push(pageTask(having.map(({ task }) => task))) - 1
    for (const by of new Set(having.map(one => one.by)))
      data.samples.push(
        ...paired(
          having.filter(one => one.by === by),
          index,
          runs.length,
        ).slice(0, limit),
      )
  }
  return data
}

function pageTask(tasks: readonly SavedTask[]): PageTask {
  const { title, headline, aggregations = {} } = tasks[0]!.result
  const [record] = tasks.flatMap(({ samples }) => [...samples.values()].slice(0, 1))
  // A score of which no mean is made, such as a log-likelihood by the name of its perplexity, tells nothing of its sample alone.
  const scored = Object.keys(record?.scores ?? {}).filter(name => !Object.hasOwn(aggregations, name))
  // The headline of a task with several templates is of the templates, and no sample has it.
  const metric = headline.find(name => scored.includes(name)) ?? scored[0] ?? ''
  return { title, metric, scores: scored }
}

/** The samples of one task that were asked alike, in the order of the first run, then what only later ones have. */
function paired(
  having: readonly { task: SavedTask; run: number }[],
  index: number,
  runs: number,
): PageSample[] {
  const [first, ...others] = having
  for (const { task } of others)
    if (task.samples.size > 0 && first!.task.samples.size > 0)
      pairedKeys(task.result.title, askedOf(first!.task), askedOf(task))
  const samples = new Map<string, PageSample>()
  for (const { task, run } of having)
    for (const record of task.samples.values()) {
      const key = sampleKey(record)
      const { ask, answer } = split(record)
      let sample = samples.get(key)
      if (!sample) {
        sample = { task: index, ask, answers: new Array(runs).fill(null) }
        samples.set(key, sample)
      }
      sample.answers[run] = answer
    }
  return [...samples.values()]
}

function split(record: SampleRecord) {
  const fields = Object.entries(record)
  return {
    ask: Object.fromEntries(fields.filter(([name]) => askFields.has(name))),
    answer: Object.fromEntries(fields.filter(([name]) => !askFields.has(name))),
  }
}
