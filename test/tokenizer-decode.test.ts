// Tests decoding: bytes that are no characters, streams that agree with the whole, and text that survives both ways.
import assert from 'node:assert/strict'
import { drain } from '../src/calls/slices.ts'
import { splitContinuation } from '../src/tokenizer/boundary.ts'
import { tokenTexts } from '../src/tokenizer/token-texts.ts'
import {
  byteJson,
  bytePieces,
  type Json,
  loadJson,
  loadModelFile,
  sentencePieceModel,
  type TestPiece,
} from './tokenizer-files.ts'

/** Makes a tokenizer.json of byte pieces: ids 0 to 255 are bytes, then come ▁a (or another letter), b, <s> and ▁. */
function byteFallbackJson(letter = 'a'): Json {
  const texts = [
    ...Array.from({ length: 256 }, (_, byte) => `<0x${byte.toString(16).toUpperCase().padStart(2, '0')}>`),
    `▁${letter}`,
    'b',
  ]
  return {
    added_tokens: [{ id: 258, content: '<s>', special: true }],
    normalizer: {
      type: 'Sequence',
      normalizers: [
        { type: 'Prepend', prepend: '▁' },
        { type: 'Replace', pattern: { String: ' ' }, content: '▁' },
      ],
    },
    decoder: {
      type: 'Sequence',
      decoders: [
        { type: 'Replace', pattern: { String: '▁' }, content: ' ' },
        { type: 'ByteFallback' },
        { type: 'Fuse' },
        { type: 'Strip', content: ' ', start: 1, stop: 0 },
      ],
    },
    model: {
      type: 'BPE',
      byte_fallback: true,
      vocab: { ...Object.fromEntries(texts.map((text, id) => [text, id])), '▁': 259 },
      merges: [],
    },
  }
}

/** Makes a tokenizer.model of the same pieces, with ids that are higher by 3; it keeps spaces as they are. */
function byteFallbackModel(): Buffer {
  const more: TestPiece[] = [
    ['▁a', 0],
    ['b', 0],
    ['<c>', 0, 3],
    ['▁', 0],
  ]
  return sentencePieceModel([...bytePieces, ...more], [[35, true]], [[4, false]])
}

const makers = {
  'byte level': { first: 0, make: () => loadJson(byteJson()) },
  'byte fallback': { first: 0, make: () => loadJson(byteFallbackJson()) },
  'tokenizer.model': { first: 3, make: () => loadModelFile(byteFallbackModel()) },
}

/** Rows of bytes, or ids counted from the first byte's id, and of what each push() and then end() returns. */
type Row = [name: string, ids: number[], pushes: string[], options?: { skipSpecialTokens: boolean }]

describe('decoding', () => {
  const smile = [0xf0, 0x9f, 0x98, 0x80]
  const shown = { skipSpecialTokens: false }
  const rows: Record<keyof typeof makers, Row[]> = {
    'byte level': [
      ['holds back a character', smile, ['', '', '', '😀', '']],
      ['ends an unfinished one', smile.slice(0, 3), ['', '', '', '\ufffd']],
      ['gives up where none can come', [0xe0, 0x80, 0x62], ['', '\ufffd\ufffd', 'b', '']],
      ['a surrogate is none', [0xed, 0xa0, 0x80], ['', '\ufffd\ufffd', '\ufffd', '']],
      ['keeps a byte-order mark', [0xef, 0xbb, 0xbf], ['', '', '\ufeff', '']],
      ['skips specials inside a character', [0xc3, 262, 0xa9], ['', '', 'é', '']],
      ['prints specials where asked to', [262, 256], ['<s>', 'he', ''], shown],
      ['ignores ids without a token', [-1, 9999, 256], ['', '', 'he', '']],
    ],
    'byte fallback': [
      ['a run is whole at its end', [0x0a, ...smile, 257], ['', '', '', '', '', '\n😀b', '']],
      ['a broken run is broken all over', [0x0a, 0xff, 257], ['', '', '\ufffd\ufffdb', '']],
      ['one space is stripped', [256, 256], ['a', ' a', '']],
      ['that of a byte too', [0x20, 0x20], ['', '', ' ']],
      ['none after a special token', [258, 256], ['<s>', ' a', ''], shown],
    ],
    'tokenizer.model': [
      ['a character shows as it is whole', [0x0a, ...smile], ['\n', '', '', '', '😀', '']],
      ['each broken byte for itself', [0x0a, 0xe0, 0xa0, 257], ['\n', '', '', '\ufffd\ufffdb', '']],
      ['the dummy space goes', [258, 256, 256], ['', 'a', ' a', '']],
      ['a control piece ends a run', [0xc3, 258, 0xa9], ['', '\ufffd', '\ufffd', '']],
    ],
  }
  for (const [of, ofKind] of Object.entries(rows) as [keyof typeof makers, Row[]][])
    for (const [name, ids, pushes, options = { skipSpecialTokens: true }] of ofKind)
      it(`${of}: ${name}`, async () => {
        const tokenizer = await makers[of].make()
        const stream = tokenizer.decodeStream(options)
        const own = ids.map(id => id + makers[of].first)
        const got = own.map(id => stream.push(id))
        const pending = stream.pending()
        assert.deepEqual([...got, stream.end()], pushes)
        assert.equal(pending, pushes.at(-1))
        assert.equal(tokenizer.decode(own, options), pushes.join(''))
      })

  for (const [name, { make }] of Object.entries(makers)) {
    it(`${name}: gives back any text it encoded, and streams agree with the whole`, async () => {
      const tokenizer = await make()
      const random = generator(7)
      for (let round = 0; round < 500; round++) {
        const text = randomText(random)
        const ids = tokenizer.encode(text, { parseSpecial: false })
        // These two spell a space as ▁.
        const want = name === 'byte level' ? text : text.replaceAll('▁', ' ')
        assert.equal(tokenizer.decode(ids, { skipSpecialTokens: false }), want)
        const broken = Array.from({ length: 12 }, () => Math.floor(random() * 260))
        const stream = tokenizer.decodeStream()
        let streamed = ''
        for (const id of broken) {
          streamed += stream.push(id)
          assert.ok(tokenizer.decode(broken).startsWith(streamed))
        }
        assert.equal(streamed + stream.end(), tokenizer.decode(broken))
      }
    })
  }

  const more = { ...makers, 'byte fallback without an a': { make: () => loadJson(byteFallbackJson('z')) } }
  for (const [name, { make }] of Object.entries(more))
    it(`${name}: the texts of a continuation's tokens are the continuation, its spaces too`, async () => {
      const tokenizer = await make()
      const random = generator(11)
      for (let round = 0; round < 500; round++) {
        const continuation = ` ${randomText(random)}`
        const split = splitContinuation(tokenizer, 'b b:', continuation, 'joint', { parseSpecial: false })
        const { continuation: ids } = drain(split)
        const texts = tokenTexts(tokenizer, ids)
        assert.equal(texts.length, ids.length)
        const want = name === 'byte level' ? continuation : continuation.replaceAll('▁', ' ')
        assert.equal(texts.join(''), want)
      }
      assert.deepEqual(tokenTexts(tokenizer, tokenizer.encode('é').slice(-2)), ['', 'é'])
      assert.deepEqual(tokenTexts(tokenizer, []), [])
    })
})

function generator(seed: number): () => number {
  let state = seed
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return state / 2 ** 32
  }
}

/** Makes characters of every length in UTF-8, with spaces and odd ones among them. None is a lone surrogate. */
function randomText(random: () => number): string {
  const odd = [' ', '  ', '\n', '\0', '\ufeff', '\u0085', '▁', '<s>', "'s", 'hello', 'é', '\u0301']
  let text = ''
  for (let n = Math.floor(random() * 20); n > 0; n--) {
    const kind = random()
    const limit = kind < 0.6 ? 0x80 : kind < 0.7 ? 0x800 : kind < 0.8 ? 0xd800 : 0x20000
    text +=
      random() < 0.3
        ? odd[Math.floor(random() * odd.length)]
        : String.fromCodePoint(Math.floor(random() * limit) + (limit === 0x20000 ? 0x10000 : 0))
  }
  return text
}

describe('decode arguments', () => {
  const wrong: [what: string, ids: unknown, options?: unknown][] = [
    ['no ids', undefined],
    ['a text', 'ab'],
    ['an object', { length: 2 }],
    ['a text among ids', [65, 'b']],
    ['null among ids', [null]],
    ['a typed array among ids', [new Int32Array(1)]],
    ['options that are null', [65], null],
    ['an option of another type', [65], { skipSpecialTokens: 1 }],
  ]
  for (const [what, ids, options] of wrong)
    it(`${what}: INVALID_ARGUMENT`, async () => {
      const tokenizer = await loadJson(byteJson())
      assert.throws(() => tokenizer.decode(ids as number[], options as object), { code: 'INVALID_ARGUMENT' })
    })

  it('ids may be bigints', async () => {
    const tokenizer = await loadJson(byteJson())
    assert.equal(tokenizer.decode(BigInt64Array.of(65n, 66n)), tokenizer.decode([65, 66]))
  })
})
