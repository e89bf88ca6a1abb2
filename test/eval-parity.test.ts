// Compares evaluations in float32 with lm-evaluation-harness: every choice's log-likelihood, the accuracies, the answers.
// The published sets are cut to their first 16 samples, MNLI to 300, and COPA not at all; MT_LLAMA_VERIFY=1 runs them whole.
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { GenerateRecord, RankRecord } from '../src/evaluation/results.ts'
import { runToEnd } from '../src/evaluation/run.ts'
import { RunFolder } from '../src/evaluation/run-folder.ts'
import { runSettings } from '../src/evaluation/settings.ts'
import { loadModel } from '../src/model/load.ts'
import type { Model } from '../src/model.ts'
import { logLikelihoodAsTorch } from './as-torch.ts'
import { cardWork } from './card-work.ts'
import { carried, shared, sharedMissing } from './shared.ts'
import { skip } from './skip.ts'

const whole = process.env.MT_LLAMA_VERIFY === '1'
/** Maximum difference of a choice's log-likelihood, by golden/README.md. */
const tolerance = 2e-4

interface GoldenContext {
  context?: string
  context_sha256?: string
}
interface GoldenRow extends GoldenContext {
  doc: number
  requests: { logLikelihood: number; continuation: string; isGreedy: boolean; generated: string }[]
  acc: number
  acc_norm: number
}
interface AnswerRow extends GoldenContext {
  generated: string
}

function rows(path: string) {
  return readFileSync(path, 'utf8')
    .trim()
    .split('\n')
    .map(line => JSON.parse(line))
}

/** A checkpoint, a folder of data, and what the harness gives for them. */
interface ParitySet {
  name: string
  missing?: string | undefined
  model: () => string
  data: () => string
  golden: (task: ChoiceTask) => GoldenRow[]
  /** How many samples of a choice task are run; undefined runs all. */
  items: (task: ChoiceTask) => number | undefined
  /** The harness's own accuracy, and that per character, of a whole task of `n` samples, where they are known. */
  aggregate: (task: ChoiceTask, n: number) => [number, number] | undefined
  /** Gives answers of extractive QA, and a data folder with their questions as `squad`. @param folder to make it in */
  answers: (folder: string) => { data: string; wanted: AnswerRow[] }
}

const choiceTasks = ['copa', 'sst2', 'openbookqa', 'winogrande', 'wic', 'mnli', 'rte'] as const
type ChoiceTask = (typeof choiceTasks)[number]

const sets: ParitySet[] = [
  {
    name: 'a random checkpoint on made-up rows',
    model: () => carried('hf', 'llama-tokenizer-json'),
    data: () => carried('data'),
    golden: task => rows(carried('lm-eval', `${task}.jsonl`)),
    items: () => undefined,
    aggregate: task => {
      const { acc, acc_norm } = JSON.parse(readFileSync(carried('lm-eval', 'results.json'), 'utf8'))[task]
      return [acc, acc_norm]
    },
    answers: () => ({ data: carried('data'), wanted: rows(carried('lm-eval', 'squad.jsonl')) }),
  },
  {
    name: 'SmolLM2-135M on the published sets',
    missing: sharedMissing,
    model: () => shared('models', 'smollm2-135m', 'model-q4_1.gguf'),
    data: () => shared('data', 'eval'),
    golden: task => rows(shared('golden', 'lm-eval', 'samples', `card_${task}.jsonl`)),
    items: task => (whole || task === 'copa' ? undefined : task === 'mnli' ? 300 : 16),
    aggregate: (task, n) => {
      const { results } = JSON.parse(readFileSync(shared('golden', 'lm-eval', 'results.json'), 'utf8'))
      const found = results[`card_${task}`]
      return found?.n === n ? [found['acc,none'], found['acc_norm,none']] : undefined
    },
    answers: folder => {
      const data = join(folder, 'qa')
      mkdirSync(join(data, 'squad'), { recursive: true })
      symlinkSync(shared('golden', 'lm-eval', 'data', 'qa.jsonl'), join(data, 'squad', 'validation.jsonl'))
      const golden: GoldenRow[] = rows(shared('golden', 'lm-eval', 'samples', 'qa_greedy.jsonl'))
      const wanted = golden.map(row => ({ ...row, generated: row.requests[0]!.generated }))
      return { data, wanted: wanted.slice(0, whole ? undefined : 8) }
    },
  },
]

for (const { name, missing, model: path, data, golden, items, aggregate, answers } of sets)
  describe(`parity with lm-evaluation-harness: ${name}`, function () {
    this.timeout((whole ? 120 : 30) * 60_000)
    let model: Model
    let folder: string

    before(async function () {
      if (missing) skip(this, missing)
      folder = mkdtempSync(join(tmpdir(), 'mt-llama-parity-'))
      model = await loadModel(path(), { dtype: 'float32' })
    })
    after(async () => {
      await model?.dispose()
      if (folder) rmSync(folder, { recursive: true })
    })

    const run = async (task: string, dataDir: string, limit: number | null) => {
      await using out = await RunFolder.open(join(folder, `${task}-out`))
      const work = await cardWork([task], { dataDir, limit })
      const settings = await runSettings(model, { protocol: 'card', tooLong: 'error', dataDir, limit })
      const results = await runToEnd(model, { work, settings, folder: out })
      return { result: results.tasks[task]!, records: rows(join(out.path, 'samples', `${task}.jsonl`)) }
    }

    for (const task of choiceTasks)
      it(`${task}: log-likelihoods within ${tolerance}, accuracies equal`, async () => {
        const wanted = golden(task).slice(0, items(task))
        const { records, result } = await run(task, data(), items(task) ?? null)
        // The harness was not asked about all of the largest sets.
        assert.ok(records.length >= wanted.length, `${records.length} samples`)
        assert.deepEqual([result.status, result.samplesTotal], ['complete', records.length])
        let worst = 0
        let summedAsTorch = 0
        for (const [i, row] of wanted.entries()) {
          const record: RankRecord = records[i]
          assert.equal(row.doc, i)
          assertPrompt(record.prompt, row)
          for (const [choice, { logLikelihood, continuation }] of row.requests.entries()) {
            const own = record.logLikelihoods[choice]!
            const difference = Math.abs(own - logLikelihood)
            worst = Math.max(worst, difference)
            if (difference <= tolerance) continue
            summedAsTorch++
            const asTorch = await logLikelihoodAsTorch(model, record.prompt, continuation)
            assert.ok(
              Math.abs(asTorch - logLikelihood) <= tolerance,
              `sample ${i}, choice ${choice}: ${own}, or ${asTorch} summed as torch does; want ${logLikelihood} +- ${tolerance}`,
            )
          }
          const { acc, acc_norm, acc_bytes } = record.scores
          const perByte = row.requests.map(
            ({ logLikelihood }, choice) => logLikelihood / Buffer.byteLength(record.choices[choice]!),
          )
          const byBytes = Number(perByte.indexOf(Math.max(...perByte)) === record.gold)
          assert.deepEqual([acc, acc_norm, acc_bytes], [row.acc, row.acc_norm, byBytes], `sample ${i}`)
        }
        const all = aggregate(task, records.length)
        if (all) assert.deepEqual([result.metrics.acc?.value, result.metrics.acc_norm?.value], all)
        const notes = [
          `${records.length} samples, ${wanted.length} compared, largest difference ${worst.toExponential(1)}`,
          all && 'accuracies of the whole set equal',
          summedAsTorch > 0 && `${summedAsTorch} beyond the tolerance, within it when summed as torch sums`,
        ]
        console.log(`      ${notes.filter(Boolean).join('; ')}`)
      })

    it('the generated answers, through the SQuAD task', async () => {
      const { data, wanted } = answers(folder)
      const { records } = await run('squad', data, wanted.length)
      for (const [i, row] of wanted.entries()) {
        const record: GenerateRecord = records[i]
        assertPrompt(record.prompt, row)
        assert.equal(record.generated, row.generated, `sample ${i}`)
      }
    })
  })

/** Checks that the prompt is the harness's context, of which a large set has only a digest. */
function assertPrompt(prompt: string, { context, context_sha256: digest }: GoldenContext): void {
  if (context !== undefined) assert.equal(prompt, context)
  if (digest !== undefined) assert.equal(createHash('sha256').update(prompt).digest('hex'), digest)
}
