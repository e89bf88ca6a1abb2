// Tests what calls tell of their progress: from the first pack or step on, the tokens that all of it takes.
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expectedTokens } from '../src/calls/expected-tokens.ts'
import {
  type EvaluateProgress,
  evaluate,
  type GenerateOptions,
  type GenerateProgress,
  loadModel,
  loadTasks,
  type Model,
  type ScoreProgress,
} from '../src/index.ts'
import { onTerminal } from './cli-run.ts'
import { skip } from './skip.ts'

const path = (name: string) => fileURLToPath(new URL(`../default/${name}`, import.meta.url))

describe('progress', () => {
  let model: Model
  let folder: string
  before(async () => {
    model = await loadModel(path('model'))
    folder = mkdtempSync(join(tmpdir(), 'mt-llama-progress-'))
  })
  after(async () => {
    await model.dispose()
    rmSync(folder, { recursive: true })
  })

  it('of scoring tells from the first pack on what all requests take', async () => {
    const requests = Array.from({ length: 600 }, (_, i) => ({
      prompt: [i % 250, Math.floor(i / 250), ...Array<number>(40).fill(7)],
      continuations: [[8, 9]],
    }))
    const seen: ScoreProgress[] = []
    await model.score(requests, { onProgress: step => seen.push(step) })
    const all = seen.at(-1)!.tokensDone
    assert.equal(seen.at(-1)!.requestsPlanned, requests.length)
    assert.equal(seen.at(-1)!.tokensPlanned, all)
    assert.ok(seen[0]!.tokensDone < all / 4)
    for (const step of seen) {
      const expected = expectedTokens(step, step.requestsPlanned, requests.length)!
      assert.ok(Math.abs(expected - all) < all / 20, `${expected} of ${all}`)
    }
  })

  const prompts = Array.from({ length: 150 }, (_, i) => [i, 1, 2, 3, 4, 5])
  const steps = async (options: GenerateOptions) => {
    const seen: GenerateProgress[] = []
    await model.generate(prompts, { maxTokens: 10, ...options, onProgress: step => seen.push(step) })
    return seen
  }
  const expected = (step: GenerateProgress) => expectedTokens(step, step.promptsPlanned, prompts.length)

  it('of generation tells it from the first step on', async () => {
    const seen = await steps({ stopIds: [] })
    // After the last token of a text nothing is predicted, so it is not run.
    const all = prompts.length * (6 + 9)
    assert.equal(seen.at(-1)!.tokensDone, all)
    for (const step of seen) assert.equal(expected(step), all)
  })

  for (const length of [6, 40])
    it(`of generation tells it of several texts of a prompt of ${length} tokens`, async () => {
      const own = Array.from({ length: 9 }, (_, i) => [i, ...Array<number>(length - 1).fill(7)])
      const seen: GenerateProgress[] = []
      const options = { maxTokens: 10, stopIds: [], temperature: 1, seed: 1, n: 3 }
      await model.generate(own, { ...options, onProgress: step => seen.push(step) })
      const all = seen.at(-1)!.tokensDone
      for (const step of seen) assert.equal(step.tokensPlanned, all)
    })

  it('of generation learns from the texts that have ended', async () => {
    const every = Array.from({ length: model.info.vocabSize }, (_, i) => i)
    const seen = await steps({ stopIds: every })
    assert.equal(expected(seen[0]!), prompts.length * 6)
    assert.equal(seen.at(-1)!.tokensDone, prompts.length * 6)
  })

  it('of an evaluation tells it of each task, whatever it asks', async () => {
    const rows = Array.from({ length: 12 }, (_, i) => ({ text: `${'a word '.repeat(40 + i)}.` }))
    writeFileSync(join(folder, 'rows.json'), JSON.stringify(rows))
    const file = join(folder, 'texts.yaml')
    writeFileSync(
      file,
      `task: texts\ndataset_path: json\ndataset_kwargs: { data_files: { test: rows.json } }\ntest_split: test\noutput_type: loglikelihood_rolling\ndoc_to_text: ""\ndoc_to_target: "{{text}}"\n`,
    )
    const { tasks } = await loadTasks([file], folder)
    const seen: EvaluateProgress[] = []
    await evaluate(model, {
      ...{ dataDir: path('data'), tasks: ['copa', 'squad', ...tasks] },
      onProgress: step => seen.push(step),
    })
    for (const task of ['copa', 'squad', 'texts']) {
      const own = seen.filter(step => step.task === task && step.tokens > 0)
      assert.ok(own.length > 0, task)
      for (const { tokens, tokensTotal } of own) assert.ok(tokensTotal! >= tokens, `${task}: ${tokensTotal}`)
      const { tokens, tokensTotal } = own.at(-1)!
      assert.ok(tokensTotal! < 1.1 * tokens, `${task}: ${tokens} of ${tokensTotal}`)
    }
  })

  it('on a terminal has a time left before the first result', async function () {
    const file = join(folder, 'prompts.jsonl')
    // More than are read ahead, so that their number is not known from having read them.
    writeFileSync(file, `\n${JSON.stringify({ prompt: 'long '.repeat(300) })}\n`.repeat(600))
    const args = ['generate', file, '--device', 'reference', '--out', join(folder, 'out.jsonl')]
    const text = await onTerminal(args, [[/ 0\/600 prompts, ETA \d+\w+, /, '\x03']])
    if (text === undefined) skip(this, 'no program script')
    assert.match(text, / 0\/600 prompts, ETA \d+\w+, /)
    assert.match(text, /stopping; /)
  })
})
