// Protocol t0 on SmolLM2-135M against lm-evaluation-harness, which gets the same rendered prompts as one task a template and
// runs them one after the other: evaluate() beside simple_evaluate(), start-up apart.
//
//   npm run bench:t0 -- [--tasks rte] [--limit 100] [--rounds 3] [--threads 1] [--dtype float32] [--batches 4,8,16,32]
//
// Both sides stay loaded and take turns, round after round; log-likelihoods are compared in every round. The harness gets the
// batch size of --batches that is fastest on the first items of the first template. Needs peers/setup.sh and peers/make_models.sh.
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { loadWork } from '../src/evaluation/work.ts'
import { loadModel, type TaskSample } from '../src/index.ts'
import type { DType } from '../src/native/types.ts'
import type { RankAsk } from '../src/protocols/protocol.ts'
import { loadT0 } from '../src/protocols/t0.ts'
import { builtInTasks } from '../src/tasks/built-in/registry.ts'
import { shared } from '../test/shared.ts'
import { timedEvaluation } from './evaluation.ts'
import { float32Tolerance, HarnessRival, type HarnessSample, type Times } from './harness-rival.ts'
import { machine, table, timeCells, timeHeads } from './report.ts'
import { peers } from './rival.ts'

const { values: options } = parseArgs({
  options: {
    tasks: { type: 'string', default: 'rte' },
    limit: { type: 'string', default: '100' },
    rounds: { type: 'string', default: '3' },
    threads: { type: 'string', default: '1' },
    dtype: { type: 'string', default: 'float32' },
    batches: { type: 'string', default: '4,8,16,32' },
  },
})

const threads = Number(options.threads)
const limit = Number(options.limit)
const dtype = options.dtype as DType
const dataDir = shared('data', 'eval')
const templatesDir = shared('promptsource', 'templates')

const head = machine()
const folder = await mkdtemp(join(tmpdir(), 'mt-llama-t0-'))
const theirs = await HarnessRival.start(`${peers}models/smollm2-135m`, dtype, threads, folder)
const ours = await loadModel(shared('models/smollm2-135m'), { dtype, threads })
const rows: string[][] = []
for (const name of options.tasks.split(',')) {
  const files = await writeTasks(name)
  const batches = options.batches.split(',').map(Number)
  const batch = await theirs.bestBatch({ file: files[0]!, limit: null }, batches)
  const times: { ours: Times; theirs: Times }[] = []
  let tokens = 0
  let difference = 0
  for (let round = 0; round < Number(options.rounds); round++) {
    const own = await timedEvaluation(ours, { tasks: [name], protocol: 't0', templatesDir, dataDir, limit })
    const other = { seconds: 0, cpuSeconds: 0, samples: [] as HarnessSample[] }
    for (const file of files) {
      const { seconds, cpuSeconds, tasks } = await theirs.evaluate({ file, limit: null }, batch)
      other.seconds += seconds
      other.cpuSeconds += cpuSeconds
      other.samples.push(...Object.values(tasks).flat())
    }
    difference = Math.max(difference, compare(byTemplate(own.samples).flat(), other.samples))
    tokens = own.results.tasks[name]!.timing.tokens
    times.push({ ours: own, theirs: other })
    process.stderr.write(`${name} ${own.seconds} ${own.cpuSeconds} ${other.seconds} ${other.cpuSeconds}\n`)
  }
  rows.push([
    ...[name, String(files.length), String(limit)],
    ...timeCells(times),
    ...[String(batch), String(tokens), difference.toExponential(0)],
  ])
}
console.log(`${head}\n`)
console.log(
  `${dtype}, threads ${threads}, ${options.rounds} rounds (medians), backend ${ours.info.backend}\n`,
)
console.log(
  table([...['task', 'templates', 'items', ...timeHeads], ...['batch', 'tokens run', 'max diff']], rows),
)
await ours.dispose()
await theirs.stop()
await rm(folder, { recursive: true })

/** Writes a task file for each template of a task, with its prompts as data. @returns the files in order */
async function writeTasks(name: string): Promise<string[]> {
  const task = builtInTasks.get(name)!
  const [work] = await loadWork([task], await loadT0(templatesDir, [task]), { dataDir, limit })
  return Promise.all(
    byTemplate(work!.asks as readonly RankAsk[]).map(async (asks, i) => {
      const base = join(folder, `${name}-${String(i).padStart(2, '0')}`)
      const lines = asks.map(({ prompt, choices, gold }) => JSON.stringify({ prompt, choices, gold }))
      await writeFile(`${base}.jsonl`, `${lines.join('\n')}\n`)
      await writeFile(
        `${base}.yaml`,
        [
          `task: ${name}_${i}`,
          'dataset_path: json',
          `dataset_kwargs: { data_files: { validation: ${base}.jsonl } }`,
          'validation_split: validation',
          'output_type: multiple_choice',
          'doc_to_text: prompt',
          'doc_to_choice: choices',
          'doc_to_target: gold',
          'metric_list: [{ metric: acc }, { metric: acc_norm }]',
        ].join('\n'),
      )
      return `${base}.yaml`
    }),
  )
}

function byTemplate<T extends { template?: string }>(asked: readonly T[]): T[][] {
  const names = new Set(asked.map(({ template }) => template))
  return [...names].map(name => asked.filter(({ template }) => template === name))
}

/** Throws where the two sides disagree; returns the largest difference of a log-likelihood. */
function compare(mine: readonly TaskSample[], other: readonly HarnessSample[]): number {
  if (mine.length !== other.length) throw new Error(`${mine.length} samples here, ${other.length} there`)
  let largest = 0
  for (const [i, sample] of mine.entries()) {
    if (sample.kind !== 'rank') throw new Error(`sample ${i} is no ranking`)
    for (const [choice, own] of sample.logLikelihoods.entries()) {
      const [theirs] = other[i]!.answers[choice] as [number, boolean]
      const difference = Math.abs(own! - theirs)
      largest = Math.max(largest, difference)
      if (dtype === 'float32' && !(difference <= float32Tolerance(sample.tokens[choice]!)))
        throw new Error(
          `${sample.template}, item ${sample.id}, choice ${choice}: ${own} here, ${theirs} there`,
        )
    }
  }
  return largest
}
