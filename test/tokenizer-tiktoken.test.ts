// Reads tiktoken's tokenizer.model, as of LLaMA 3: ids of tiktoken itself, special tokens, broken files, conversions.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { convert } from '../src/checkpoint/convert/convert.ts'
import { openCheckpoint } from '../src/checkpoint/open.ts'
import { tokenBytes } from '../src/tokenizer/byte-level.ts'
import { loadTokenizer } from '../src/tokenizer/load.ts'
import { readRanks, tiktokenMerges } from '../src/tokenizer/tiktoken.ts'
import type { Tokenizer } from '../src/tokenizer/tokenizer.ts'
import { withFolder, writeFiles } from './checkpoint-files.ts'
import { metaParams, metaShapes, torchFile } from './meta-files.ts'
import { shared, sharedMissing } from './shared.ts'
import { skip } from './skip.ts'
import { tiktokenLines as lines, loadModelFile } from './tokenizer-files.ts'

/** The bytes from 255 down to 0, which are ids 0 to 255, then tokens with ids from 256 on; two are parts of a character. */
const bytes = Array.from({ length: 256 }, (_, id) => Buffer.of(255 - id))
const words = ['bc', 'aa', 'aaa', 'ab', 'abc', ' a', '12', '3456', '123', "'l", "'ll", '\n\n', 'é']
const tokens = [...bytes, ...words.map(word => Buffer.from(word)), Buffer.of(0xe6, 0x97), Buffer.from('日')]
const size = tokens.length

/** Texts with their ids by tiktoken 0.14: Encoding(pat_str of LLaMA 3, these ranks).encode_ordinary(). */
const encoded: [text: string, ids: number[]][] = [
  ['aaaaa', [257, 258]],
  ['aaaa abc', [257, 257, 223, 260]],
  ['abcabc', [260, 260]],
  ['1234567', [264, 203, 202, 201, 200]],
  ["I'LL i'll", [182, 216, 179, 179, 223, 150, 266]],
  ['x \n\n\n y', [135, 223, 267, 245, 223, 134]],
  ['caféé 日本', [156, 158, 153, 268, 268, 223, 270, 25, 99, 83]],
  ['', []],
  ['<|eot_id|>', [195, 131, 154, 144, 139, 160, 150, 155, 131, 193]],
]

/** The file with some lines, counted from 1, put in the place of its own. */
function file(changes: Record<number, string> = {}): Buffer {
  return Buffer.from(
    lines(tokens)
      .map((line, i) => `${changes[i + 1] ?? line}\n`)
      .join(''),
    'latin1',
  )
}

describe('tokenizer.model of tiktoken', () => {
  let tokenizer: Tokenizer
  before(async () => {
    tokenizer = await loadModelFile(file())
  })

  for (const [text, ids] of encoded) {
    it(`encodes as tiktoken does, and decodes: ${JSON.stringify(text)}`, () => {
      assert.deepEqual(tokenizer.encode(text), ids)
      assert.equal(tokenizer.decode(ids), text)
    })
  }

  it('has the special tokens of LLaMA 3.1, in the order of its tokenizer.json', () => {
    const named: [place: number, text: string][] = [
      [0, '<|begin_of_text|>'],
      [1, '<|end_of_text|>'],
      [2, '<|reserved_special_token_0|>'],
      [4, '<|finetune_right_pad_id|>'],
      [5, '<|reserved_special_token_2|>'],
      [6, '<|start_header_id|>'],
      [7, '<|end_header_id|>'],
      [8, '<|eom_id|>'],
      [9, '<|eot_id|>'],
      [10, '<|python_tag|>'],
      [11, '<|reserved_special_token_3|>'],
      [255, '<|reserved_special_token_247|>'],
    ]
    assert.equal(tokenizer.specialTokens.size, 256)
    assert.equal(tokenizer.vocabSize, size + 256)
    for (const [place, text] of named) assert.equal(tokenizer.specialTokens.get(text), size + place, text)
    assert.deepEqual([tokenizer.bosTokenId, tokenizer.eosTokenId], [size, size + 1])
    assert.equal(tokenizer.namedTokens.get('bos_token'), '<|begin_of_text|>')
  })

  it('puts BOS before a text, and reads special tokens in it where that is asked', () => {
    const options = { addSpecialTokens: true, parseSpecial: true }
    assert.deepEqual(tokenizer.encode('<|eot_id|>ab', options), [size, size + 9, 259])
    assert.equal(tokenizer.addBos, true)
    assert.equal(tokenizer.decode([size, 259, size + 9]), 'ab')
    assert.equal(tokenizer.decode([259, size + 9], { skipSpecialTokens: false }), 'ab<|eot_id|>')
  })

  const whole = file().toString('latin1')
  const same: [name: string, content: string][] = [
    ['with lines in another order', `${whole.split('\n').slice(0, -1).reverse().join('\n')}\n`],
    ['with the line ends of Windows', whole.replaceAll('\n', '\r\n')],
    ['without an end of the last line', whole.trimEnd()],
    ['with empty lines', whole.replaceAll('\n', '\n\n')],
  ]
  for (const [name, content] of same) {
    it(`reads a file ${name} as the same`, async () => {
      const other = await loadModelFile(Buffer.from(content))
      for (const [text, ids] of encoded) assert.deepEqual(other.encode(text), ids)
      assert.equal(other.bosTokenId, size)
    })
  }

  const last = lines(tokens)[size - 1]!
  const broken: [name: string, content: Buffer, message: RegExp][] = [
    [
      'a line that is no pair',
      file({ 7: 'AAAA' }),
      /line 7 is "AAAA"; expected a token in base64 and its rank/,
    ],
    ['a rank that is no number', file({ 7: 'AAAA x' }), /line 7 is "AAAA x"; expected/],
    ['a rank below 0', file({ 7: 'AAAA -1' }), /line 7 is "AAAA -1"/],
    ['a fraction for a rank', file({ 7: 'AAAA 1.5' }), /line 7 is "AAAA 1\.5"/],
    ['no base64', file({ 7: 'A*AA 6' }), /line 7: "A\*AA" is no base64/],
    ['base64 without its padding', file({ 7: '+g 6' }), /line 7: "\+g" is no base64/],
    ['base64 with bits left over', file({ 7: '+h== 6' }), /line 7: "\+h==" is no base64/],
    ['bytes that are no UTF-8', file({ 7: '\xff\xfe 6' }), /line 7: ".*" is no base64/],
    ['a NUL', file({ 7: 'AA\0A 6' }), /line 7: ".*" is no base64/],
    [
      'a rank that comes twice',
      file({ [size]: last.replace(/\d+$/, '3') }),
      /line 271: rank 3 is that of line 4 too/,
    ],
    [
      'a token that comes twice',
      file({ [size]: `YWE= ${size - 1}` }),
      /line 271: the token "aa" is that of line 258 too/,
    ],
    [
      'a rank that is missing',
      file({ [size]: last.replace(/\d+$/, '300') }),
      /line 271 has rank 300, but no line has rank 270; ranks are ids, and 271 tokens have 0 to 270/,
    ],
    [
      'a rank beyond reason',
      file({ 9: 'AAAA 99999999999999999999' }),
      /line 9: rank 9{20}; LLaMA 3 has 128000 tokens/,
    ],
    [
      'a byte that is missing',
      Buffer.from(lines(tokens.slice(1)).join('\n')),
      /no line has the byte 0xff alone/,
    ],
    [
      'a cut',
      file().subarray(0, 2000),
      /line \d+ is ".*"; expected|line \d+: ".*" is no base64|no line has the byte/,
    ],
    [
      'a token that no vocabulary has',
      Buffer.from(lines([...tokens, Buffer.alloc(129, 'a')]).join('\n')),
      /line 272: a token of 129 bytes; at most 128 are read/,
    ],
    [
      'a page in the place of the file',
      Buffer.from('<!DOCTYPE html>\n<html></html>\n'),
      /line 1 is "<!DOCTYPE html>"/,
    ],
    [
      'a file far too large',
      Buffer.alloc(2 ** 22 + 1, 'A'),
      /has 4194305 bytes; a tiktoken vocabulary has at most/,
    ],
  ]
  for (const [name, content, message] of broken) {
    it(`refuses ${name}`, () =>
      assert.rejects(loadModelFile(content), {
        code: 'TOKENIZER',
        message: new RegExp(`tokenizer\\.model: ${message.source}`),
      }))
  }

  it('takes the special tokens that tokenizer_config.json declares in the place of LLaMA 3s', () =>
    withFolder(async dir => {
      const added = (content: string) => ({ content, special: true })
      writeFiles(dir, {
        'tokenizer.model': file(),
        'tokenizer_config.json': {
          bos_token: '<s>',
          eos_token: '</s>',
          added_tokens_decoder: {
            [size]: added('<s>'),
            [size + 1]: added('</s>'),
            [size + 2]: added('<turn>'),
          },
        },
      })
      const [model, configFile] = [join(dir, 'tokenizer.model'), join(dir, 'tokenizer_config.json')]
      const own = await loadTokenizer({ kind: 'tokenizer.model', file: model, configFile })
      assert.deepEqual(
        [...own.specialTokens],
        [
          ['<s>', size],
          ['</s>', size + 1],
          ['<turn>', size + 2],
        ],
      )
      assert.deepEqual([own.bosTokenId, own.eosTokenId, own.vocabSize], [size, size + 1, size + 3])
      assert.deepEqual(own.encode('ab<turn>'), [259, size + 2])
    }))

  for (const out of ['converted', 'converted.gguf']) {
    it(`goes with Meta's layout into ${out}, where texts get the same ids`, () =>
      withFolder(async dir => {
        writeFiles(dir, {
          'params.json': metaParams,
          'consolidated.00.pth': torchFile(metaShapes(1, { vocab: size + 259 })),
          'tokenizer.model': file(),
        })
        await convert(await openCheckpoint(dir), join(dir, out))
        const { tokenizer: source, warnings } = await openCheckpoint(join(dir, out))
        assert.deepEqual(warnings, [])
        assert.ok(source !== undefined && source.kind !== 'tokenizer.model')
        const written = await loadTokenizer(source)
        const options = { addSpecialTokens: true, parseSpecial: true }
        for (const text of [...encoded.map(([text]) => text), '<|eot_id|>a<|reserved_special_token_9|>'])
          assert.deepEqual(written.encode(text, options), tokenizer.encode(text, options), text)
        assert.deepEqual([written.bosTokenId, written.eosTokenId, written.addBos], [size, size + 1, true])
        // The rows of the embedding that are no token's have names.
        assert.equal(written.vocabSize, size + 259)
      }))
  }
})

describe("LLaMA 3's vocabulary in tiktoken's form", () => {
  let json: { model: { vocab: Record<string, number>; merges: string[] } }
  let content: Buffer
  before(function () {
    if (sharedMissing) skip(this, sharedMissing)
    json = JSON.parse(readFileSync(shared('tokenizers', 'llama3', 'tokenizer.json'), 'utf8'))
    const texts: string[] = []
    for (const [text, id] of Object.entries(json.model.vocab)) texts[id] = text
    content = Buffer.from(lines(texts.map(tokenBytes)).join('\n'))
  })

  it('gives the ids that the tokenizers library gives', async () => {
    const tokenizer = await loadModelFile(content)
    const rows = readFileSync(shared('tokenizers', 'llama3', 'tokenizer_json.jsonl'), 'utf8')
      .trim()
      .split('\n')
    for (const row of rows) {
      const { text, ids } = JSON.parse(row)
      assert.deepEqual(tokenizer.encode(text, { parseSpecial: true }), ids, text)
    }
    assert.deepEqual(
      [tokenizer.bosTokenId, tokenizer.eosTokenId, tokenizer.vocabSize],
      [128_000, 128_001, 128_256],
    )
  })

  it('has the merges of the tokenizer.json that was made of it', () =>
    assert.deepEqual(
      tiktokenMerges(readRanks('x', content)).map(pair => pair.join(' ')),
      json.model.merges,
    ))
})
