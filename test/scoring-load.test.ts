// Tests what calls share in one pack: the tokens that are run, the room that is kept, and what each scored row can see.
import { strict as assert } from 'node:assert'
import { Load } from '../src/scoring/load.ts'
import { layOut } from '../src/scoring/pack.ts'
import type { Segment, Sequence } from '../src/scoring/sequence.ts'
import { planTrees, tokensOf } from '../src/scoring/tree.ts'
import { fingerprint, randomNumbers, scorePack } from './attention-oracle.ts'
import { randomSequences, repeat, sequence } from './sequences.ts'

const budget = 1000
const prompt = repeat(7, 50)

/** Adds the trees of each call while there is room. @returns how many were taken */
function addAll(load: Load<number>, calls: Sequence[][], room: number): number {
  const trees = calls.map(sequences => planTrees(sequences, { budget: room, share: true }))
  return trees.flatMap((own, call) => own.filter(tree => load.add(call, tree, room))).length
}

describe('the load of a pack', () => {
  const rows: { name: string; calls: Sequence[][]; tokens: number; share?: false }[] = [
    {
      name: 'runs a prompt once whose choices come in calls of their own',
      calls: [1, 2, 3, 4].map(id => [sequence([...prompt, id, 9, 9], 50)]),
      tokens: 50 + 4 * 2,
    },
    {
      name: 'and does not where nothing is to be shared',
      calls: [1, 2, 3, 4].map(id => [sequence([...prompt, id, 9, 9], 50)]),
      tokens: 4 * 52,
      share: false,
    },
    {
      name: 'runs a call once that is made twice',
      calls: [1, 1].map(id => [sequence([...prompt, id, 9, 9], 1)]),
      tokens: 52,
    },
    {
      name: 'runs a prompt once whose rows are scored in one call and run in another',
      calls: [[sequence([...prompt, 8, 9], 1)], [sequence([...prompt, 5, 9], 51)]],
      tokens: 50 + 2,
    },
    {
      name: 'puts branches of two calls below the prefix that all have',
      calls: [
        [1, 2].map(id => sequence([...prompt, id, 9, 9], 50)),
        [3, 4].map(id => sequence([...prompt, 8, id, 9], 51)),
      ].map(own => own.flat()),
      tokens: 50 + 2 * 2 + 2 * 2,
    },
    {
      name: 'shares no few tokens',
      calls: [1, 2].map(id => [sequence([...repeat(7, 5), id, 9, 9], 5)]),
      tokens: 2 * 7,
    },
    {
      name: 'tells prefixes that are kept from tokens that are run',
      calls: [undefined, { row: 0, length: 3 }].map(segment => [
        { ...sequence([...prompt, 1, 9], 50), ...(segment && { segment }) },
      ]),
      tokens: 2 * 51,
    },
  ]
  for (const { name, calls, tokens, share = true } of rows)
    it(name, () => {
      const load = new Load<number>(share)
      assert.equal(addAll(load, calls, budget), calls.length)
      assert.equal(tokensOf(load.plan(budget)), tokens)
      assert.equal(load.tokens, tokens)
    })

  it('leaves what would be scored beyond four times its room to the next', () => {
    const calls = Array.from({ length: 100 }, (_, id) => [sequence([...repeat(7, 100), id, 9], 1)])
    assert.equal(addAll(new Load<number>(true), calls, 200), Math.floor((4 * 200) / 101))
  })

  it('has room for what calls share once, and takes the first tree whatever its size', () => {
    const calls = Array.from({ length: 100 }, (_, id) => [sequence([...repeat(7, 500), id, 9], 500)])
    const load = new Load<number>(true)
    assert.equal(addAll(load, calls, 560), 60)
    assert.equal(tokensOf(load.plan(560)), 560)
    const large = new Load<number>(true)
    assert.equal(addAll(large, [[sequence(repeat(7, 500), 1)], [sequence(repeat(8, 500), 1)]], 400), 1)
  })

  it('never runs more than it has room for, nor than calls by themselves, and shows each row its own past', () => {
    const random = randomNumbers(3)
    const cache = Int32Array.from({ length: 40 }, () => Math.floor(random() * 3))
    let saved = 0
    for (let round = 0; round < 300; round++) {
      const room = 40 + Math.floor(random() * 200)
      const segments: (Segment | undefined)[] = [undefined, undefined, { row: 5, length: 30 }]
      const sequences = randomSequences(random, 1 + Math.floor(random() * 80))
      const calls = Array.from({ length: 1 + Math.floor(random() * 6) }, () => {
        const segment = segments[Math.floor(random() * 3)]
        const own = sequences.filter(() => random() < 0.4)
        return segment ? own.map(each => ({ ...each, segment })) : own.map(each => ({ ...each }))
      })
      const load = new Load<number>(true)
      addAll(load, calls, room)
      const taken = [...load.calls.values()].flat()
      const trees = load.plan(room)
      saved += tokensOf(taken) - tokensOf(trees)
      assert.ok(tokensOf(trees) <= tokensOf(taken))
      // Trees have one level; what was reckoned may leave out a few tokens of a second.
      assert.ok(tokensOf(trees) <= 1.1 * load.tokens)
      assert.ok(taken.length < 2 || load.tokens <= room)
      const { native, slots } = layOut(trees, 0)
      assert.equal(native.ids.length, tokensOf(trees))
      const { logProbs } = scorePack(native, cache)
      for (const { sequences } of taken.flatMap(({ leaves }) => leaves))
        for (const s of sequences)
          for (let i = s.first; i < s.ids.length; i++) {
            const before = s.segment ? cache.subarray(5, 35) : []
            const own = logProbs[slots.get(s)![i - s.first]!]
            assert.equal(own, fingerprint([...before, ...s.ids.subarray(0, i)], s.ids[i]!))
          }
    }
    assert.ok(saved > 0)
  })
})
