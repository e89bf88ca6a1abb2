// Measures what the rounded dtypes change on a trained model: SmolLM2-135M on 40 samples of COPA against its own float32;
// MT_LLAMA_VERIFY=1 takes all 100.
import { strict as assert } from 'node:assert'
import { loadModel, type ScoreRequest, type ScoreResult } from '../src/index.ts'
import type { RankAsk } from '../src/protocols/protocol.ts'
import { cardAsks } from './card-work.ts'
import { shared, sharedMissing } from './shared.ts'

const verify = process.env.MT_LLAMA_VERIFY === '1'
/** Maximum of the mean |difference| of a token's log-probability. Other code had 0.027 with bfloat16. */
const bounds = { bfloat16: 0.027, float16: 0.003 } as const

describe('dtypes on SmolLM2-135M', () => {
  if (sharedMissing) return it.skip(sharedMissing)
  let requests: ScoreRequest[]
  let exact: ScoreResult[]

  before(async () => {
    const asks = await cardAsks('copa', shared('data', 'eval'), verify ? 100 : 40)
    requests = (asks as RankAsk[]).map(({ prompt, choices }) => ({
      prompt,
      continuations: choices.map(choice => ` ${choice}`),
    }))
    exact = await score('float32')
  })

  for (const dtype of ['bfloat16', 'float16'] as const)
    it(`${dtype} is close to float32, and a choice flips only where float32 was as close`, async () => {
      const rounded = await score(dtype)
      const differences: number[] = []
      let flips = 0
      for (const [r, { continuations }] of rounded.entries())
        for (const [c, { tokenLogProbs }] of continuations.entries())
          for (const [i, logProb] of tokenLogProbs.entries())
            differences.push(Math.abs(logProb - exact[r]!.continuations[c]!.tokenLogProbs[i]!))
      const mean = differences.reduce((a, b) => a + b, 0) / differences.length
      for (const [r, { continuations }] of rounded.entries()) {
        const gap = lead(exact[r]!)
        if (gap > 0 === lead({ continuations }) > 0) continue
        flips++
        const tokens = continuations.reduce((n, { tokens }) => n + tokens.length, 0)
        assert.ok(Math.abs(gap) <= mean * tokens, `item ${r} flipped, a gap of ${gap}`)
      }
      if (process.env.MT_LLAMA_VERBOSE)
        console.log(
          `      | ${dtype} | ${mean.toFixed(5)} | ${Math.max(...differences).toFixed(4)} | ${flips} of ${requests.length} |`,
        )
      assert.ok(mean <= bounds[dtype], `mean ${mean}`)
    })

  async function score(dtype: 'float32' | 'bfloat16' | 'float16'): Promise<ScoreResult[]> {
    await using model = await loadModel(shared('models', 'smollm2-135m', 'model-q4_1.gguf'), { dtype })
    return await model.score(requests)
  }
})

/** The difference of the best log-likelihood and the second best. */
function lead({ continuations: [first, second] }: Pick<ScoreResult, 'continuations'>): number {
  return first!.logLikelihood - second!.logLikelihood
}
