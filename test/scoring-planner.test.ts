// Compares the planner with an oracle that lists what each scored row of a pack can see.
import { strict as assert } from 'node:assert'
import { layOut } from '../src/scoring/pack.ts'
import type { Sequence } from '../src/scoring/sequence.ts'
import { planTrees } from '../src/scoring/tree.ts'
import { fingerprint, randomNumbers, scorePack } from './attention-oracle.ts'
import { randomSequences, repeat, sequence } from './sequences.ts'

const tokensOf = (sequences: Sequence[], budget = 2048) =>
  planTrees(sequences, { budget, share: true }).reduce((n, tree) => n + tree.tokens, 0)

describe('planTrees', () => {
  const prompt = repeat(7, 50)
  const rows: { name: string; sequences: Sequence[]; tokens: number; budget?: number }[] = [
    {
      name: 'a sequence by itself runs all but its last token',
      sequences: [sequence([1, 2, 3], 1)],
      tokens: 2,
    },
    {
      name: 'choices of one token share all rows',
      sequences: [1, 2, 3].map(id => sequence([...prompt, id], 50)),
      tokens: 50,
    },
    {
      name: 'choices share their prompt',
      sequences: [1, 2, 3, 4].map(id => sequence([...prompt, id, 9, 9], 50)),
      tokens: 50 + 4 * 2,
    },
    {
      name: 'choices share the tokens they begin with',
      sequences: [1, 2, 3].map(id => sequence([...prompt, 8, 8, id, 9], 50)),
      tokens: 52 + 3,
    },
    {
      name: 'the same request twice runs once',
      sequences: [sequence([...prompt, 1, 2], 50), sequence([...prompt, 1, 2], 50)],
      tokens: 51,
    },
    {
      name: 'a continuation that begins another rides with it',
      sequences: [sequence([...prompt, 1, 2], 50), sequence([...prompt, 1, 2, 3], 50)],
      tokens: 52,
    },
    {
      name: 'few-shot examples are shared across requests where questions are short',
      sequences: [1, 2, 3, 4].flatMap(q => [5, 6].map(a => sequence([...prompt, q, q, a], 52))),
      tokens: 50 + 4 * 2,
    },
    {
      name: 'and not where each question has more to share itself',
      sequences: [1, 2].flatMap(q => [5, 6, 8].map(a => sequence([...prompt, ...repeat(q, 60), a, 9], 110))),
      tokens: 2 * (110 + 3),
    },
    {
      name: 'a part of the requests shares what the others do not',
      sequences: [
        ...[1, 2, 3].map(id => sequence([...prompt, id, 9, 9], 50)),
        ...[1, 2, 3].map(id => sequence([...prompt, ...repeat(6, 80), id, 9], 130)),
      ],
      tokens: 50 + 3 * 2 + (130 + 3),
    },
    {
      name: 'a tree beyond the budget repeats its prefix',
      sequences: Array.from({ length: 100 }, (_, id) => sequence([...prompt, id, 9, 9], 50)),
      tokens: 2 * 50 + 200,
      budget: 100,
    },
    {
      name: 'a long prefix is repeated less often than the budget asks',
      sequences: Array.from({ length: 300 }, (_, id) =>
        sequence([...repeat(7, 700), id, ...repeat(9, 10)], 700),
      ),
      tokens: 3 * 700 + 300 * 10,
      budget: 1000,
    },
  ]
  for (const { name, sequences, tokens, budget } of rows)
    it(name, () => assert.equal(tokensOf(sequences, budget), tokens))

  it('never runs more than every sequence by itself, and shows each row exactly its own past', () => {
    const random = randomNumbers(1)
    for (let round = 0; round < 200; round++) {
      const budget = 16 + Math.floor(random() * 100)
      const sequences = randomSequences(random, 1 + Math.floor(random() * 60))
      for (const share of [true, false]) {
        const trees = planTrees(sequences, { budget, share })
        const { native, slots } = layOut(trees, 0)
        assert.equal(
          native.ids.length,
          trees.reduce((n, tree) => n + tree.tokens, 0),
        )
        assert.ok(native.ids.length <= sequences.reduce((n, s) => n + s.ids.length - 1, 0))
        for (const tree of trees)
          assert.ok(
            tree.leaves.length === 1 ||
              tree.tokens <=
                Math.max(budget, tree.prefixLength + Math.min(2 * tree.prefixLength, 4 * budget)),
          )
        assert.equal(slots.size, sequences.length)
        const { logProbs } = scorePack(native)
        for (const s of sequences)
          for (let i = s.first; i < s.ids.length; i++) {
            const own = logProbs[slots.get(s)![i - s.first]!]
            assert.equal(own, fingerprint(s.ids.subarray(0, i), s.ids[i]!))
          }
      }
    }
  })

  it('scores no row twice for the same target', () => {
    const sequences = [1, 1, 2].map(id => sequence([...prompt, id, 9], 50))
    const { native } = layOut(planTrees(sequences, { budget: 2048, share: true }), 0)
    const pairs = Array.from(native.rows, (row, i) => `${row}:${native.targets[i]}`)
    assert.equal(new Set(pairs).size, pairs.length)
    assert.equal(pairs.length, 4)
  })
})
