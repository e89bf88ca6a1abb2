// Tests SentencePiece models and GGUF metadata: settings, symbols, characters without a piece, and files that are wrong.
import assert from 'node:assert/strict'
import { byteCharacters } from '../src/tokenizer/byte-level.ts'
import { loadTokenizer } from '../src/tokenizer/load.ts'
import {
  bytePieces,
  charsmapOfA,
  isTokenizerError,
  loadModelFile,
  message,
  sentencePieceModel,
  type TestPiece,
} from './tokenizer-files.ts'

const byteFallback: [number, boolean] = [35, true]
const noDummyPrefix: [number, boolean] = [3, false]
const keepSpaces: [number, boolean] = [4, false]
const words: TestPiece[] = [
  ['▁a', -1],
  ['bc', -2],
  ['▁', -3],
  ['a', -4],
  ['b', -5],
  ['c', -6],
]

async function pieces(model: Buffer, text: string, parseSpecial = false): Promise<string[]> {
  const tokenizer = await loadModelFile(model)
  return tokenizer.encode(text, { parseSpecial }).map(id => tokenizer.tokenText(id))
}

describe('tokenizer.model', () => {
  it('merges the best score first, the leftmost of equals', async () => {
    assert.deepEqual(await pieces(sentencePieceModel(words), 'abc a'), ['▁a', 'bc', '▁a'])
    const equal: TestPiece[] = [...words, ['ab', -2]]
    assert.deepEqual(await pieces(sentencePieceModel(equal, [], [noDummyPrefix]), 'abc bcab'), [
      'ab',
      'c',
      '▁',
      'bc',
      'ab',
    ])
  })

  it('treats spaces as the normaliser says', async () => {
    const spaced = ' a  a '
    assert.deepEqual(await pieces(sentencePieceModel(words), spaced), ['▁a', '▁a'])
    assert.deepEqual(await pieces(sentencePieceModel(words, [], [keepSpaces]), spaced), [
      '▁',
      '▁a',
      '▁',
      '▁a',
      '▁',
    ])
    assert.deepEqual(await pieces(sentencePieceModel(words, [], [noDummyPrefix]), spaced), ['a', '▁a'])
    assert.deepEqual(await pieces(sentencePieceModel(words), '  '), [])
  })

  it('replaces what the precompiled map holds', async () => {
    const map = charsmapOfA('bc')
    assert.deepEqual(await pieces(sentencePieceModel(words, [], [[2, map]]), 'Aé'), ['▁', 'bc', '<unk>'])
  })

  it('makes one unknown token of a run, or bytes', async () => {
    assert.deepEqual(await pieces(sentencePieceModel(words), 'aéèb'), ['▁a', '<unk>', 'b'])
    const model = sentencePieceModel([...words, ...bytePieces], [byteFallback])
    assert.deepEqual(await pieces(model, 'aéb'), ['▁a', '<0xC3>', '<0xA9>', 'b'])
    const tokenizer = await loadModelFile(sentencePieceModel(words))
    assert.equal(tokenizer.decode(tokenizer.encode('aé')), 'a ⁇ ')
  })

  it('merges characters that are no piece by themselves', async () => {
    const loose: TestPiece[] = [...words, ['xy', -1], ...bytePieces]
    const model = sentencePieceModel(loose, [byteFallback])
    assert.deepEqual(await pieces(model, 'axyx'), ['▁a', 'xy', '<0x78>'])
    const unknown = sentencePieceModel([...words, ['xy', -1]])
    assert.deepEqual(await pieces(unknown, 'axyxéyxa'), ['▁a', 'xy', '<unk>', 'a'])
  })

  it('finds user-defined pieces in the normalised text, control pieces where asked to', async () => {
    const model = sentencePieceModel([...words, ['▁b', 0, 4], ['<c>', 0, 3]])
    assert.deepEqual(await pieces(model, 'b bc'), ['▁b', '▁b', 'c'])
    assert.deepEqual(await pieces(model, 'a</s>a', true), ['▁a', '</s>', '▁a'])
    assert.deepEqual(await pieces(model, 'a</s>'), ['▁a', '<unk>'])
    const tokenizer = await loadModelFile(model)
    assert.deepEqual(tokenizer.encode('a</s>'), tokenizer.encode('a</s>', { parseSpecial: false }))
  })

  it('knows BOS, EOS and special tokens', async () => {
    const tokenizer = await loadModelFile(sentencePieceModel(words))
    assert.deepEqual([tokenizer.addBos, tokenizer.bosTokenId, tokenizer.eosTokenId], [true, 1, 2])
    assert.deepEqual([...tokenizer.specialTokens], [['<s>', 1], ['</s>', 2]]) // biome-ignore format: a row
    assert.deepEqual(tokenizer.encode('a', { addSpecialTokens: true }), [1, 3])
    const unnamed = await loadModelFile(sentencePieceModel(words, [[46, '<b>'], [47, '<e>']])) // biome-ignore format: a row
    assert.deepEqual([unnamed.addBos, unnamed.bosTokenId, unnamed.eosTokenId], [false, undefined, undefined])
  })

  const unigram: [number, number] = [3, 1]
  const rows: [name: string, model: Buffer, message: RegExp][] = [
    ['an empty file', Buffer.alloc(0), /tokenizer\.model: holds no pieces/],
    [
      'text',
      Buffer.from('not a model, I fear'),
      /line 1 is "not a model, I fear"; expected a token in base64 and its rank/,
    ],
    ['bytes that are no protobuf', Buffer.of(0x0f, 1, 2), /is not a SentencePiece model: the file /],
    [
      'a length past the end',
      Buffer.from([0x0a, 0xff, 0xff, 0xff, 0xff, 0x7f]),
      /the file claims \d+ bytes at offset 6/,
    ],
    ['an endless number', Buffer.alloc(20, 0xff), /the file holds a number of more than 70 bits/],
    ['half a number', Buffer.from([0x08, 0x80]), /the file ends inside a number/],
    ['a piece that is a number', message([1, 5]), /pieces\[0\] is a number; expected a piece/],
    ['an empty piece', message([1, message()]), /pieces\[0\] is empty; expected a text/],
    ['a text that is a number', message([1, message([1, 5])]), /pieces\[0\] holds piece, which is a number/],
    [
      'a type that is text',
      message([1, message([1, 'a'], [3, 'x'])]),
      /pieces\[0\] holds type, which is no number/,
    ],
    [
      'a score that is text',
      message([1, message([1, 'a'], [2, 'xx'])]),
      /pieces\[0\] holds score, which is no float/,
    ],
    ['an unknown type', sentencePieceModel([['a', 0, 9]]), /piece 3 \("a"\) has type 9; expected 1 to 6/],
    ['NaN', sentencePieceModel([['a', Number.NaN]]), /piece 3 \("a"\) has no number for a score/],
    ['a piece twice', sentencePieceModel([['a', 0], ['a', 1]]), /pieces 3 and 4 are both "a"/], // biome-ignore format: a row
    ['a byte that is none', sentencePieceModel([['<0xZZ>', 0, 6]]), /piece 3 is "<0xZZ>"; expected a byte/],
    [
      'a byte too few',
      sentencePieceModel(bytePieces.slice(1), [byteFallback]),
      /has pieces of type byte for 255 of 256/,
    ],
    [
      'a piece without end',
      sentencePieceModel([['a'.repeat(9999), 0]]),
      /piece 3 has 9999 characters; expected at/,
    ],
    ['Unigram', sentencePieceModel(words, [unigram]), /trainer_spec\.model_type is unigram; expected BPE/],
    ['unused pieces', sentencePieceModel([['a', 0, 5]]), /a piece is of type unused; expected none/],
    [
      'spaces as suffixes',
      sentencePieceModel(words, [[24, true]]),
      /treat_whitespace_as_suffix is true; expected false/,
    ],
    [
      'a cut map',
      sentencePieceModel(words, [], [[2, 'ab']]),
      /precompiled_charsmap of 2 bytes claims a trie of 0/,
    ],
  ]
  for (const [name, model, message] of rows) {
    it(`is refused with ${name}`, () => assert.rejects(loadModelFile(model), isTokenizerError(message)))
  }

  it('is refused or loads, whatever bytes are changed', async () => {
    const model = sentencePieceModel(words)
    let refused = 0
    for (let at = 0; at < model.length; at++) {
      const broken = Buffer.from(model)
      broken[at]! ^= 1 << (at % 8)
      await loadModelFile(broken).catch((error: unknown) => {
        isTokenizerError(/tokenizer\.model: /)(error)
        refused++
      })
    }
    assert.ok(refused > 10, `${refused} of ${model.length}`)
  })
})

describe('GGUF tokenizers', () => {
  const llama = () => {
    const all: TestPiece[] = [
      ['<unk>', 0, 2],
      ['<s>', 0, 3],
      ['</s>', 0, 3],
      ...words,
      ['b c', 0, 4],
      ...bytePieces,
    ]
    return new Map<string, unknown>([
      ['model', 'llama'],
      ['tokens', all.map(([text]) => text)],
      ['scores', Float32Array.from(all, ([, score]) => score)],
      ['token_type', Int32Array.from(all, ([, , type = 1]) => type)],
    ])
  }
  const gpt2 = () =>
    new Map<string, unknown>([
      ['model', 'gpt2'],
      ['pre', 'gpt-2'],
      ['tokens', [...byteCharacters, 'he', '<|end|>', 'user']],
      ['token_type', Int32Array.from({ length: 259 }, (_, id) => (id === 257 ? 3 : id === 258 ? 4 : 1))],
      ['merges', ['h e']],
      ['eos_token_id', 257],
    ])
  const load = (metadata: Map<string, unknown>) => loadTokenizer({ kind: 'gguf', file: 'm.gguf', metadata })

  it('reads the pieces of llama', async () => {
    const tokenizer = await load(llama())
    const text = (ids: number[]) => ids.map(id => tokenizer.tokenText(id))
    assert.deepEqual(text(tokenizer.encode('a bc</s>é')), ['▁a', '▁', 'bc', '</s>', '▁', '<0xC3>', '<0xA9>'])
    assert.deepEqual([tokenizer.addBos, tokenizer.bosTokenId, tokenizer.eosTokenId], [true, 1, 2])
    assert.equal(tokenizer.decode(tokenizer.encode('a bc é')), 'a bc é')
  })

  it('cuts user-defined and unknown pieces out of the text as it is, each followed by a space', async () => {
    const tokens = (llama().get('tokens') as string[]).map(text => (text === 'b c' ? '<x>' : text))
    const marked = await load(new Map([...llama(), ['tokens', tokens]]))
    const marks = (ids: number[]) => ids.map(id => marked.tokenText(id))
    assert.deepEqual(marks(marked.encode('<x>a<x><unk>bc')), ['<x>', '▁a', '<x>', '<unk>', '▁', 'bc'])
    assert.deepEqual(marks(marked.encode('<x>a', { parseSpecial: false })), ['<x>', '▁a'])
  })

  for (const [pre, addBos] of [
    ['llama-bpe', true],
    ['llama3', true],
    ['llama-v3', true],
    ['falcon3', true],
    ['pixtral', true],
    ['gpt-2', false],
    ['smollm', false],
    ['refact', false],
  ] as const) {
    it(`${addBos ? 'puts' : 'puts no'} BOS first for ${pre}, unless add_bos_token says`, async () => {
      const keys = new Map([...gpt2(), ['pre', pre], ['bos_token_id', 258]] as [string, unknown][])
      assert.equal((await load(keys)).addBos, addBos)
      assert.equal((await load(new Map([...keys, ['add_bos_token', !addBos]]))).addBos, !addBos)
      keys.delete('bos_token_id')
      assert.equal((await load(keys)).addBos, false)
    })
  }

  it('obeys its keys', async () => {
    const set = new Map<string, unknown>([
      ...llama(),
      ['add_bos_token', false],
      ['add_eos_token', true],
      ['add_space_prefix', false],
      ['eos_token_id', 5],
    ])
    const tokenizer = await load(set)
    assert.deepEqual([tokenizer.addBos, tokenizer.addsSpace, tokenizer.eosTokenId], [false, false, 5])
    assert.deepEqual(tokenizer.encode('a', { addSpecialTokens: true }), [6, 5])
    const gpt = await load(new Map([...gpt2(), ['add_bos_token', true], ['bos_token_id', 257]]))
    assert.deepEqual(gpt.encode('he', { addSpecialTokens: true }), [257, 256])
  })

  it('reads byte-level BPE', async () => {
    const tokenizer = await load(gpt2())
    assert.deepEqual(tokenizer.encode('he<|end|>user'), [256, 257, 258])
    const plain = tokenizer.encode('<|end|>user', { parseSpecial: false })
    assert.deepEqual(plain.slice(-2), [...tokenizer.encode('>'), 258])
    assert.deepEqual([tokenizer.addBos, tokenizer.bosTokenId, tokenizer.eosTokenId], [false, undefined, 257])
    assert.equal(tokenizer.decode([256, 257, 258]), 'heuser')
  })

  const rows: [name: string, metadata: Map<string, unknown>, message: RegExp][] = [
    ['no model', new Map(), /m\.gguf: tokenizer\.ggml\.model is missing; expected a text/],
    [
      'another model',
      new Map([['model', 'bert']]),
      /tokenizer\.ggml\.model is "bert"; expected gpt2 or llama/,
    ],
    ['no tokens', new Map([['model', 'llama']]), /tokenizer\.ggml\.tokens is missing; expected a list/],
    ['a token that is a number', new Map([...llama(), ['tokens', [1]]]), /tokens\[0\] is 1; expected a text/],
    [
      'scores too few',
      new Map([...llama(), ['scores', [1]]]),
      /scores is \[1\]; expected \d+ numbers, one a token; it has 1/,
    ],
    [
      'types that are text',
      new Map([...llama(), ['token_type', 'x']]),
      /token_type is "x"; expected a list of numbers/,
    ],
    [
      'a BOS past the end',
      new Map([...llama(), ['bos_token_id', 999]]),
      /bos_token_id is 999; expected an id below/,
    ],
    [
      'an unknown pre',
      new Map([...gpt2(), ['pre', 'tekken']]),
      /tokenizer\.ggml\.pre is "tekken"; expected one of gpt-2/,
    ],
    ['no pre', new Map([...gpt2(), ['pre', undefined]]), /tokenizer\.ggml\.pre is missing; expected a text/],
    ['no merges', new Map([...gpt2(), ['merges', 3]]), /tokenizer\.ggml\.merges is 3; expected a list/],
    ['a wrong merge', new Map([...gpt2(), ['merges', ['he']]]), /tokenizer\.ggml\.merges\[0\] is not a pair/],
    [
      'BOS wanted and unknown',
      new Map([...gpt2(), ['add_bos_token', true]]),
      /bos_token_id is missing; expected an id, as/,
    ],
    [
      'a token twice',
      new Map([...gpt2(), ['tokens', Array(259).fill('a')]]),
      /tokenizer\.ggml\.tokens: "a" has the ids 0 and 1/,
    ],
  ]
  for (const [name, metadata, message] of rows) {
    it(`are refused with ${name}`, () => assert.rejects(load(metadata), isTokenizerError(message)))
  }
})
