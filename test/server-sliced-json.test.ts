// parseSliced() takes and refuses what JSON.parse() does, and gives the same, whatever the pieces.
import assert from 'node:assert/strict'
import { drain } from '../src/calls/slices.ts'
import { parseSliced } from '../src/server/sliced-json.ts'

/** The same numbers in each run. */
function random(seed: number): (below: number) => number {
  let state = seed
  return below => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return Math.floor((state / 2 ** 32) * below)
  }
}

const texts = [
  '',
  'a',
  '\\',
  '"',
  '"\\"',
  ',',
  '[',
  ']}',
  ':',
  'ä€😀',
  '\u0000\n',
  '__proto__',
  'constructor',
  '1',
]

function value(next: (below: number) => number, level = 0): unknown {
  const kind = next(level > 5 ? 4 : 7)
  if (kind === 0) return [null, true, false][next(3)]
  if (kind === 1) return next(1000) - 500
  if (kind < 4) return texts[next(texts.length)]!.repeat(1 + next(3))
  const members = Array.from({ length: next(6) }, () => value(next, level + 1))
  if (kind < 6) return members
  // Written by hand: an object would not keep a name twice, nor __proto__.
  return { asObject: members.map(each => [texts[next(texts.length)]!, each] as const) }
}

function written(value: unknown, space: () => string): string {
  const list = (begin: string, members: string[], end: string) =>
    begin + space() + members.join(`${space()},${space()}`) + space() + end
  if (Array.isArray(value))
    return list(
      '[',
      value.map(each => written(each, space)),
      ']',
    )
  if (typeof value !== 'object' || value === null) return JSON.stringify(value)
  const { asObject } = value as { asObject: [string, unknown][] }
  const members = asObject.map(
    ([name, each]) => `${JSON.stringify(name)}${space()}:${space()}${written(each, space)}`,
  )
  return list('{', members, '}')
}

/** What a parser makes of a text: a value, or undefined where it is no JSON. */
function outcome(parse: () => unknown): unknown {
  try {
    return { value: parse() }
  } catch (error) {
    assert.ok(error instanceof SyntaxError, String(error))
    return undefined
  }
}

function check(bytes: Buffer, piece: number): boolean {
  const want = outcome(() => JSON.parse(bytes.toString()))
  const found = outcome(() => drain(parseSliced(bytes, piece)))
  const shown = `${bytes} in pieces of ${piece}`
  assert.deepEqual(found, want, shown)
  // The order of members too, and those that are called __proto__.
  assert.equal(JSON.stringify(found), JSON.stringify(want), shown)
  return want !== undefined
}

describe('JSON in slices', () => {
  it('gives what JSON.parse() gives, and refuses what it refuses', () => {
    const next = random(1)
    const space = () => ['', ' ', '\n', '\t\r'][next(4)]!
    let [right, wrong] = [0, 0]
    for (let round = 0; round < 20_000; round++) {
      const bytes = Buffer.from(space() + written(value(next), space) + space())
      const piece = next(12)
      assert.ok(check(bytes, piece))
      if (bytes.length === 0) continue
      // Bytes are changed, left out or put in.
      const at = next(bytes.length)
      const other = Buffer.from([...'[]{}",:\\ 1a', '\u00a0', ''][next(13)]!)
      const changed = Buffer.concat([bytes.subarray(0, at), other, bytes.subarray(at + next(2))])
      if (check(changed, piece)) right++
      else wrong++
    }
    assert.ok(right > 1000 && wrong > 1000, `${right} of those that were changed are JSON, ${wrong} are not`)
  })

  for (const text of [
    '',
    ' ',
    '[',
    ']',
    '[,]',
    '[1,]',
    '[,1]',
    '[1,,2]',
    '[1 2]',
    '[1}',
    '{1:2}',
    '{"a"}',
    '{"a":}',
    '{,}',
    '{"a":1,}',
    '[1],[2]',
    '{"a":1}{',
    '["a]',
    '\ufeff[1]',
  ])
    it(`refuses ${JSON.stringify(text)}`, () => {
      for (const piece of [0, 1, 2, 3]) assert.equal(check(Buffer.from(text), piece), false)
    })

  it('takes what lies deep, and what is large, a piece at a time', () => {
    const deep = `${'['.repeat(50_000)}${']'.repeat(50_000)}`
    assert.ok(outcome(() => drain(parseSliced(Buffer.from(deep)))))
    const list = Buffer.from(
      JSON.stringify({ a: Array.from({ length: 1e6 }, (_, i) => [i, i]), b: 'x'.repeat(1e6) }),
    )
    let slices = 0
    const work = parseSliced(list)
    let step = work.next()
    for (; !step.done; step = work.next()) slices++
    assert.ok(slices > list.length / 2 ** 16, `${slices} slices`)
    assert.deepEqual(step.value, JSON.parse(list.toString()))
  })
})
