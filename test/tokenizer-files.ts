// Makes small tokenizers for tests: a tokenizer.json of bytes and a few words, SentencePiece models field by field, and
// lines of tiktoken.
import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { MtLlamaError } from '../src/errors.ts'
import { byteCharacters } from '../src/tokenizer/byte-level.ts'
import { loadTokenizer } from '../src/tokenizer/load.ts'
import type { Tokenizer } from '../src/tokenizer/tokenizer.ts'
import { withFolder } from './checkpoint-files.ts'

/** biome-ignore lint/suspicious/noExplicitAny: tests put wrong things into it */
export type Json = any

const merges = ['h e', 'l l', 'he ll', 'hell o', 'Ġ hello', 'Ġ w']

/** Makes a tokenizer.json of every byte (ids 0 to 255), the merges' words from 256, <s> 262 and </s> 263. */
export function byteJson(): Json {
  const words = [...byteCharacters, ...merges.map(merge => merge.replace(' ', ''))]
  const special = (id: number, content: string) => ({
    id,
    content,
    special: true,
    normalized: false,
    lstrip: false,
    rstrip: false,
    single_word: false,
  })
  return {
    added_tokens: [special(262, '<s>'), special(263, '</s>')],
    normalizer: null,
    pre_tokenizer: { type: 'ByteLevel', add_prefix_space: false, use_regex: true },
    post_processor: null,
    decoder: { type: 'ByteLevel' },
    model: {
      type: 'BPE',
      vocab: Object.fromEntries(words.map((word, id) => [word, id])),
      merges: [...merges],
    },
  }
}

/** Makes a post_processor that puts tokens around a text. */
export function template(before: [string, number][], after: [string, number][]): Json {
  const piece = ([id]: [string, number]) => ({ SpecialToken: { id, type_id: 0 } })
  return {
    type: 'TemplateProcessing',
    single: [...before.map(piece), { Sequence: { id: 'A', type_id: 0 } }, ...after.map(piece)],
    special_tokens: Object.fromEntries(
      [...before, ...after].map(([id, n]) => [id, { id, ids: [n], tokens: [id] }]),
    ),
  }
}

/** Loads a tokenizer.json, given as a value or as the file's own text, with tokenizer_config.json beside it. */
export function loadJson(json: Json, config?: Json): Promise<Tokenizer> {
  const text = (value: Json) =>
    typeof value === 'string' || Buffer.isBuffer(value) ? value : JSON.stringify(value)
  return withFolder(async dir => {
    const file = join(dir, 'tokenizer.json')
    const configFile = config === undefined ? undefined : join(dir, 'tokenizer_config.json')
    writeFileSync(file, text(json))
    if (configFile !== undefined) writeFileSync(configFile, text(config))
    return await loadTokenizer({ kind: 'tokenizer.json', file, configFile })
  })
}

export function loadModelFile(bytes: Buffer): Promise<Tokenizer> {
  return withFolder(async dir => {
    const file = join(dir, 'tokenizer.model')
    writeFileSync(file, bytes)
    return await loadTokenizer({ kind: 'tokenizer.model', file, configFile: undefined })
  })
}

/** The lines of a tiktoken file in which tokens have their places for ranks. */
export function tiktokenLines(tokens: readonly Uint8Array[]): string[] {
  return tokens.map((token, rank) => `${Buffer.from(token).toString('base64')} ${rank}`)
}

type WireValue = number | boolean | string | Buffer | { float: number }

/** Makes a protobuf message of its fields in order. */
export function message(...fields: [number: number, value: WireValue][]): Buffer {
  return Buffer.concat(fields.map(([number, value]) => wireField(number, value)))
}

function wireField(number: number, value: WireValue): Buffer {
  if (typeof value === 'object' && 'float' in value) {
    const bytes = Buffer.alloc(4)
    bytes.writeFloatLE(value.float)
    return Buffer.concat([varint(number * 8 + 5), bytes])
  }
  if (typeof value === 'number' || typeof value === 'boolean') {
    return Buffer.concat([varint(number * 8), varint(Number(value))])
  }
  const bytes = Buffer.from(value as string)
  return Buffer.concat([varint(number * 8 + 2), varint(bytes.length), bytes])
}

function varint(value: number): Buffer {
  const bytes: number[] = []
  for (; value >= 0x80; value = Math.floor(value / 128)) bytes.push((value % 128) | 0x80)
  return Buffer.from([...bytes, value])
}

export type TestPiece = [text: string, score: number, type?: number]

/** Makes a SentencePiece model of <unk> 0, <s> 1, </s> 2, then the pieces. */
export function sentencePieceModel(
  pieces: TestPiece[],
  trainer: [number, WireValue][] = [],
  normalizer: [number, WireValue][] = [],
): Buffer {
  const all: TestPiece[] = [['<unk>', 0, 2], ['<s>', 0, 3], ['</s>', 0, 3], ...pieces]
  return message(
    ...all.map(([text, score, type = 1]): [number, Buffer] => [
      1,
      message([1, text], [2, { float: score }], [3, type]),
    ]),
    [2, message([3, 2], ...trainer)],
    [3, message(...normalizer)],
  )
}

/** The 256 byte pieces that a model falls back on. */
export const bytePieces: TestPiece[] = Array.from({ length: 256 }, (_, byte) => [
  `<0x${byte.toString(16).toUpperCase().padStart(2, '0')}>`,
  0,
  6,
])

/** SentencePiece's precompiled normalisation that makes something of every A. */
export function charsmapOfA(content: string): Buffer {
  // The trie has one path: the root (children at 256), 'A' (value at 1), and the value, which is offset 0 of the texts.
  const trie = new Uint32Array(512)
  trie[0] = 256 << 10
  trie[256 ^ 0x41] = ((256 ^ 0x41 ^ 1) << 10) | 0x100 | 0x41
  trie[1] = 0x80000000
  const size = Buffer.alloc(4)
  size.writeUInt32LE(trie.byteLength)
  return Buffer.concat([size, Buffer.from(trie.buffer), Buffer.from(`${content}\0`)])
}

/** Makes what assert.rejects() is to find. */
export function isTokenizerError(message: RegExp) {
  return (error: unknown) => {
    assert.ok(error instanceof MtLlamaError, String(error))
    assert.equal(error.code, 'TOKENIZER')
    assert.match(error.message, message)
    return true
  }
}
