// Patterns of tokenizer.json: what each cuts, by the tokenizers library, what is refused, and those that never end.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { sliceItems } from '../src/calls/slices.ts'
import { Field } from '../src/tokenizer/field.ts'
import { readNormalizer } from '../src/tokenizer/normalizer.ts'
import type { Pattern } from '../src/tokenizer/pattern.ts'
import { gpt2Pattern, readPreTokenizer } from '../src/tokenizer/pre-tokenizer.ts'
import { translateRegex } from '../src/tokenizer/regex.ts'
import { carried } from './shared.ts'
import { byteJson, isTokenizerError, loadJson } from './tokenizer-files.ts'

interface GoldenCase {
  name: string
  pattern: string
  behavior: string
  invert: boolean
  rows: string[][]
}

describe('tokenizer patterns', () => {
  // Made by bench/peers/tokenizer_patterns.py.
  const file = carried('tokenizers', 'patterns.json')
  const golden = JSON.parse(readFileSync(file, 'utf8')) as { texts: string[]; cases: GoldenCase[] }

  for (const { name, pattern, behavior, invert, rows } of golden.cases) {
    it(`${name} ${behavior}${invert ? ' inverted' : ''}: ${pattern.slice(0, 60)}`, () => {
      const step = { type: 'Split', pattern: { Regex: pattern }, behavior, invert }
      const { split } = readPreTokenizer(new Field('tokenizer.json', '', step))
      for (const [i, text] of golden.texts.entries())
        assert.deepEqual(split.cut(text, true), rows[i], JSON.stringify(text))
    })
  }

  it('cut a long text as they cut a short one', () => {
    const parts = [
      ...golden.texts,
      ' ',
      '\n',
      '\r\n',
      '  ',
      'word',
      ' Word',
      "'s",
      '1234',
      '\u{1f34e}',
      '!?',
      '\t',
    ]
    let seed = 1
    const some = () => {
      seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0
      return parts[(seed >>> 8) % parts.length]!
    }
    const mixed = Array.from({ length: 5000 }, some).join('')
    assert.ok(mixed.length > 2.5 * sliceItems)
    for (const { pattern } of golden.cases.filter(({ behavior }) => behavior === 'Isolated')) {
      const regex = translateRegex(pattern, 'x')
      assert.deepEqual([...regex.cutLong(mixed)].flat(), regex.cut([mixed]), pattern)
    }
  })

  it('replace every match of a text that is not empty', () => {
    const rows: [pattern: object, text: string, want: string][] = [
      [{ Regex: 'x*' }, 'axb', '-a-b-'],
      [{ Regex: 'x*' }, '', ''],
      [{ String: '' }, 'ab', 'ab'],
      [{ String: 'ab' }, 'ababa', '--a'],
      [{ Regex: '\\s+' }, 'a \u0085b\ufeff', 'a-b\ufeff'],
    ]
    for (const [pattern, text, want] of rows) {
      const replace = readNormalizer(new Field('x', '', { type: 'Replace', pattern, content: '-' }), false)!
      assert.equal(replace.atOnce(text, true, 1000), want, JSON.stringify([pattern, text]))
    }
  })

  const refused: [pattern: string, reason: RegExp][] = [
    ['\\1', /Not enough capturing groups/],
    ['(?(1)a|b)', /Unsupported conditional/],
    ['(?s:a)', /Invalid or unsupported group option/],
    ['\\X', /Use of "\\X" requires/],
    ['(?i:ss)', /"ss" in a group that ignores case has "ß" for an equal/],
    ['(?i:[ßa])', /"ss" in a group that ignores case/],
    ['(?i)fl', /"fl" in a group that ignores case/],
    ['(?i:[\\p{Lu}])', /a class with Lu in a group that ignores case/],
    ['a(?i)b|c', /a modifier inside an alternative that others follow/],
    ['(a)(?i:\\1)', /a backreference in a group that ignores case/],
    ['\\p{Nothing}', /Invalid property name/],
    ['[a-\\w]', /Invalid character class range/],
    ['(a', /Unclosed group/],
    ['a)', /Unmatched "\)"/],
    ['[a', /Unclosed character class/],
    ['+a', /requires a repeatable token/],
    ['[b-a]', /out of order/],
  ]
  for (const [pattern, reason] of refused) {
    it(`${pattern} is refused`, () => {
      assert.throws(() => translateRegex(pattern, 'tokenizer.json'), isTokenizerError(reason))
      const named = `tokenizer.json: pattern ${JSON.stringify(pattern)} is not supported: `
      assert.throws(
        () => translateRegex(pattern, 'tokenizer.json'),
        (error: Error) => error.message.startsWith(named),
      )
    })
  }
})

describe('patterns that backtrack without end', () => {
  const endless: [pattern: string, text: string][] = [
    ['(a+)+$', `${'a'.repeat(60)}!`],
    ['(a|a)*b', 'a'.repeat(60)],
    ['(?:a|aa)+$', `${'a'.repeat(120)}!`],
    ['(a*)*b', 'a'.repeat(60)],
    ['(?:a|aa){40}b', 'a'.repeat(60)],
    ['(?=(a+)+b)a', 'a'.repeat(60)],
    ['(\\w+\\s?)+:', `${'word '.repeat(40)}!`],
    ['a*a*a*a*a*a*b', 'a'.repeat(3000)],
    ['\\s+$', `${' '.repeat(3_000_000)}x`],
  ]
  const load = (pattern: string) => {
    const json = byteJson()
    json.pre_tokenizer.use_regex = false
    const split = { type: 'Split', pattern: { Regex: pattern }, behavior: 'Isolated' }
    json.pre_tokenizer = { type: 'Sequence', pretokenizers: [split, json.pre_tokenizer] }
    return loadJson(json)
  }
  for (const [pattern, text] of endless) {
    it(`${pattern} encodes a short text and gives up on a long one`, async () => {
      const tokenizer = await load(pattern)
      assert.deepEqual(tokenizer.encode('aab'), [97, 97, 98])
      const gaveUp = /tokenizer\.json: pattern .* takes more than 1000 ms for a piece of this text/
      assert.throws(() => tokenizer.encode(text), isTokenizerError(gaveUp))
      assert.deepEqual(tokenizer.encode('ab'), [97, 98])
    })
  }

  it('run out of memory with an error of ours', async () => {
    const tokenizer = await load('(?:a|b)*c')
    assert.throws(
      () => tokenizer.encode('ab'.repeat(15_000_000)),
      isTokenizerError(/needs too much memory for this text/),
    )
  })

  it('give up as normalisers too', () => {
    const step = { type: 'Replace', pattern: { Regex: '(a+)+$' }, content: 'b' }
    const replace = readNormalizer(new Field('tokenizer.json', '', step), false)!
    assert.equal(replace.atOnce('caa', true, 1000), 'cb')
    assert.throws(
      () => replace.atOnce(`${'a'.repeat(60)}!`, true, 1000),
      isTokenizerError(/takes more than 1000 ms/),
    )
  })

  it('are told from those of published models, which run unwatched on texts of a thousand characters', () => {
    const file = carried('tokenizers', 'patterns.json')
    const { cases } = JSON.parse(readFileSync(file, 'utf8')) as { cases: GoldenCase[] }
    const watched = cases.filter(({ name, pattern, behavior }) => {
      const one: Pattern = translateRegex(pattern, 'x')
      return name !== 'syntax' && behavior === 'Isolated' && one.safeLength < 1000
    })
    assert.deepEqual(
      watched.map(({ pattern }) => pattern),
      ['(?:\\r?\\n)+(?!\\r?\\n)'],
    )
  })

  it('need no limit of time for a long text without long runs', () => {
    const gpt2: Pattern = translateRegex(gpt2Pattern, 'x')
    const prose = 'Hello, world: 12 apples \u{1f34e}\u{1f34e} of 3 trees!\n'.repeat(4000)
    assert.ok(prose.length > 10 * gpt2.safeLength && gpt2.isSafe(prose))
    const runs = [' ', 'a', '7', '\u{1f34e}', '\u{10400}'].map(c => c.repeat(512 / c.length))
    for (const run of runs)
      for (const start of [0, 1, 63, 64, 127, 128, 129, 190])
        assert.equal(gpt2.isSafe(prose.slice(start) + run + prose), false, `${run.slice(0, 2)} ${start}`)
    const endless: Pattern = translateRegex('(?:a|b+)*c', 'x')
    assert.equal(endless.isSafe(prose), false)
  })
})
