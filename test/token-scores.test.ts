// Tests what samples keep of the tokens of their choices and answers: texts and log-probabilities, whatever way a sample came.
import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { GenerateRecord, RankRecord, SampleRecord } from '../src/evaluation/results.ts'
import {
  type EvaluateOptions,
  evaluate,
  evaluateStream,
  loadModel,
  type Model,
  rescore,
} from '../src/index.ts'
import { jsonLines } from './cli-run.ts'
import { fakeModel } from './fake-model.ts'

const at = (path: string) => fileURLToPath(new URL(`../default/${path}`, import.meta.url))

describe('token scores of samples', () => {
  let top: string
  let model: Model
  before(async () => {
    top = mkdtempSync(join(tmpdir(), 'mt-llama-token-scores-'))
    model = await loadModel(at('model'))
  })
  after(async () => {
    await model.dispose()
    rmSync(top, { recursive: true, force: true })
  })

  const options = { dataDir: at('data'), tasks: ['copa', 'mnli'] }
  const journal = (run: string, task = 'copa') =>
    readFileSync(join(top, run, 'samples', `${task}.jsonl`), 'utf8')
  const run = (name: string, more: Partial<EvaluateOptions> = {}) =>
    evaluate(model, { ...options, out: join(top, name), ...more })

  it('spell each choice, and add up to its log-likelihood to the bit', async () => {
    await run('whole')
    let multiple = 0
    for (const task of ['copa', 'mnli'])
      for (const record of jsonLines(journal('whole', task)) as RankRecord[])
        for (const [i, choice] of record.choices.entries()) {
          const logProbs = record.tokenLogProbs![i]!
          assert.equal(record.tokenTexts![i]!.join(''), ` ${choice}`)
          assert.equal(logProbs.length, record.tokens[i])
          assert.equal(
            logProbs.reduce<number>((sum, one) => sum + Math.fround(one!), 0),
            record.logLikelihoods[i],
          )
          if (logProbs.length > 1) multiple++
        }
    assert.ok(multiple > 12)
  })

  it('spell each generated answer with what ended it, and are those that scoring gives', async () => {
    await run('answers', { tasks: ['squad'] })
    const records = jsonLines(journal('answers', 'squad')) as GenerateRecord[]
    assert.ok(records.length > 2)
    const prompts = records.map(({ prompt }) => prompt)
    const generated = await model.generate(prompts, { maxTokens: 64, stop: ['\n'] })
    const scored = await model.score(
      generated.map(({ tokens }, i) => ({ prompt: prompts[i]!, continuations: [tokens] })),
    )
    for (const [i, { generated: text, tokenTexts, tokenLogProbs, finishReason }] of records.entries()) {
      assert.equal(tokenTexts!.length, generated[i]!.tokens.length)
      const spelt = tokenTexts!.join('')
      assert.ok(finishReason === 'stop' ? spelt.startsWith(text) : spelt === text, spelt)
      assert.deepEqual(
        tokenLogProbs!.map(value => Math.fround(value!)),
        [...scored[i]!.continuations[0]!.tokenLogProbs],
      )
    }

    await run('answers-resumed', { tasks: ['squad'], limit: 1 })
    await run('answers-resumed', { tasks: ['squad'] })
    assert.equal(journal('answers-resumed', 'squad'), journal('answers', 'squad'))
    await rescore(join(top, 'answers'))
    assert.equal(journal('answers', 'squad'), journal('answers-resumed', 'squad'))
  })

  it('are the same in a run that goes on, from a score cache, and judged again', async () => {
    const wanted = ['copa', 'mnli'].map(task => journal('whole', task))
    const found = (name: string) => ['copa', 'mnli'].map(task => journal(name, task))

    await run('resumed', { limit: 2 })
    await run('resumed')
    assert.deepEqual(found('resumed'), wanted)

    for (const hits of [0, 30]) {
      await using scoreCache = await model.openScoreCache(join(top, 'scores'))
      await run(`cached-${hits}`, { scoreCache })
      assert.equal(scoreCache.hits, hits)
      assert.deepEqual(found(`cached-${hits}`), wanted)
    }

    for (const [i, task] of ['copa', 'mnli'].entries())
      writeFileSync(
        join(top, 'resumed', 'samples', `${task}.jsonl`),
        wanted[i]!.replaceAll(/"prediction":\d/g, '"prediction":7'),
      )
    await rescore(join(top, 'resumed'))
    assert.deepEqual(found('resumed'), wanted)
  })

  const scorer = (logProbs: number[], tokenizer = model.tokenizer) => {
    const fake = fakeModel()
    const { tokenizer: own } = model
    return {
      ...fake,
      tokenizer,
      async *scoreStream(...args: Parameters<typeof fake.scoreStream>) {
        for await (const result of fake.scoreStream(...args))
          yield {
            ...result,
            continuations: result.continuations.map(one => ({
              ...one,
              ...{ logLikelihood: logProbs.reduce((sum, value) => sum + value, 0) },
              ...{ tokenLogProbs: logProbs, tokens: own!.encode('no') },
            })),
          }
      },
    }
  }
  const first = async (fake: ReturnType<typeof scorer>): Promise<SampleRecord | undefined> => {
    const more = { tasks: ['copa'], limit: 1, allowNan: true }
    for await (const sample of evaluateStream(fake, { ...options, ...more })) return sample
  }

  it('are null where they are not finite, in the file as in the stream', async () => {
    const sample = (await first(scorer([-1.5, Number.NEGATIVE_INFINITY]))) as RankRecord
    assert.deepEqual(sample.tokenTexts, [
      ['n', 'o'],
      ['n', 'o'],
    ])
    assert.deepEqual(sample.tokenLogProbs, [
      [-1.5, null],
      [-1.5, null],
    ])
    assert.deepEqual(JSON.parse(JSON.stringify(sample)), sample)
  })

  it('are left out for a scorer without a tokenizer', async () => {
    const sample = await first({ ...scorer([-1]), tokenizer: undefined })
    assert.ok(sample && 'logLikelihoods' in sample)
    assert.deepEqual(
      Object.keys(sample).filter(name => name.startsWith('token')),
      ['tokens'],
    )
  })
})
