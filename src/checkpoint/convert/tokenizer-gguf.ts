// The tokenizer keys of a GGUF file out of a Hugging Face directory's tokenizer: the way back from gguf-tokenizer-json.ts.
import { readFile } from 'node:fs/promises'
import { basename } from 'node:path'
import { shown } from '../../data/shown.ts'
import { MtLlamaError } from '../../errors.ts'
import { tokenizerFromGguf, wordRules } from '../../tokenizer/gguf.ts'
import { endTexts } from '../../tokenizer/gguf-texts.ts'
import { loadTokenizer } from '../../tokenizer/load.ts'
import { pieceType } from '../../tokenizer/pieces.ts'
import { gpt2Pattern } from '../../tokenizer/pre-tokenizer.ts'
import { readPieces } from '../../tokenizer/sentencepiece.ts'
import { isTiktoken, readRanks, tiktokenMerges, tiktokenRule } from '../../tokenizer/tiktoken.ts'
import type { Tokenizer } from '../../tokenizer/tokenizer.ts'
import { bytePiece, splitMerge } from '../../tokenizer/vocabulary.ts'
import type { LlamaConfig, TokenizerSource } from '../checkpoint.ts'
import { type Merge, mergesFromScores } from '../gguf/gguf-tokenizer-json.ts'
import type { GgufValue } from './gguf-writer.ts'

/** Keys without `tokenizer.ggml.` before them. */
type Keys = Record<string, GgufValue>

/** The parts of a tokenizer.json that count here. The tokenizer was loaded from it before: it is well-formed. */
interface TokenizerJson {
  model: {
    vocab: Record<string, number>
    merges: (string | [string, string])[]
    ignore_merges?: boolean
    byte_fallback?: boolean
    unk_token?: string | null
  }
  normalizer?: NormalizerJson | null
  pre_tokenizer?: PreTokenizerJson | null
  added_tokens?: { id: number; special?: boolean }[]
}

interface NormalizerJson {
  type: string
  normalizers?: NormalizerJson[]
}

interface PreTokenizerJson {
  type: string
  pretokenizers?: PreTokenizerJson[]
  pattern?: { Regex?: string }
  behavior?: string
  invert?: boolean
  individual_digits?: boolean
  add_prefix_space?: boolean
  use_regex?: boolean
}

/** The score that llama.cpp's converter gives to an added token that SentencePiece did not train. */
const ADDED_SCORE = -1000

/**
 * `model` is "llama" for SentencePiece's pieces, "gpt2" for byte-level BPE, "none" without a tokenizer. What is written is
 * read back and compared with the tokenizer on texts that tell rules apart, so that none is written that cuts otherwise.
 * @param path begins the message of an error
 * @param warnings told of texts that llama.cpp encodes otherwise than the tokenizer
 * @throws TOKENIZER for one that such a file cannot say
 */
export async function ggufTokenizer(
  source: TokenizerSource | undefined,
  config: LlamaConfig,
  path: string,
  warnings: string[],
): Promise<[key: string, value: GgufValue][]> {
  const keys = source === undefined ? { model: 'none' } : await keysOf(source, config, path, warnings)
  return Object.entries(keys).map(([key, value]) => [`tokenizer.ggml.${key}`, value])
}

async function keysOf(
  source: TokenizerSource,
  config: LlamaConfig,
  path: string,
  warnings: string[],
): Promise<Keys> {
  if (source.kind === 'gguf') return copiedKeys(source.metadata, source.file)
  const tokenizer = await loadTokenizer(source)
  if (tokenizer.vocabSize > config.vocabSize) {
    throw new MtLlamaError(
      'TOKENIZER',
      `${path}: the tokenizer has ${tokenizer.vocabSize} tokens, the embedding ${config.vocabSize} rows; a GGUF file has one of each`,
    )
  }
  const bytes = await readFile(source.file)
  const keys =
    source.kind === 'tokenizer.model' && isTiktoken(bytes)
      ? tiktokenKeys(tokenizer, source.file, bytes, config)
      : {
          ...(source.kind === 'tokenizer.model'
            ? pieceKeys(tokenizer, source.file, bytes, config.vocabSize)
            : jsonKeys(tokenizer, source.file, JSON.parse(bytes.toString('utf8')), config.vocabSize)),
          ...endKeys(tokenizer, config, source.file),
        }
  const isComposed = Object.hasOwn(wordRules, String(keys.pre)) && wordRules[String(keys.pre)]!.isComposed
  compare(tokenizer, keys, source.file, isComposed)
  if (isComposed)
    warnings.push(
      `${basename(source.file)}: composes characters (NFC), which llama.cpp does not: there, and here from the GGUF file, ` +
        'texts of decomposed characters get other tokens',
    )
  return keys
}

/** The metadata of a GGUF file, whose numbers have lost their types: ids are uint32 there. */
function copiedKeys(metadata: ReadonlyMap<string, unknown>, file: string): Keys {
  return Object.fromEntries(
    [...metadata].map(([key, value]) => {
      if (typeof value === 'number' && !(Number.isInteger(value) && value >= -(2 ** 31) && value < 2 ** 32))
        return [key, { float32: value }]
      if (value instanceof Int8Array) return [key, new Uint8Array(value.buffer)]
      const kept = ['string', 'number', 'boolean'].includes(typeof value) || Array.isArray(value)
      const typed = [Float32Array, Int32Array, Uint32Array, Uint8Array].some(type => value instanceof type)
      if (!kept && !typed) throw refusal(file, `tokenizer.ggml.${key} is of a type that is not written`)
      return [key, value as GgufValue]
    }),
  )
}

/** The keys of a tiktoken file's tokenizer. @param bytes the file's */
export function tiktokenKeys(tokenizer: Tokenizer, file: string, bytes: Buffer, config: LlamaConfig) {
  const special = new Set(tokenizer.specialTokens.values())
  return {
    model: 'gpt2',
    pre: tiktokenRule,
    ...tokenLists(tokenizer, config.vocabSize, id =>
      special.has(id) ? pieceType.control : pieceType.normal,
    ),
    merges: tiktokenMerges(readRanks(file, bytes)).map(pair => pair.join(' ')),
    ...endKeys(tokenizer, config, file),
  } satisfies Keys
}

function pieceKeys(tokenizer: Tokenizer, file: string, bytes: Buffer, size: number): Keys {
  const pieces = readPieces(file, bytes)
  const special = new Set(tokenizer.specialTokens.values())
  return pieceLists(tokenizer, size, id => {
    const piece = pieces[id]
    if (piece === undefined)
      return { type: special.has(id) ? pieceType.control : pieceType.userDefined, score: ADDED_SCORE }
    const type = special.has(id) && piece.type === pieceType.normal ? pieceType.control : piece.type
    return { type, score: piece.score }
  })
}

function jsonKeys(tokenizer: Tokenizer, file: string, json: TokenizerJson, size: number): Keys {
  const { model, pre_tokenizer, normalizer } = json
  const special = new Set(tokenizer.specialTokens.values())
  const listed = new Set(json.added_tokens?.map(token => token.id))
  const inModel = new Set(Object.values(model.vocab))
  const typeOf = (id: number) => {
    if (special.has(id)) return pieceType.control
    return listed.has(id) || !inModel.has(id) ? pieceType.userDefined : pieceType.normal
  }
  const merges = model.merges.map(merge => (typeof merge === 'string' ? splitMerge(merge)! : merge))
  if (model.byte_fallback === true) {
    const unknown = model.unk_token ? model.vocab[model.unk_token] : undefined
    const scores = scoresOf(merges)
    const keys = pieceLists(tokenizer, size, id => {
      const text = tokenizer.tokenText(id)
      if (id === unknown) return { type: pieceType.unknown, score: 0 }
      if (inModel.has(id) && bytePiece(text) >= 0) return { type: pieceType.byte, score: 0 }
      const type = typeOf(id)
      return { type, score: type === pieceType.normal ? scores(text) : inModel.has(id) ? 0 : ADDED_SCORE }
    })
    checkMerges(keys, merges, file)
    return keys
  }
  return {
    model: 'gpt2',
    pre: ruleName(file, normalizersOf(normalizer), pre_tokenizer, model.ignore_merges === true),
    ...tokenLists(tokenizer, size, typeOf),
    merges: merges.map(pair => pair.join(' ')),
  }
}

function pieceLists(
  tokenizer: Tokenizer,
  size: number,
  pieceOf: (id: number) => { type: number; score: number },
): Keys {
  return {
    model: 'llama',
    pre: 'default',
    ...tokenLists(tokenizer, size, id => pieceOf(id).type),
    scores: Float32Array.from({ length: size }, (_, id) =>
      tokenizer.tokenText(id) === '' ? ADDED_SCORE : pieceOf(id).score,
    ),
    add_space_prefix: tokenizer.addsSpace,
  }
}

/** Rows of the embedding without a token get texts that llama.cpp's converter gives them. */
function tokenLists(tokenizer: Tokenizer, size: number, typeOf: (id: number) => number): Keys {
  const texts = Array.from({ length: size }, (_, id) => tokenizer.tokenText(id))
  return {
    tokens: texts.map((text, id) => (text === '' ? `[PAD${id}]` : text)),
    token_type: Int32Array.from(texts, (text, id) => (text === '' ? pieceType.unused : typeOf(id))),
  }
}

/**
 * SentencePiece merges what makes the piece of the best score: the piece that is merged first gets the best. Pieces whose
 * merges stand among one another's had equal scores.
 */
function scoresOf(merges: readonly Merge[]): (text: string) => number {
  const spans = new Map<string, { first: number; last: number }>()
  for (const [rank, [left, right]] of merges.entries()) {
    const span = spans.get(left + right)
    if (span === undefined) spans.set(left + right, { first: rank, last: rank })
    else span.last = rank
  }
  const scores = new Map<string, number>()
  let score = 0
  let end = -1
  for (const [text, { first, last }] of spans) {
    if (first > end) score--
    end = Math.max(end, last)
    scores.set(text, score)
  }
  return text => scores.get(text) ?? score - 1
}

/** SentencePiece merges any two pieces that are a third: the list must be what its scores give. */
function checkMerges(keys: Keys, merges: readonly Merge[], file: string): void {
  const { tokens, token_type, scores } = keys as {
    tokens: string[]
    token_type: Int32Array
    scores: Float32Array
  }
  const implied = mergesFromScores(tokens, token_type, scores)
  const differs = (i: number) => merges[i]?.join(' ') !== implied[i]?.join(' ')
  const length = Math.max(merges.length, implied.length)
  for (let i = 0; i < length; i++) {
    if (!differs(i)) continue
    throw refusal(
      file,
      `model.merges[${i}] is ${shown(merges[i]?.join(' '))}; llama.cpp, which knows pieces and their scores alone, ` +
        `would have ${shown(implied[i]?.join(' '))} there`,
    )
  }
}

/** The types of normalizers, one after the other. */
function normalizersOf(step: NormalizerJson | null | undefined): string[] {
  if (!step) return []
  return step.type === 'Sequence' ? step.normalizers!.flatMap(normalizersOf) : [step.type]
}

/** llama.cpp's name for the rule that cuts words. */
function ruleName(
  file: string,
  normalizers: readonly string[],
  preTokenizer: PreTokenizerJson | null | undefined,
  ignoreMerges: boolean,
): string {
  const patterns = preTokenizer ? patternsOf(preTokenizer) : undefined
  const found = Object.entries(wordRules).filter(
    ([, rule]) =>
      patterns !== undefined && rule.ignoreMerges === ignoreMerges && isSame(rule.patterns, patterns),
  )
  const named = found.find(([, { isComposed }]) => isSame(normalizers, isComposed ? ['NFC'] : []))
  if (named !== undefined) return named[0]
  if (found.length > 0)
    throw refusal(file, `normalizer ${normalizers.join(', ')} is nothing that llama.cpp does`)
  throw refusal(
    file,
    `pre_tokenizer cuts words by a rule whose name in llama.cpp (tokenizer.ggml.pre) is not known here; known are ${Object.keys(wordRules).join(', ')}`,
  )
}

/** Each cuts the words of the one before; undefined for steps that are no such patterns. */
function patternsOf(step: PreTokenizerJson): string[] | undefined {
  switch (step.type) {
    case 'Sequence': {
      const lists = step.pretokenizers!.map(patternsOf)
      return lists.every(list => list !== undefined) ? lists.flat() : undefined
    }
    case 'Split': {
      const regex = step.pattern?.Regex
      return regex !== undefined && step.behavior === 'Isolated' && !step.invert ? [regex] : undefined
    }
    case 'Digits':
      return step.individual_digits ? ['\\p{N}'] : undefined
    case 'ByteLevel':
      if (step.add_prefix_space !== false) return undefined
      return step.use_regex === false ? [] : [gpt2Pattern]
    default:
      return undefined
  }
}

function isSame<T>(a: readonly T[], b: readonly T[]): boolean {
  return a.length === b.length && a.every((item, i) => item === b[i])
}

/** Which tokens begin and end texts. Ends that llama.cpp knows by their texts need no key. */
function endKeys(tokenizer: Tokenizer, config: LlamaConfig, file: string): Keys {
  const bos = tokenizer.bosTokenId ?? config.bosTokenId
  const eos = tokenizer.eosTokenId ?? config.eosTokenIds[0]
  const more = config.eosTokenIds.filter(id => id !== eos && !endTexts.has(tokenizer.tokenText(id)))
  if (more.length > 2)
    throw refusal(file, `${config.eosTokenIds.length} tokens end a text; a GGUF file has keys for three`)
  const named = (name: string) => tokenizer.specialTokens.get(tokenizer.namedTokens.get(name) ?? '')
  const plain = tokenizer.encode('x')
  const all = tokenizer.encode('x', { addSpecialTokens: true })
  const ids = {
    bos_token_id: bos,
    eos_token_id: eos,
    eot_token_id: more[0],
    eom_token_id: more[1],
    unknown_token_id: named('unk_token'),
    padding_token_id: named('pad_token'),
  }
  return {
    ...Object.fromEntries(
      Object.entries(ids).filter((entry): entry is [string, number] => entry[1] !== undefined),
    ),
    add_bos_token: tokenizer.addBos,
    add_eos_token: all.length > plain.length + (tokenizer.addBos ? 1 : 0),
  }
}

/** Texts on which rules that cut words or rewrite characters differ. */
const tellingTexts = [
  'Hello world, it is 12345 and 3.14',
  ' two  spaces   three\n\n\ttab \r\n end ',
  "It's we'll THEY'RE don't I'D",
  'na\u00efve cafe\u0301 \u65e5\u672c\u8a9e \u{1f469}\u200d\u{1f467} \u00a0x \u0b05\u0bc1',
  '\ufb01 \u2460 \u00bd \u00b2 \uff21 \u212b \u0130 \u01c4 \u2581a\u2581\u2581b',
  'def f(x):\n    return x**2  # !!??--==',
  '',
]

/**
 * @param isComposed whether the tokenizer composes characters, which what is written does not
 * @throws TOKENIZER where what is written would be read as another tokenizer
 */
function compare(tokenizer: Tokenizer, keys: Keys, file: string, isComposed: boolean): void {
  const written = tokenizerFromGguf(file, new Map(Object.entries(keys)))
  const hold = (text: string, parseSpecial: boolean) => {
    const options = { addSpecialTokens: true, parseSpecial }
    const [want, found] = [tokenizer.encode(text, options), written.encode(text, options)]
    if (isSame(want, found)) return
    throw refusal(
      file,
      `${shown(text)} is ${shown(want)}, and would be ${shown(found)} by the rules of a GGUF file`,
    )
  }
  // llama.cpp puts a space before pieces at the beginning and after each special token, where some tokenizers put none.
  const texts = isComposed ? tellingTexts.map(text => text.normalize('NFC')) : tellingTexts
  for (const text of texts) hold(keys.model === 'gpt2' ? text : text.trimStart(), false)
  if (keys.model === 'gpt2')
    hold([...tokenizer.specialTokens.keys()].map(text => `a${text} b`).join(' '), true)
}

function refusal(file: string, what: string): MtLlamaError {
  return new MtLlamaError(
    'TOKENIZER',
    `${basename(file)}: ${what}. Only a Hugging Face directory can have this tokenizer`,
  )
}
