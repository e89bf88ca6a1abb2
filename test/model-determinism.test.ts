// Checks that 10,000 scores and greedy tokens have the same bits whatever the batch, order, threads and sharing of prefixes.
import { strict as assert } from 'node:assert'
import type { GenerateOptions, ScoreRequest } from '../src/index.ts'
import { openModel } from '../src/model/load.ts'
import { defaultPlanner, type PlannerOptions } from '../src/model/planner-options.ts'
import { randomNumbers } from './attention-oracle.ts'

const folder = new URL('../default/model', import.meta.url).pathname
const vocabSize = 258

/** Makes 2,500 requests of four continuations. One prompt in three begins like the one before it, one in fifty is long. */
function manyRequests(): ScoreRequest[] {
  const random = randomNumbers(11)
  const tokens = (n: number) => Array.from({ length: n }, () => Math.floor(random() * vocabSize))
  let last = tokens(30)
  return Array.from({ length: 2500 }, () => {
    const shared = random() < 1 / 3 ? last.slice(0, Math.floor(random() * last.length)) : []
    const longest = random() < 1 / 50 ? 400 : 24
    const prompt = [...shared, ...tokens(1 + Math.floor(random() * longest))]
    last = prompt
    const stem = tokens(Math.floor(random() * 3))
    const continuations = [0, 1, 2, 3].map(() => [...stem, ...tokens(1 + Math.floor(random() * 4))])
    return { prompt, continuations }
  })
}

interface Run {
  name: string
  threads?: number
  planner?: Partial<PlannerOptions>
  order?: (i: number, n: number) => number
  /** Number of requests in a call. */
  batch?: number
  /** Calls that overlap. */
  together?: number
  /** Whether beginnings of some prompts are kept before. */
  keeps?: boolean
}

const runs: Run[] = [
  { name: 'another number of threads', threads: 2 },
  { name: 'in another order', order: (i, n) => (i * 1009 + 17) % n },
  { name: 'without sharing prefixes', planner: { share: false } },
  { name: 'in packs of 64 tokens on two threads', threads: 2, planner: { packTokens: 64 } },
  { name: 'in packs of 20,000 tokens', planner: { packTokens: 20_000 } },
  { name: 'one request a call', batch: 1 },
  { name: 'in calls that overlap, and share what they begin with', batch: 1, together: 100 },
  { name: 'after prefixes that are kept', keeps: true, batch: 100, together: 3 },
]

describe('determinism', () => {
  const requests = manyRequests()

  for (const dtype of ['float32', 'bfloat16'] as const)
    describe(dtype, () => {
      let expected: Float32Array

      before(async () => {
        expected = await scores({ name: 'plain' })
      })

      for (const run of runs)
        it(`scores are the same bits ${run.name}`, async () => {
          const own = await scores(run)
          assert.equal(own.length, expected.length)
          const at = own.findIndex((score, i) => !Object.is(score, expected[i]))
          assert.equal(at, -1, `token score ${at} is ${own[at]}, want ${expected[at]}`)
        })

      it('greedy tokens and their scores are the same alone, in a batch, and on other threads', async () => {
        const prompts = requests.slice(0, 60).map(({ prompt }) => prompt)
        const plain = { maxTokens: 24, stopIds: [] }
        const penalized = { ...plain, repetitionPenalty: 1.2, frequencyPenalty: 0.5, logitBias: { 101: -1 } }
        const one = await openModel(folder, { dtype, threads: 1 }, defaultPlanner)
        const two = await openModel(folder, { dtype, threads: 2 }, { ...defaultPlanner, packTokens: 40 })
        const isTheSame = async (options: GenerateOptions) => {
          const together = await one.generate(prompts, options)
          const alone: typeof together = []
          for (const prompt of prompts) alone.push(...(await two.generate([prompt], options)))
          assert.deepEqual(await two.generate(prompts.toReversed(), options), together.toReversed())
          assert.deepEqual(alone, together)
          return together
        }
        await isTheSame(penalized)
        const together = await isTheSame(plain)
        // Keys and values kept from step to step add in the same order as those of one pack.
        const scored = await one.score(
          together.map(({ tokens }, i) => ({ prompt: prompts[i]!, continuations: [tokens] })),
        )
        for (const [i, { logProbs }] of together.entries())
          assert.deepEqual([...scored[i]!.continuations[0]!.tokenLogProbs], logProbs)
        await Promise.all([one.dispose(), two.dispose()])
      })

      /** Gives every token's log-probability, in the order of the requests. */
      async function scores({
        threads = 1,
        planner = {},
        order = i => i,
        batch = requests.length,
        together = 1,
        keeps = false,
      }: Run) {
        await using model = await openModel(folder, { dtype, threads }, { ...defaultPlanner, ...planner })
        const places = requests.map((_, i) => order(i, requests.length))
        assert.equal(new Set(places).size, requests.length)
        const results: number[][][] = []
        for (const { prompt } of keeps ? requests.filter((_, i) => i % 10 === 0) : [])
          await model.prefix(Array.from(prompt as number[]).slice(0, 1 + prompt.length / 2))
        const score = async (from: number) => {
          const part = places.slice(from, from + batch)
          const answers = await model.score(part.map(place => requests[place]!))
          for (const [i, place] of part.entries())
            results[place] = answers[i]!.continuations.map(({ tokenLogProbs }) => tokenLogProbs)
        }
        const calls = places.map((_, i) => i).filter(i => i % batch === 0)
        for (let i = 0; i < calls.length; i += together)
          await Promise.all(calls.slice(i, i + together).map(score))
        const all = results.flat()
        assert.equal(all.length, 10_000)
        return Float32Array.from(all.flatMap(tokens => [...tokens]))
      }
    })
})
