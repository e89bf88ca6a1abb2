// Compares the golden checkpoints with what transformers computes from them, on every device.
import { strict as assert } from 'node:assert'
import { loadModel, type Model } from '../src/index.ts'
import { checkDevice } from '../src/model/devices.ts'
import { openModel } from '../src/model/load.ts'
import { defaultPlanner, type PlannerOptions } from '../src/model/planner-options.ts'
import {
  bounds,
  goldenAdditions,
  goldenCases,
  logitTolerance,
  logProbTolerance,
  smallMargin,
} from './golden-hf.ts'
import { sharedMissing } from './shared.ts'

/** The devices to test. $MT_LLAMA_DEVICE names one alone: cuda on a GPU, or in the host-device build without one. */
const devices = process.env.MT_LLAMA_DEVICE
  ? [checkDevice(process.env.MT_LLAMA_DEVICE)]
  : (['reference', 'cpu'] as const)

describe('golden/hf', () => {
  const golden = goldenCases()
  const added = goldenAdditions()

  it('holds the cases this test is for', () => {
    assert.equal(golden.length, sharedMissing ? 8 : 31)
    assert.equal(added.length, sharedMissing ? 0 : 4)
  })

  for (const device of devices)
    for (const { name, path: file, additions, about, scores: cases, greedy, texts, sequences } of [
      ...golden,
      ...added,
    ]) {
      describe(`${name} on ${device}`, () => {
        let model: Model
        before(async () => {
          model = await loadModel(file, { dtype: 'float32', device, ...additions })
        })
        after(() => model?.dispose())

        it('gives the logits', async () => {
          let most = 0
          for (const { ids, logits, label } of sequences()) {
            const all = await model.logits(ids)
            // The golden logits may be those of the last rows alone.
            const own = all.subarray(all.length - logits.length)
            const largest = logits.reduce((m, x) => Math.max(m, Math.abs(x)), 0)
            let worst = 0
            for (let i = 0; i < logits.length; i++) worst = Math.max(worst, Math.abs(own[i]! - logits[i]!))
            most = Math.max(most, worst / largest)
            assert.ok(worst <= logitTolerance * largest, `${label}: off by ${worst / largest} of the largest`)
          }
          report(name, device, 'float32', 'largest of logits', most)
        })

        it('gives the scores of continuations', async () => {
          const results = await model.score(cases, { topK: 1 })
          for (const [r, { tokenLogProbs, isGreedy, margin }] of cases.entries())
            for (const [c, expected] of tokenLogProbs.entries()) {
              const { tokenLogProbs: own, tokens, topAlternatives } = results[r]!.continuations[c]!
              assert.equal(own.length, expected.length)
              for (const [i, logProb] of expected.entries()) {
                const label = `request ${r}, continuation ${c}, token ${i}`
                assert.ok(
                  Math.abs(own[i]! - logProb) <= logProbTolerance,
                  `${label}: ${own[i]}, want ${logProb}`,
                )
                const isBest = topAlternatives![i]![0]!.token === tokens[i]
                if (margin[c]![i]! >= smallMargin) assert.equal(isBest, isGreedy[c]![i], label)
              }
              if (margin[c]!.every(m => m >= smallMargin))
                assert.equal(results[r]!.continuations[c]!.isGreedy, isGreedy[c]!.every(Boolean))
            }
        })

        for (const dtype of ['float32', 'bfloat16'] as const)
          it(`gives the same bits in every pack, prefixes shared or not, in ${dtype}`, async () => {
            const bits = async (planner: Partial<PlannerOptions>, batch = cases.length, keeps = false) => {
              await using model = await openModel(
                file,
                { dtype, device, ...additions },
                { ...defaultPlanner, ...planner },
              )
              const results = []
              for (const { prompt } of keeps ? cases : [])
                await model.prefix(Array.from(prompt as ArrayLike<number>).slice(0, 1 + prompt.length / 2))
              for (let i = 0; i < cases.length; i += batch)
                results.push(...(await model.score(cases.slice(i, i + batch))))
              const scores = results.flatMap(({ continuations }) =>
                continuations.flatMap(({ tokenLogProbs }) => [...tokenLogProbs]),
              )
              return new Uint32Array(Float32Array.from(scores).buffer)
            }
            const expected = await bits({})
            assert.deepEqual(await bits({ share: false }), expected)
            assert.deepEqual(await bits({ packTokens: 64 }), expected)
            assert.deepEqual(await bits({}, 1), expected)
            if (dtype === 'float32') assert.deepEqual(await bits({}, cases.length, true), expected)
          })

        if (texts.length > 0)
          it('gives the ids of texts', () => {
            for (const { text, ids } of texts) assert.deepEqual(model.tokenizer!.encode(text), ids, text)
          })

        it('generates the same tokens', async () => {
          const results = await model.generate(
            greedy.map(({ prompt }) => prompt),
            { maxTokens: 24, stopIds: [] },
          )
          for (const [p, { generated, margin }] of greedy.entries()) {
            const own = results[p]!.tokens
            assert.equal(own.length, generated.length)
            const at = generated.findIndex((token, i) => token !== own[i])
            // The texts may differ after a step at which either token may win.
            if (at >= 0)
              assert.ok(margin[at]! < smallMargin, `prompt ${p}, token ${at}: margin ${margin[at]}`)
          }
        })

        const theirs = about.bf16_logprob_error_of_transformers
        for (const dtype of theirs ? (['bfloat16', 'float16'] as const) : [])
          it(`is close in ${dtype}`, async () => {
            await using rounded = await loadModel(file, { dtype, device, ...additions })
            const differences: number[] = []
            for (const { ids, logits, vocab } of sequences()) {
              if (ids.length < 2) continue
              const rows = logits.length / vocab
              const first = ids.length - rows + 1
              const [result] = await rounded.score([
                { prompt: ids.slice(0, first), continuations: [ids.slice(first)] },
              ])
              for (const [i, logProb] of result!.continuations[0]!.tokenLogProbs.entries()) {
                const row = logits.subarray(i * vocab, (i + 1) * vocab)
                differences.push(Math.abs(logProb - logSoftmaxAt(row, ids[first + i]!)))
              }
            }
            const mean = differences.reduce((a, b) => a + b, 0) / differences.length
            report(name, device, dtype, 'mean', mean, 'max', Math.max(...differences), 'theirs', theirs!.mean)
            assert.ok(
              mean <= bounds[dtype] * theirs!.mean,
              `mean ${mean}, transformers in bfloat16 ${theirs!.mean}`,
            )
          })
      })
    }
})

function logSoftmaxAt(row: Float32Array, target: number): number {
  const largest = row.reduce((m, x) => Math.max(m, x), -Infinity)
  const sum = row.reduce((s, x) => s + Math.exp(x - largest), 0)
  return row[target]! - largest - Math.log(sum)
}

/** Prints the figures of docs/accuracy.md, with MT_LLAMA_VERBOSE=1. */
function report(...parts: (string | number)[]): void {
  if (!process.env.MT_LLAMA_VERBOSE) return
  console.log(
    `      | ${parts.map(part => (typeof part === 'number' ? part.toExponential(1) : part)).join(' | ')} |`,
  )
}
