// Tokenizer files that let a text grow without end: what is refused, and what published normalisers do to a text.
import assert from 'node:assert/strict'
import type { Tokenizer } from '../src/tokenizer/tokenizer.ts'
import {
  byteJson,
  charsmapOfA,
  isTokenizerError,
  type Json,
  loadJson,
  loadModelFile,
  sentencePieceModel,
} from './tokenizer-files.ts'

const megabyte = 'x'.repeat(1 << 20)
const replace = (pattern: object, content: string) => ({ type: 'Replace', pattern, content })
const prepend = (prefix: string) => ({ type: 'Prepend', prepend: prefix })
const sequence = (...normalizers: object[]) => ({ type: 'Sequence', normalizers })

function withNormalizer(normalizer: object, change: (json: Json) => void = () => {}): Promise<Tokenizer> {
  const json = byteJson()
  json.normalizer = normalizer
  change(json)
  return loadJson(json)
}

describe('normalisation', () => {
  const tens = Array.from({ length: 12 }, () => replace({ String: 'A' }, 'A'.repeat(10)))
  const growing: [name: string, field: RegExp, load: () => Promise<Tokenizer>, text: string][] = [
    ['a character', /normalizer\.content/, () => withNormalizer(replace({ String: 'A' }, megabyte)), 'AB'],
    ['a text', /normalizer\.content/, () => withNormalizer(replace({ String: 'AB' }, megabyte)), 'AB'],
    ['a pattern', /normalizer\.content/, () => withNormalizer(replace({ Regex: '[AB]' }, megabyte)), 'AB'],
    ['no character', /normalizer\.content/, () => withNormalizer(replace({ Regex: 'x*' }, megabyte)), 'AB'],
    ['step after step', /normalizers\[\d+\]\.content/, () => withNormalizer(sequence(...tens)), 'A'],
    ['once', /normalizer\.prepend/, () => withNormalizer(prepend(megabyte.repeat(4))), 'A'],
    [
      'section after section',
      /normalizer\.prepend/,
      () => withNormalizer(prepend('x'.repeat(60_000))),
      'A<s>',
    ],
    [
      'a character map',
      /precompiled_charsmap/,
      () => loadModelFile(sentencePieceModel([['a', 0]], [], [[2, charsmapOfA(megabyte)]])),
      'AB',
    ],
  ]
  for (const [name, field, load, text] of growing)
    it(`ends with an error where a text grows too much: ${name}`, async () => {
      const tokenizer = await load()
      for (const times of [300, 30_000])
        assert.throws(
          () => tokenizer.encode(text.repeat(times)),
          isTokenizerError(
            new RegExp(`tokenizer\\.(json|model): .*${field.source} makes \\d+ characters or more`),
          ),
        )
      assert.equal(tokenizer.encode('').length, 0)
    })

  it('of added tokens is bounded for all of them together', async () => {
    const add = (json: Json) => {
      for (let id = 264; id < 1264; id++)
        json.added_tokens.push({ id, content: `t${id}`, special: false, normalized: true })
    }
    await assert.rejects(
      withNormalizer(prepend('x'.repeat(60_000)), add),
      isTokenizerError(/normalizer\.prepend makes/),
    )
  })

  it('may put in what published normalisers do', async () => {
    const compatible = await withNormalizer({ type: 'NFKD' })
    assert.equal(compatible.decode(compatible.encode('\ufdfa'.repeat(20_000))).length, 18 * 20_000)
    const prefixed = await withNormalizer(prepend('x'.repeat(60_000)))
    assert.equal(prefixed.decode(prefixed.encode('a')).length, 60_001)
    const spelt = await withNormalizer(replace({ String: ' ' }, '$&<|space|>'))
    for (const times of [3, 20_000])
      assert.equal(spelt.decode(spelt.encode('a b'.repeat(times))), 'a$&<|space|>b'.repeat(times))
  })

  it('takes a single character in the place of a space, as the tokenizers library does', async () => {
    for (const replacement of ['__', '', megabyte]) {
      const json = byteJson()
      json.pre_tokenizer = { type: 'Metaspace', replacement, prepend_scheme: 'always' }
      await assert.rejects(
        loadJson(json),
        isTokenizerError(/pre_tokenizer\.replacement is ".*; expected a single character/),
      )
    }
  })
})
