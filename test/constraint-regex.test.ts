// The automaton of a regular expression takes the texts that RegExp matches as a whole, and no others: random expressions over
// random texts.
import { strict as assert } from 'node:assert'
import { Automaton } from '../src/generation/constraint/automaton.ts'
import { characters, utf8Ranges } from '../src/generation/constraint/characters.ts'
import { readConstraint } from '../src/generation/constraint/option.ts'
import { randomNumbers } from './attention-oracle.ts'

const random = randomNumbers(21)
const below = (count: number) => Math.floor(random() * count)
const pick = <Item>(items: readonly Item[]) => items[below(items.length)]!

const letters = ['a', 'b', 'c', '-', ' ', '\n', 'é', '世', '😀', '\u2028', '\ud7ff', '\u{10ffff}']

function atom(depth: number): string {
  const kind = below(depth > 0 ? 8 : 6)
  if (kind < 3) return pick(letters)
  if (kind === 3)
    return pick(['.', '\\d', '\\D', '\\s', '\\S', '\\w', '\\W', '\\n', '\\x61', '\\u00e9', '\\u{1f600}'])
  if (kind < 6) {
    const members = Array.from({ length: 1 + below(3) }, () =>
      pick(['a', 'b-c', '\\-', '\\s', '\\W', 'é-世', '世-😀', '\\u2028', ' ', '\\d']),
    )
    return `[${below(2) ? '^' : ''}${members.join('')}]`
  }
  const branches = Array.from({ length: 1 + below(3) }, () => branch(depth - 1))
  return `${pick(['(', '(?:', '(?<x>'])}${branches.join('|')})`.replaceAll('(?<x>', '(?:')
}

function branch(depth: number): string {
  const terms = Array.from({ length: below(4) }, () => {
    const quantifier = pick(['', '', '', '*', '+', '?', '{2}', '{1,}', '{0,2}', '*?', '{1,2}?'])
    return atom(depth) + quantifier
  })
  return terms.join('')
}

const text = () => Array.from({ length: below(6) }, () => pick(letters)).join('')

describe('automata of regular expressions', () => {
  it('take what RegExp matches as a whole, and nothing else', () => {
    let matches = 0
    for (let i = 0; i < 1500; i++) {
      const regex = Array.from({ length: 1 + below(2) }, () => branch(2)).join('|')
      const whole = new RegExp(`^(?:${regex})$`, 'u')
      const { nfa } = readConstraint({ regex })
      const automaton = new Automaton(nfa, ['constraint'])
      let start = automaton.start(0)
      for (let j = 0; j < 30; j++) {
        const own = text()
        const state = automaton.after(start, Buffer.from(own))
        const isMatch = whole.test(own)
        assert.equal(automaton.isComplete(state), isMatch, `${regex} and ${JSON.stringify(own)}`)
        if (isMatch) matches++
        // From a state that is not dead some text can be completed.
        if (state !== 0) assert.ok(automaton.isComplete(state) || automaton.goesOn(state))
        if (j !== 15) continue
        automaton.clear()
        start = automaton.start(0)
      }
    }
    assert.ok(matches > 2000, `${matches} of 45000`)
  })

  it('of long expressions: they take those texts too', () => {
    const taken: [regex: string, own: string][] = [
      ['{'.repeat(20_000), '{'.repeat(20_000)],
      ['}{'.repeat(10_000), '}{'.repeat(10_000)],
      [`[${'ab'.repeat(24_000)}]`, 'b'],
      [`${'a|'.repeat(5000)}b`, 'b'],
      [`(?:(?:${'a'.repeat(40_000)}){0}){1,1000}b`, 'b'],
      [`${'(?:'.repeat(190)}${'a'.repeat(10_000)}${')?'.repeat(190)}`, ''],
    ]
    for (const [regex, own] of taken) {
      const automaton = new Automaton(readConstraint({ regex }).nfa, ['constraint'])
      assert.ok(
        automaton.isComplete(automaton.after(automaton.start(0), Buffer.from(own))),
        regex.slice(0, 9),
      )
    }
  })

  it('lose spaces at the front, as many as they are to, where a text has them', () => {
    const { nfa } = readConstraint({ regex: ' ?a' })
    const automaton = new Automaton(nfa, ['constraint'])
    const takes = (spaces: number, own: string) =>
      automaton.isComplete(automaton.after(automaton.start(spaces), Buffer.from(own)))
    const taken = [0, 1, 2].map(spaces =>
      ['a', ' a', '  a', '   a', '    a'].filter(own => takes(spaces, own)),
    )
    assert.deepEqual(taken, [
      ['a', ' a'],
      ['a', ' a', '  a'],
      ['a', ' a', '  a', '   a'],
    ])
  })

  it('spell characters as UTF-8 does, each in one way', () => {
    const sets: [number, number][][] = [
      [[0, 0x10ffff]],
      [[0x7f, 0x80]],
      [[0x7ff, 0x800]],
      [[0xffff, 0x10000]],
      [[0xd7ff, 0xe000]],
      [
        [0x41, 0x41],
        [0x3b1, 0x3c9],
        [0x4e00, 0x9fff],
        [0x1f600, 0x1f64f],
      ],
    ]
    for (const set of sets) {
      const ways = utf8Ranges(characters(...set))
      for (let codePoint = 0; codePoint <= 0x10ffff; codePoint += codePoint < 0x11000 ? 1 : 7) {
        const isSurrogate = codePoint >= 0xd800 && codePoint <= 0xdfff
        const isIn = !isSurrogate && set.some(([first, last]) => first <= codePoint && codePoint <= last)
        const bytes = Buffer.from(String.fromCodePoint(codePoint))
        const spelt = ways.filter(
          way =>
            way.length === bytes.length &&
            way.every(([low, high], i) => low <= bytes[i]! && bytes[i]! <= high),
        )
        if (!isSurrogate) assert.equal(spelt.length, isIn ? 1 : 0, codePoint.toString(16))
      }
      const count = ways.reduce(
        (sum, way) => sum + way.reduce((all, [low, high]) => all * (high - low + 1), 1),
        0,
      )
      const expected = set.reduce((sum, [first, last]) => {
        const surrogates = first <= 0xd800 && last >= 0xdfff ? 2048 : 0
        return sum + last - first + 1 - surrogates
      }, 0)
      assert.equal(count, expected)
    }
  })
})
