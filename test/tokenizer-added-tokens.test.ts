// Checks that added tokens are found as the tokenizers library finds them, in time that grows with the text alone.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { drain } from '../src/calls/slices.ts'
import { type AddedToken, AddedTokenFinder, type Section } from '../src/tokenizer/added-tokens.ts'
import { LongestMatches } from '../src/tokenizer/longest-matches.ts'
import { carried } from './shared.ts'
import { byteJson, type Json, loadJson } from './tokenizer-files.ts'

const plain = { special: false, singleWord: false, lstrip: false, rstrip: false, normalized: false }
const finder = (contents: readonly string[], flags: Partial<AddedToken> = {}) =>
  new AddedTokenFinder(contents.map((content, id) => ({ ...plain, ...flags, id, content })))
const texts = (sections: readonly Section[]) =>
  sections.map(section => ('id' in section ? section.id : section.text))

describe('added tokens', () => {
  it('are found as the tokenizers library finds them, all flags and normalisers alike', async () => {
    // Made by bench/peers/tokenizer_patterns.py.
    const file = carried('tokenizers', 'added-tokens.json')
    const cases: Json[] = JSON.parse(readFileSync(file, 'utf8'))
    assert.ok(cases.length > 50)
    for (const { lowercase, vocab, tokens, rows } of cases) {
      const tokenizer = await loadJson({
        ...byteJson(),
        added_tokens: tokens,
        normalizer: lowercase ? { type: 'Lowercase' } : null,
        pre_tokenizer: null,
        model: { type: 'BPE', vocab, merges: [] },
      })
      for (const [text, ids, plainIds] of rows) {
        const where = JSON.stringify([text, tokens])
        assert.deepEqual(tokenizer.encode(text), ids, where)
        assert.deepEqual(tokenizer.encode(text, { parseSpecial: false }), plainIds, where)
      }
    }
  })

  it('are the longest that begin at a place, by the definition', () => {
    const random = generator(11)
    const word = (length: number) =>
      Array.from({ length }, () => 'ab<é\u{1f600}'[Math.floor(random() * 4)]).join('')
    for (let round = 0; round < 2000; round++) {
      const words = Array.from({ length: 1 + Math.floor(random() * 8) }, () =>
        word(1 + Math.floor(random() * 5)),
      )
      const text = word(Math.floor(random() * 40))
      const want: number[] = []
      for (let at = text.length - 1; at >= 0; at--) {
        const here = words.filter(one => text.startsWith(one, at)).sort((a, b) => b.length - a.length)
        if (here.length > 0) want.push(at, words.indexOf(here[0]!))
      }
      assert.deepEqual(drain(new LongestMatches(words).find(text)), want, JSON.stringify([words, text]))
    }
  })

  it('take no half of a character', () => {
    assert.deepEqual(texts(drain(finder(['\ud83d', '\ude00x']).split('\u{1f600}x', true))), ['\u{1f600}x'])
  })

  // Each would take minutes if it went over what lies around a token for every token.
  const length = 400_000
  const rows: [name: string, find: AddedTokenFinder, text: string, sections: number][] = [
    [
      '100,000 tokens',
      finder(Array.from({ length: 100_000 }, (_, i) => `<extra_${i}>`)),
      '<extra_'.repeat(60_000),
      1,
    ],
    ['a token that is nearly there', finder([`${'a'.repeat(length)}b`]), 'a'.repeat(length), 1],
    ['tokens that begin alike', finder(['a', `${'a'.repeat(length / 2)}b`]), 'a'.repeat(length), length],
    ['spaces before no token', finder(['<x>'], { lstrip: true }), `${' '.repeat(length)}<`, 1],
    ['spaces before many tokens', finder(['x'], { lstrip: true }), ' x'.repeat(length / 2), length / 2],
    ['spaces before a token', finder(['x'], { lstrip: true }), `${' '.repeat(length)}x`, 1],
    ['spaces after a token', finder(['x'], { rstrip: true }), `x${' '.repeat(length)}`, 1],
    ['tokens in spaces that are taken', finder([' '], { rstrip: true }), ' '.repeat(length), length],
    ['single words', finder(['x'], { singleWord: true }), 'x '.repeat(length / 2), length],
  ]
  for (const [name, find, text, sections] of rows) {
    it(`take time linear in the text: ${name}`, () => {
      assert.equal(drain(find.split(text, true)).length, sections)
    })
  }

  it('take no memory by their ids', async () => {
    const json = byteJson()
    json.model.vocab['<far>'] = 2 ** 24
    json.added_tokens.push({ id: 2 ** 24, content: '<far>', special: true })
    const before = process.memoryUsage().heapUsed
    const tokenizer = await loadJson(json)
    assert.deepEqual(tokenizer.encode('he<far>'), [256, 2 ** 24])
    assert.equal(tokenizer.decode([256, 2 ** 24], { skipSpecialTokens: false }), 'he<far>')
    assert.equal(tokenizer.vocabSize, 2 ** 24 + 1)
    // A table with an entry for every lower id would take 128 MiB.
    const taken = process.memoryUsage().heapUsed - before
    assert.ok(taken < 32 * 2 ** 20, `${taken} bytes`)
  })

  it('lose white space at their ends in linear time, as Strip does', async () => {
    const json = byteJson()
    json.normalizer = { type: 'Strip', strip_left: true, strip_right: true }
    const tokenizer = await loadJson(json)
    const spaces = ' \u2003\u0085'.repeat(200_000)
    assert.deepEqual(tokenizer.encode(`${spaces}he${spaces}.`).slice(0, 1), [256])
    assert.deepEqual(tokenizer.encode(`${spaces}he${spaces}`), [256])
    assert.deepEqual(tokenizer.encode(spaces), [])
  })
})

function generator(seed: number): () => number {
  let state = seed
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return state / 2 ** 32
  }
}
