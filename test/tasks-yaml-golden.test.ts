// Runs lm-evaluation-harness's own task files and compares with what the harness gives: every prompt, log-likelihood, text,
// metric and aggregate. The first rows of each are scored; MT_LLAMA_VERIFY=1 scores all of them.
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { auc } from '../src/evaluation/choices.ts'
import type { SampleRecord, TaskResult } from '../src/evaluation/results.ts'
import { runWork } from '../src/evaluation/run.ts'
import { runSettings } from '../src/evaluation/settings.ts'
import { loadWork } from '../src/evaluation/work.ts'
import { loadModel, type Model } from '../src/index.ts'
import { card } from '../src/protocols/card.ts'
import { loadOwnTasks, withOwnTasks } from '../src/protocols/own/own.ts'
import { logLikelihoodAsTorch, rolledAsTorch } from './as-torch.ts'
import { shared, sharedMissing } from './shared.ts'

const verify = process.env.MT_LLAMA_VERIFY === '1'
/** Maximum differences by golden/README.md: of a continuation, and of each token of a text. */
const tolerance = 2e-4
const rollingTolerance = 1e-5

interface GoldenRow {
  requests: { logLikelihood: number; isGreedy: boolean; generated: string; continuation: string }[]
  context_sha256: string
  [metric: string]: unknown
}

const golden = (...parts: string[]) => shared('golden', 'lm-eval', ...parts)
const rowsOf = (task: string): GoldenRow[] =>
  readFileSync(golden('samples', `${task}.jsonl`), 'utf8')
    .trim()
    .split('\n')
    .map(line => JSON.parse(line))

async function load(task: string, limit: number | null) {
  const { tasks } = await loadOwnTasks([golden('tasks', `${task}.yaml`)], shared())
  const protocol = withOwnTasks(card, tasks)
  const own = tasks.map(one => one.task)
  const [work] = await loadWork(own, protocol, { dataDir: shared(), limit })
  return work!
}

describe("lm-evaluation-harness's task files", function () {
  if (verify) this.timeout(3_600_000)
  if (sharedMissing) return it.skip(sharedMissing)
  const names = readdirSync(golden('tasks')).map(file => file.replace('.yaml', ''))
  let model: Model
  before(async () => {
    model = await loadModel(shared('models', 'smollm2-135m', 'model-q4_1.gguf'), { dtype: 'float32' })
  })
  after(() => model?.dispose())

  it('are all there', () => assert.equal(names.length, 12))

  for (const task of names) {
    it(`${task}: every prompt and continuation is the harness's`, async () => {
      const rows = rowsOf(task)
      const { asks, form } = await load(task, rows.length)
      assert.equal(asks.length, rows.length)
      for (const [i, ask] of asks.entries()) {
        const { context_sha256, requests } = rows[i]!
        assert.equal(createHash('sha256').update(ask.prompt).digest('hex'), context_sha256, `row ${i}`)
        if (ask.kind === 'rank' && form.kind === 'rank')
          assert.deepEqual(
            ask.choices.map(choice => form.delimiter + choice),
            requests.map(({ continuation }) => continuation),
          )
      }
    })

    it(`${task}: the model's answers come to the harness's metrics`, async () => {
      const rows = rowsOf(task).slice(0, verify ? undefined : 3)
      const work = await load(task, rows.length)
      const asked = {
        ...{ protocol: 'card', dataDir: shared(), limit: rows.length },
        tooLong: 'error',
      } as const
      const samples = runWork(model, { work: [work], settings: await runSettings(model, asked) })
      for (let i = 0; ; i++) {
        const { done, value } = await samples.next()
        if (done) {
          assert.equal(i, rows.length)
          compareResult(task, value.tasks[task]!)
          break
        }
        await compareSample(model, value, rows[i]!, `row ${i}`)
      }
    })
  }
})

async function compareSample(
  model: Model,
  record: SampleRecord,
  row: GoldenRow,
  label: string,
): Promise<void> {
  const { requests } = row
  if (record.kind === 'generate') assert.equal(record.generated, requests[0]!.generated, label)
  if (record.kind === 'rank') {
    assert.deepEqual(
      record.isGreedy,
      requests.map(({ isGreedy }) => isGreedy),
      label,
    )
    for (const [i, { logLikelihood, continuation }] of requests.entries()) {
      const isClose = (own: number) => Math.abs(own - logLikelihood) <= tolerance
      if (!isClose(record.logLikelihoods[i]!))
        assert.ok(
          isClose(await logLikelihoodAsTorch(model, record.prompt, continuation)),
          `${label}, choice ${i}`,
        )
    }
  }
  if (record.kind === 'roll') {
    const isClose = (own: number) =>
      Math.abs(own - requests[0]!.logLikelihood) <= rollingTolerance * record.tokens
    if (!isClose(record.logLikelihood!))
      assert.ok(isClose(await rolledAsTorch(model, record.prompt)), `${label}: ${record.logLikelihood}`)
    for (const [name, partner] of Object.entries(record.pairedWith!))
      assert.equal(partner, (row[name] as [number, number])[1], `${label}, ${name}`)
  } else
    assert.deepEqual(
      record.scores,
      Object.fromEntries(Object.keys(record.scores).map(name => [name, row[name]])),
      label,
    )
}

/** Compares aggregates, where all rows were run and the harness's are those of the same rows. */
function compareResult(task: string, { metrics, samplesDone }: TaskResult): void {
  const wanted = JSON.parse(readFileSync(golden('results.json'), 'utf8')).results[task]
  if (wanted?.n !== samplesDone) return
  for (const [name, { value, standardError }] of Object.entries(metrics)) {
    if (name === auc) continue // the harness has none
    const expected = wanted[`${name},none`]
    assert.ok(Math.abs(value - expected) <= 1e-4 * Math.abs(expected), `${name}: ${value}, want ${expected}`)
    const error = wanted[`${name}_stderr,none`]
    if (error !== undefined) assert.ok(Math.abs(standardError! - error) < 1e-12, `${name}: error`)
  }
}
