// Compares rolling log-likelihoods and generated texts in float32 with lm-evaluation-harness.
// MT_LLAMA_VERIFY=1 takes every row of the large set; otherwise the first few.
import { strict as assert } from 'node:assert'
import { readFileSync } from 'node:fs'
import { loadModel, type Model } from '../src/index.ts'
import { rolledAsTorch } from './as-torch.ts'
import { carried, shared, sharedMissing } from './shared.ts'

const verify = process.env.MT_LLAMA_VERIFY === '1'
const perplexityRows = verify ? Infinity : 3
const generationRows = verify ? Infinity : 4
/** Maximum difference for each token, by golden/README.md. */
const rollingTolerance = 1e-5

interface Sample {
  requests: { logLikelihood: number; generated: string }[]
  word_perplexity: [number, number]
  byte_perplexity: [number, number]
}

describe('rolling log-likelihoods of a random checkpoint', () => {
  it('are those of lm-evaluation-harness', async () => {
    await using model = await loadModel(carried('hf', 'llama-tokenizer-json'), { dtype: 'float32' })
    const texts = linesOf<{ text: string }>(carried('data', 'reviews.jsonl'))
    const wanted = linesOf<{ logLikelihood: number; words: number; bytes: number }>(
      carried('lm-eval', 'reviews.jsonl'),
    )
    assert.equal(wanted.length, texts.length)
    for (const [i, { logLikelihood, words, bytes }] of wanted.entries()) {
      const own = await model.perplexity(texts[i]!.text)
      assert.ok(Math.abs(own.logLikelihood - logLikelihood) <= rollingTolerance * own.tokens, `row ${i}`)
      assert.ok(Math.abs(Math.log(own.wordPerplexity!) + own.logLikelihood / words) < 1e-12, `row ${i}`)
      assert.ok(Math.abs(Math.log(own.bytePerplexity!) + own.logLikelihood / bytes) < 1e-12, `row ${i}`)
    }
  })
})

describe('golden/lm-eval on SmolLM2-135M', function () {
  if (verify) this.timeout(3_600_000)
  if (sharedMissing) return it.skip(sharedMissing)
  const samples = (task: string) => lines<Sample>('samples', `${task}.jsonl`)
  let model: Model
  before(async () => {
    model = await loadModel(shared('models', 'smollm2-135m', 'model-q4_1.gguf'), { dtype: 'float32' })
  })
  after(() => model?.dispose())

  it('rolls over reviews to the same log-likelihoods', async () => {
    const texts = lines<{ text: string }>('data', 'reviews.jsonl')
    for (const [i, sample] of samples('reviews_perplexity').slice(0, perplexityRows).entries()) {
      const { logLikelihood, tokens, wordPerplexity, bytePerplexity } = await model.perplexity(texts[i]!.text)
      const expected = sample.requests[0]!.logLikelihood
      const label = `row ${i}: ${logLikelihood}, want ${expected}`
      const isClose = (own: number) => Math.abs(own - expected) <= rollingTolerance * tokens
      if (!isClose(logLikelihood)) {
        const asTorch = await rolledAsTorch(model, texts[i]!.text)
        assert.ok(isClose(asTorch), `${label}; summed as torch sums, ${asTorch}`)
      }
      assert.ok(
        Math.abs(Math.log(wordPerplexity!) + logLikelihood / sample.word_perplexity[1]) < 1e-12,
        label,
      )
      assert.ok(
        Math.abs(Math.log(bytePerplexity!) + logLikelihood / sample.byte_perplexity[1]) < 1e-12,
        label,
      )
    }
  })

  const data = () => lines<{ question: string; context: string }>('data', 'qa.jsonl').slice(0, generationRows)
  it('generates the answers of qa_greedy', async () => {
    const prompts = data().map(
      ({ question, context }) =>
        `Answer the question according to the context. Question: ${question}. Context: ${context}. Answer:`,
    )
    await generates('qa_greedy', prompts, { maxTokens: 64, stop: ['\n'] })
  })
  it('generates the answers of qa_plain', async () => {
    const prompts = data().map(({ question, context }) => `${context}\n\nQuestion: ${question}\nAnswer:`)
    await generates('qa_plain', prompts, { maxTokens: 32, stop: ['\n', '.'] })
  })

  async function generates(task: string, prompts: string[], options: { maxTokens: number; stop: string[] }) {
    const results = await model.generate(prompts, options)
    assert.deepEqual(
      results.map(({ text }) => text),
      samples(task)
        .slice(0, prompts.length)
        .map(({ requests }) => requests[0]!.generated),
    )
  }
})

function lines<T>(...parts: string[]): T[] {
  return linesOf(shared('golden', 'lm-eval', ...parts))
}

function linesOf<T>(file: string): T[] {
  return readFileSync(file, 'utf8')
    .trimEnd()
    .split('\n')
    .map(line => JSON.parse(line) as T)
}
