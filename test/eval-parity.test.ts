// SmolLM2-135M against lm-evaluation-harness in float32: every choice's log-likelihood, the accuracies, the answers.
// COPA whole and the first 40 samples of every other task; all of them under MT_LLAMA_VERIFY=1.
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { evaluate } from '../src/evaluation/evaluate.ts'
import type { AnswerRecord, ChoiceRecord } from '../src/evaluation/results.ts'
import { RunFolder } from '../src/evaluation/run-folder.ts'
import { runSettings } from '../src/evaluation/settings.ts'
import { loadModel } from '../src/model/load.ts'
import type { Model } from '../src/model.ts'
import type { TaskName } from '../src/tasks/registry.ts'
import { shared, sharedMissing } from './shared.ts'

const whole = process.env.MT_LLAMA_VERIFY === '1'
/** Per choice; golden/README.md. */
const tolerance = 2e-4

interface GoldenRow {
  doc: number
  requests: { logLikelihood: number; continuation: string; isGreedy: boolean; generated: string }[]
  acc: number
  acc_norm: number
  context_sha256: string
}

function rows(path: string) {
  return readFileSync(path, 'utf8')
    .trim()
    .split('\n')
    .map(line => JSON.parse(line))
}

const golden = (name: string): GoldenRow[] => rows(shared('golden', 'lm-eval', 'samples', `${name}.jsonl`))

describe('parity with lm-evaluation-harness', function () {
  this.timeout(30 * 60_000)
  let model: Model
  let folder: string

  before(async function () {
    if (sharedMissing) return this.skip()
    folder = mkdtempSync(join(tmpdir(), 'mt-llama-parity-'))
    model = await loadModel(shared('models', 'smollm2-135m', 'model-q4_1.gguf'), { dtype: 'float32' })
  })
  after(async () => {
    await model?.dispose()
    if (folder) rmSync(folder, { recursive: true })
  })

  const run = async (task: TaskName, dataDir: string, limit: number) => {
    const out = await RunFolder.open(join(folder, `${task}-out`))
    const settings = await runSettings(model, { tooLong: 'error', dataDir, limit })
    const results = await evaluate(model, { tasks: [task], settings, folder: out })
    return { result: results.tasks[task]!, records: rows(join(out.path, 'samples', `${task}.jsonl`)) }
  }

  const choiceTasks = ['copa', 'sst2', 'openbookqa', 'winogrande', 'wic', 'mnli', 'rte'] as const
  for (const task of choiceTasks) {
    it(`${task}: log-likelihoods within ${tolerance}, accuracies equal`, async () => {
      const wanted = golden(`card_${task}`).slice(0, whole || task === 'copa' ? undefined : 40)
      const { records, result } = await run(task, shared('data', 'eval'), wanted.length)
      assert.equal(records.length, wanted.length)
      let worst = 0
      for (const [i, row] of wanted.entries()) {
        const record: ChoiceRecord = records[i]
        assert.equal(row.doc, i)
        assert.equal(createHash('sha256').update(record.prompt).digest('hex'), row.context_sha256)
        for (const [choice, { logLikelihood }] of row.requests.entries()) {
          const difference = Math.abs(record.logLikelihoods[choice]! - logLikelihood)
          worst = Math.max(worst, difference)
          assert.ok(
            difference <= tolerance,
            `sample ${i}, choice ${choice}: ${record.logLikelihoods[choice]}, want ${logLikelihood} +- ${tolerance}`,
          )
        }
        assert.equal(Number(record.correct), row.acc, `sample ${i}`)
        assert.equal(Number(record.correctNormalised), row.acc_norm, `sample ${i}`)
      }
      const { results } = JSON.parse(readFileSync(shared('golden', 'lm-eval', 'results.json'), 'utf8'))
      const aggregate = results[`card_${task}`]
      const all = aggregate?.n === wanted.length
      if (all) {
        assert.deepEqual(result.metrics, {
          accuracy: aggregate['acc,none'],
          accuracyNormalised: aggregate['acc_norm,none'],
        })
      }
      console.log(
        `      ${wanted.length} samples, largest difference ${worst.toExponential(1)}${all ? ', accuracies of the whole set equal' : ''}`,
      )
    })
  }

  it('qa_greedy: the generated texts, through the SQuAD task', async () => {
    const data = join(folder, 'qa')
    mkdirSync(join(data, 'squad'), { recursive: true })
    symlinkSync(shared('golden', 'lm-eval', 'data', 'qa.jsonl'), join(data, 'squad', 'validation.jsonl'))
    const wanted = golden('qa_greedy').slice(0, whole ? undefined : 8)
    const { records } = await run('squad', data, wanted.length)
    for (const [i, row] of wanted.entries()) {
      const record: AnswerRecord = records[i]
      assert.equal(createHash('sha256').update(record.prompt).digest('hex'), row.context_sha256)
      assert.equal(record.generated, row.requests[0]!.generated, `sample ${i}`)
    }
  })
})
