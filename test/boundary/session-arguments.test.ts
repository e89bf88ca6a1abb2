// Gives methods of a session wrong arguments: each is refused with a code, and none crashes.
import assert from 'node:assert/strict'
import { greedy, newControl, openSession } from './random-model.ts'
import { type Anything, notThese, refuses, testedModel } from './refusals.ts'

describe('arguments of a session', () => {
  const { model, pack } = testedModel()
  const f32 = (...values: number[]) => Float32Array.from(values)
  const i32 = (...numbers: number[]) => Int32Array.from(numbers)
  const two = [greedy, greedy]

  it('a wrong number of rows: INVALID_ARGUMENT', async () => {
    const session = model().session()
    const resize = (rows: Anything, copies: Anything = i32()) => session.resize(rows, copies, newControl())
    for (const rows of [-1, 2 ** 31, 2 ** 32 + 4, 2 ** 64, -(2 ** 32) + 4, 4.5])
      await refuses(() => resize(rows), 'INVALID_ARGUMENT')
    for (const value of [...notThese.filter(value => value !== 1), i32(4)]) {
      await refuses(() => resize(value), 'INVALID_ARGUMENT')
      await refuses(() => session.resize(4, i32(), value as Anything), 'INVALID_ARGUMENT')
    }
    await resize(4)
    for (const copies of [
      // A detached array is an empty one: there is nothing to copy.
      ...notThese.slice(0, -1),
      i32(0, 0),
      i32(0, 0, 5),
      i32(3, 0, 2),
      i32(0, 7, 2),
      i32(-1, 0, 1),
    ]) {
      if (copies !== undefined) await refuses(() => resize(8, copies), 'INVALID_ARGUMENT')
      await refuses(() => session.copy(copies as Anything, newControl()), 'INVALID_ARGUMENT')
    }
    await refuses(() => session.copy(i32(0, 1, 2), newControl()), 'INVALID_ARGUMENT')
    session.dispose()
  })

  it('a wrong sampling of any sequence: INVALID_ARGUMENT', async () => {
    const session = await openSession(model(), 8)
    const step = (...samplings: Anything[]) =>
      session.step(i32(0, 0, 0, 4, 0, 1), samplings, i32(0, 1, 2), i32(1, 1), newControl())
    for (const change of [
      { temperature: 1e300 },
      { temperature: -1e300 },
      { topP: -1e300 },
      { topP: Number.POSITIVE_INFINITY },
      { topK: 2 ** 32 },
      { seed: -1 },
      { seed: 2 ** 64 },
      { seed: 0.5 },
      { temperature: -1 },
      { temperature: Number.NaN },
      { topP: 2 },
      { minP: 2 },
      { minP: -0.1 },
      { minP: undefined },
      { topK: -1 },
      { topP: 'x' },
    ])
      await refuses(() => step(greedy, { ...greedy, ...change }), 'INVALID_ARGUMENT')
    for (const samplings of [[], [greedy], [greedy, greedy, greedy], [greedy, 'greedy'], [greedy, undefined]])
      await refuses(() => step(...samplings), 'INVALID_ARGUMENT')
    session.dispose()
  })

  it('wrong numbers of alternatives: INVALID_ARGUMENT', async () => {
    const session = await openSession(model(), 8)
    const step = (counts: Anything) =>
      session.step(
        ...([i32(0, 0, 0, 4, 0, 1), two, i32(0, 1, 2), i32(1, 1), newControl()] as const),
        ...([false, undefined, counts] as const),
      )
    const { topIds, topLogProbs } = await step(i32(0, 96))
    assert.deepEqual([topIds.length, topLogProbs.length, new Set(topIds).size], [96, 96, 96])
    for (const counts of [i32(1), i32(1, 1, 1), i32(0, -1), i32(97, 0), [1, 1], 2, null])
      await refuses(() => step(counts), 'INVALID_ARGUMENT')
    session.dispose()
  })

  it('wrong adjustments: refused, whatever is wrong of them', async () => {
    const session = await openSession(model(), 8)
    const right = { offsets: i32(0, 0, 2), ids: i32(3, 95), penalties: f32(1, 1.5), addends: f32(0, -1) }
    const step = (adjustments: Anything) =>
      session.step(i32(0, 0, 0, 4, 0, 1), two, i32(0, 1, 2), i32(1, 1), newControl(), false, adjustments)
    await step(right)
    for (const change of [
      { offsets: i32(0, 2) },
      { offsets: i32(0, 2, 1) },
      { offsets: i32(0, -1, 2) },
      { offsets: i32(1, 1, 2) },
      { offsets: i32(0, 1, 3) },
      { offsets: [0, 0, 2] },
      { ids: i32(95, 3) },
      { ids: i32(3, 3) },
      { ids: i32(3) },
      { penalties: f32(1) },
      { penalties: f32(1, 0) },
      { penalties: f32(1, Number.POSITIVE_INFINITY) },
      { addends: f32(0, 0, 0) },
      { addends: f32(0, Number.NaN) },
      { addends: undefined },
    ])
      await refuses(() => step({ ...right, ...change }), 'INVALID_ARGUMENT')
    for (const ids of [i32(-1, 3), i32(3, 96)])
      await refuses(() => step({ ...right, ids }), 'TOKEN_OUT_OF_RANGE')
    for (const adjustments of [null, 5, 'x']) await refuses(() => step(adjustments), 'INVALID_ARGUMENT')
    session.dispose()
  })

  it('wrong masks: INVALID_ARGUMENT, whatever is wrong of them', async () => {
    const session = await openSession(model(), 8)
    const right = { ofSequences: i32(1, -1), words: i32(0, 0, 0, 1 << 9, 0, 0) }
    const step = (masks: Anything) =>
      session.step(
        ...([i32(0, 0, 0, 4, 0, 1), two, i32(0, 1, 2), i32(1, 1), newControl()] as const),
        ...([false, undefined, undefined, masks] as const),
      )
    assert.equal((await step(right)).ids[0], 9)
    const shared = await step({ ofSequences: i32(0, 0), words: i32(0, 0, -(2 ** 31)) })
    assert.deepEqual([...shared.ids], [95, 95])
    const detached = i32(0, 0, 0, 1 << 9, 0, 0)
    structuredClone(detached, { transfer: [detached.buffer] })
    for (const change of [
      { ofSequences: i32(1) },
      { ofSequences: i32(1, -1, -1) },
      { ofSequences: i32(2, -1) },
      { ofSequences: i32(-2, 1) },
      { ofSequences: [1, -1] },
      // No token may be drawn.
      { ofSequences: i32(0, -1) },
      { words: i32(0, 0, 0, 1 << 9, 0) },
      { words: i32() },
      { words: detached },
      { words: new Uint32Array(right.words) },
      { words: undefined },
    ])
      await refuses(() => step({ ...right, ...change }), 'INVALID_ARGUMENT')
    for (const masks of [null, 5, 'x']) await refuses(() => step(masks), 'INVALID_ARGUMENT')
    session.dispose()
  })

  // The session has 8 rows.
  const steps: [what: string, args: Int32Array[], code: string][] = [
    ['two numbers for a sequence', [i32(0, 0), i32(0, 1), i32(1)], 'INVALID_ARGUMENT'],
    ['a row that is not there', [i32(8, 0, 0), i32(0, 1), i32(1)], 'INVALID_ARGUMENT'],
    ['a negative row', [i32(-1, 0, 0), i32(0, 1), i32(1)], 'INVALID_ARGUMENT'],
    ['a negative length', [i32(0, -1, 0), i32(0, 1), i32(1)], 'INVALID_ARGUMENT'],
    ['two sequences in one row', [i32(0, 0, 0, 0, 0, 1), i32(0, 1, 2), i32(1, 1)], 'INVALID_ARGUMENT'],
    ['too few offsets', [i32(0, 0, 0, 4, 0, 1), i32(0, 1), i32(1, 1)], 'INVALID_ARGUMENT'],
    ['offsets that fall', [i32(0, 0, 0, 4, 0, 1), i32(0, 2, 1), i32(1, 1)], 'INVALID_ARGUMENT'],
    ['a negative offset', [i32(0, 0, 0), i32(-1, 1), i32(1)], 'INVALID_ARGUMENT'],
    ['offsets past the ids', [i32(0, 0, 0), i32(0, 2), i32(1)], 'INVALID_ARGUMENT'],
    ['a sequence without tokens', [i32(0, 0, 0, 4, 0, 1), i32(0, 0, 1), i32(1)], 'INVALID_ARGUMENT'],
    ['no sequences', [i32(), i32(0), i32()], 'INVALID_ARGUMENT'],
    ['more tokens than rows', [i32(4, 0, 0), i32(0, 5), i32(1, 1, 1, 1, 1)], 'INVALID_ARGUMENT'],
    ['more tokens than positions', [i32(0, 512, 0), i32(0, 1), i32(1)], 'CONTEXT_LENGTH'],
    ['a negative id', [i32(0, 0, 0), i32(0, 1), i32(-1)], 'TOKEN_OUT_OF_RANGE'],
    ['an id of the vocabulary size', [i32(0, 0, 0), i32(0, 1), i32(96)], 'TOKEN_OUT_OF_RANGE'],
  ]
  for (const [what, [sequences, offsets, ids], code] of steps)
    it(`${what}: ${code}, and the session goes on as if it had not been asked`, async () => {
      const session = await openSession(model(), 8)
      const samplings = Array(Math.floor(sequences!.length / 3)).fill(greedy)
      await refuses(() => session.step(sequences!, samplings, offsets!, ids!, newControl()), code)
      const good = [i32(0, 0, 0, 4, 0, 1), two, i32(0, 2, 3), i32(5, 6, 7)] as const
      const after = await session.step(...good, newControl())
      const fresh = await openSession(model(), 8)
      assert.deepEqual(after, await fresh.step(...good, newControl()))
      session.dispose()
      fresh.dispose()
    })

  it('score() without rows or segments is that of the model', async () => {
    const session = model().session()
    const expected = await model().score(pack(), newControl())
    assert.deepEqual(await session.score(pack(), newControl()), expected)
    assert.deepEqual(await session.score(pack({ segments: i32(0, 0, 0, 0) }), newControl()), expected)
    session.dispose()
    await refuses(() => session.score(pack(), newControl()), 'DISPOSED')
  })

  it('wrong packs and segments of score(): refused', async () => {
    const session = await openSession(model(), 8)
    const { positions } = pack()
    /** The positions of the two sequences after so many tokens each. */
    const after = (first: number, second: number) => positions.map((at, i) => at + (i < 3 ? first : second))
    const score = (change: Anything) => session.score(pack(change), newControl())
    await score({ segments: i32(0, 8, 4, 4), positions: after(8, 4) })
    for (const change of [
      { segments: i32(0, 9, 0, 0), positions: after(9, 0) },
      { segments: i32(1, 8, 0, 0), positions: after(8, 0) },
      { segments: i32(-1, 2, 0, 0), positions: after(2, 0) },
      { segments: i32(2 ** 31 - 1, 2 ** 31 - 1, 0, 0) },
      { segments: i32(0, -1, 0, 0) },
      { segments: i32(0, 4, 0, 0) },
      { segments: i32(0, 4) },
      { topK: 97 },
      { rows: i32(0, 6, 3, 4) },
      ...notThese.slice(1).map(segments => ({ segments })),
    ])
      await refuses(() => score(change), 'INVALID_ARGUMENT')
    await refuses(() => score({ targets: i32(1, 2, 3, 96) }), 'TOKEN_OUT_OF_RANGE')
    for (const value of notThese as Anything[]) {
      await refuses(() => session.score(value, newControl()), 'INVALID_ARGUMENT')
      await refuses(() => session.score(pack(), value), 'INVALID_ARGUMENT')
    }
    session.dispose()
  })

  it('steps of wrong types: INVALID_ARGUMENT', async () => {
    const session = await openSession(model(), 4)
    const good = [i32(0, 0, 0), [greedy], i32(0, 1), i32(1), newControl()]
    for (const place of good.keys())
      for (const value of notThese)
        await refuses(
          () => (session.step as Anything).apply(session, good.with(place, value as Anything)),
          'INVALID_ARGUMENT',
        )
    session.dispose()
  })
})
