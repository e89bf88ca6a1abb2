// Packs of examples: each example lies in one pack, whole and alone, and no pack has more tokens than it may.
import assert from 'node:assert/strict'
import { loadAddon } from '../src/native/addon.ts'
import type { EncodedExample } from '../src/training/encode-example.ts'
import { packExamples, type TrainingPack } from '../src/training/packing.ts'
import { newControl, writeRandomModel } from './boundary/random-model.ts'
import { withFolder } from './checkpoint-files.ts'

const example = (length: number, scored: (i: number) => boolean = () => true, first = 0): EncodedExample => ({
  ids: Int32Array.from({ length }, (_, i) => first + i),
  weights: Float32Array.from({ length }, (_, i) => (i > 0 && scored(i) ? 1 : 0)),
  truncatedTokens: 0,
})

describe('training: packs', () => {
  /** Takes the examples out of packs again. */
  function unpack(
    packs: readonly TrainingPack[],
  ): Map<number, { ids: number[]; scored: [number, number, number][] }> {
    const found = new Map<number, { ids: number[]; scored: [number, number, number][] }>()
    for (const { ids, positions, branchStart, trees, rows, targets, weights, examples } of packs) {
      assert.equal(trees.length, 3 * examples.length)
      let end = 0
      for (const [t, place] of examples.entries()) {
        const [start, stop, prefix] = trees.subarray(3 * t, 3 * t + 3) as unknown as [number, number, number]
        assert.deepEqual([start, prefix], [end, 0])
        assert.deepEqual(
          [...positions.subarray(start, stop)],
          Array.from({ length: stop - start }, (_, i) => i),
        )
        assert.ok(branchStart.subarray(start, stop).every(from => from === start))
        const scored = Array.from(
          rows,
          (row, i) => [row - start, targets[i]!, weights[i]!] as [number, number, number],
        )
        assert.ok(!found.has(place), `example ${place} is there twice`)
        found.set(place, {
          ids: [...ids.subarray(start, stop)],
          scored: scored.filter(([row]) => row >= 0 && row < stop - start),
        })
        end = stop
      }
      assert.equal(end, ids.length)
    }
    return found
  }

  const lengths = [5, 9, 2, 17, 9, 3, 3, 12, 8, 2, 17, 6]
  for (const window of [1, 3, 1024])
    it(`hold every example once, within ${window} at a time`, () => {
      const examples = lengths.map((length, i) => example(length, at => at % (i + 1) === 0, 100 * i))
      const packs = packExamples(examples, { packTokens: 16, window })
      assert.ok(packs.every(({ ids }) => ids.length <= 16))
      const found = unpack(packs)
      assert.equal(found.size, examples.length)
      for (const [i, { ids, weights }] of examples.entries()) {
        const expected = Array.from(ids.subarray(1), (id, at) => [at, id, weights[at + 1]]).filter(
          one => one[2],
        )
        assert.deepEqual(found.get(i), { ids: [...ids.subarray(0, -1)], scored: expected })
      }
    })

  it('are as few as first-fit decreasing makes them', () => {
    // As they come, lengths of 3, 3, 3 fill the first pack, and three of 6 one each.
    assert.equal(
      packExamples(
        [3, 3, 3, 6, 6, 6].map(n => example(n + 1)),
        { packTokens: 9 },
      ).length,
      3,
    )
  })

  it('do not depend on anything but the step', () => {
    const examples = lengths.map(length => example(length))
    assert.deepEqual(packExamples(examples, { packTokens: 20 }), packExamples(examples, { packTokens: 20 }))
  })

  it('refuse an example that no pack holds', () => {
    assert.throws(() => packExamples([example(3), example(18)], { packTokens: 16 }), {
      code: 'INVALID_ARGUMENT',
      message: /packTokens is 16; example 1 has 17 tokens to run/,
    })
  })

  it('are none of no examples', () => assert.deepEqual(packExamples([], { packTokens: 16 }), []))

  it('have the losses of their examples one by one, to the bit', () =>
    withFolder(async folder => {
      const { config, tensors } = writeRandomModel(folder)
      const options = { dtype: 'float32', device: 'cpu', threads: 0 } as const
      const model = await loadAddon().load(config, tensors, options, newControl())
      /** The log-probability of each scored token, by its place in its example. */
      const scores = async (packs: readonly TrainingPack[]) => {
        const found: Record<string, number> = {}
        for (const { trees, rows, targets, examples, ...pack } of packs) {
          const { logProbs } = await model.score({ ...pack, trees, rows, targets, topK: 0 }, newControl())
          for (const [i, row] of rows.entries()) {
            const tree = examples.findIndex((_, t) => row < trees[3 * t + 1]!)
            found[`example ${examples[tree]}, token ${row - trees[3 * tree]! + 1}`] = logProbs[i]!
          }
        }
        return found
      }
      const examples = lengths.map((length, i) => example(length, at => at > i % 3, 3 * i))
      const packed = packExamples(examples, { packTokens: 24 })
      assert.ok(packed.length < 5)
      const alone = examples.map(one => packExamples([one], { packTokens: 24 })[0]!)
      const apart = await scores(alone.map((pack, i) => ({ ...pack, examples: [i] })))
      assert.equal(
        Object.keys(apart).length,
        examples.reduce((sum, { weights }) => sum + weights.filter(Boolean).length, 0),
      )
      assert.deepEqual(await scores(packed), apart)
      model.dispose()
    }))
})
