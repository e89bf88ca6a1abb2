// The tokenizer in the metadata of a GGUF file: byte-level BPE ('gpt2') or SentencePiece's pieces ('llama').

import { shown } from '../data/shown.ts'
import { type AddedToken, AddedTokenFinder } from './added-tokens.ts'
import { Bpe } from './bpe.ts'
import { byteLevelDecoder } from './decoder-json.ts'
import { Field } from './field.ts'
import { isControlText } from './gguf-texts.ts'
import { namedTokens } from './named-tokens.ts'
import { addedPieces, pieceType, tokenizerFromPieces } from './pieces.ts'
import { PipelineTokenizer } from './pipeline.ts'
import { gpt2Pattern, PreTokenizer } from './pre-tokenizer.ts'
import { translateRegex } from './regex.ts'
import { byteSymbols, wholeWords } from './symbols.ts'
import type { Tokenizer } from './tokenizer.ts'
import { addToken, mergeTable, splitMerge, type Vocabulary } from './vocabulary.ts'

/** The pattern of cl100k_base and its kin. @param numbers the pattern of digits that stay together */
const wordPattern = (numbers: string) =>
  `(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|${numbers}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+`

interface WordRule {
  /** Patterns, each of which cuts the words of the one before. */
  patterns: string[]
  ignoreMerges: boolean
  /** Whether BOS goes first where tokenizer.ggml.add_bos_token does not say. */
  addsBos: boolean
  /** Whether the tokenizers that have the rule compose characters before (NFC). llama.cpp, and so this reader, does not. */
  isComposed: boolean
}

const plain = { ignoreMerges: false, addsBos: false, isComposed: false }
const gpt2: WordRule = { ...plain, patterns: [gpt2Pattern] }
const singleDigits: WordRule = { ...plain, patterns: ['\\p{N}', gpt2Pattern] }
const llama3: WordRule = {
  ...plain,
  patterns: [wordPattern('\\p{N}{1,3}')],
  ignoreMerges: true,
  addsBos: true,
}
const qwen2: WordRule = { ...plain, patterns: [wordPattern('\\p{N}')], isComposed: true }

/** How text is cut into words, by llama.cpp's name for it (tokenizer.ggml.pre). */
export const wordRules: Readonly<Record<string, WordRule>> = {
  'gpt-2': gpt2,
  smollm: singleDigits,
  starcoder: singleDigits,
  refact: singleDigits,
  'llama-bpe': llama3,
  llama3,
  'llama-v3': llama3,
  falcon3: llama3,
  'falcon-h1': llama3,
  pixtral: llama3,
  'midm-2.0': llama3,
  lfm2: llama3,
  qwen2,
  'deepseek-r1-qwen': { ...qwen2, isComposed: false },
}

/** Whether a text gets BOS where tokenizer.ggml.add_bos_token does not say, as llama.cpp decides it. */
export function addsBosByDefault(model: unknown, pre: unknown): boolean {
  if (model === 'llama') return true
  return typeof pre === 'string' && Object.hasOwn(wordRules, pre) && wordRules[pre]!.addsBos
}

/**
 * @param metadata tokenizer.ggml.* without that prefix
 * @throws TOKENIZER naming the file and the key
 */
export function tokenizerFromGguf(file: string, metadata: ReadonlyMap<string, unknown>): Tokenizer {
  const root = new Field(file, 'tokenizer.ggml', Object.fromEntries(metadata))
  const model = root.get('model')
  if (model.string() === 'gpt2') return byteLevelTokenizer(root)
  if (model.string() === 'llama') return piecesTokenizer(root)
  throw model.error('gpt2 or llama')
}

function byteLevelTokenizer(root: Field): Tokenizer {
  const texts = readTexts(root)
  const types = readNumbers(root.get('token_type'), texts.length, pieceType.normal)
  const vocabulary: Vocabulary = { file: root.file, ids: new Map(), texts: new Map() }
  const added: AddedToken[] = []
  for (const [id, text] of texts.entries()) {
    const type = types(id)
    const byText = isControlText(text)
    const special = type === pieceType.control || type === pieceType.unknown || byText
    if (special || type === pieceType.userDefined) {
      added.push({
        id,
        content: text,
        special,
        singleWord: false,
        lstrip: false,
        rstrip: false,
        normalized: false,
      })
    }
    if (type === pieceType.normal) addToken(vocabulary, text, id, root.get('tokens').path)
  }
  const pre = root.get('pre')
  const rule = Object.hasOwn(wordRules, pre.string()) ? wordRules[pre.string()] : undefined
  if (rule === undefined) throw pre.error(`one of ${Object.keys(wordRules).join(', ')}`)
  const mergeField = root.get('merges')
  const merges = mergeField.items()
  const special = added.filter(token => token.special)
  const finder = new AddedTokenFinder(added)
  return new PipelineTokenizer({
    ...readEnds(root, texts, undefined, undefined),
    kind: 'gguf',
    vocabSize: texts.length,
    addsSpace: false,
    specialTokens: new Map(special.map(token => [token.content, token.id])),
    parsesSpecial: true,
    rawTokens: finder,
    normalizedTokens: new AddedTokenFinder([]),
    normalize: undefined,
    split: new PreTokenizer(rule.patterns.map(pattern => translateRegex(pattern, root.file))),
    bpe: new Bpe({
      merges: mergeTable(vocabulary, mergeField.path, merges.length, rank => splitMerge(merges[rank]!.value)),
      symbols: byteSymbols(vocabulary, undefined),
      wholeWord: rule.ignoreMerges ? wholeWords(vocabulary.ids, true) : undefined,
    }),
    ...byteLevelDecoder(id => texts[id], new Set(special.map(token => token.id))),
    tokenText: id => texts[id] ?? '',
  })
}

function piecesTokenizer(root: Field): Tokenizer {
  const texts = readTexts(root)
  const types = readNumbers(root.get('token_type'), texts.length, pieceType.normal)
  const scores = readNumbers(root.get('scores'), texts.length, 0)
  const pieces = texts.map((text, id) => ({ text, score: scores(id), type: types(id) }))
  return tokenizerFromPieces(pieces, {
    ...readEnds(root, texts, 1, 2),
    file: root.file,
    kind: 'gguf',
    byteFallback: pieces.some(piece => piece.type === pieceType.byte),
    mapCharacters: undefined,
    rawTokens: addedPieces(
      pieces,
      [pieceType.unknown, pieceType.control, pieceType.userDefined],
      isControlText,
    ),
    dummyPrefix: root.get('add_space_prefix').boolean(true) ? 'always' : 'never',
    removeExtraSpaces: false,
    unknownSurface: ' \u2047 ',
    parsesSpecial: true,
  })
}

/** The ids of BOS and EOS: those that the keys name, else those that llama.cpp assumes. */
function readEnds(
  root: Field,
  texts: readonly string[],
  usualBos: number | undefined,
  usualEos: number | undefined,
) {
  const read = (name: string, usual: number | undefined) => {
    const field = root.get(name)
    const id = field.missing ? usual : field.id()
    if (id === undefined || id < texts.length) return id
    throw field.error(`an id below ${texts.length}, the number of tokens`)
  }
  const bosTokenId = read('bos_token_id', usualBos)
  const eosTokenId = read('eos_token_id', usualEos)
  const textOf = (id: number | undefined) => (id === undefined ? undefined : texts[id])
  const asked = root.get('add_bos_token')
  const addsBos = addsBosByDefault(root.get('model').value, root.get('pre').value)
  const addBos = asked.missing ? addsBos && bosTokenId !== undefined : asked.boolean()
  if (addBos && bosTokenId === undefined)
    throw root.get('bos_token_id').error('an id, as add_bos_token is true')
  const addEos = root.get('add_eos_token').boolean(false)
  if (addEos && eosTokenId === undefined)
    throw root.get('eos_token_id').error('an id, as add_eos_token is true')
  return {
    bosTokenId,
    eosTokenId,
    addBos,
    namedTokens: namedTokens({ bos_token: textOf(bosTokenId), eos_token: textOf(eosTokenId) }),
    prefix: addBos ? [bosTokenId!] : [],
    suffix: addEos ? [eosTokenId!] : [],
  }
}

function readTexts(root: Field): string[] {
  return root
    .get('tokens')
    .items()
    .map(item => item.string())
}

/** Reads one number a token, from a list or a typed array. @param fallback every token's number where the key is absent */
function readNumbers(field: Field, length: number, fallback: number): (id: number) => number {
  if (field.missing) return () => fallback
  const values = field.value
  if (!Array.isArray(values) && !ArrayBuffer.isView(values)) throw field.error('a list of numbers')
  const list = values as unknown as ArrayLike<unknown>
  if (list.length !== length) throw field.error(`${length} numbers, one a token; it has ${list.length}`)
  for (let id = 0; id < length; id++) {
    if (typeof list[id] !== 'number') throw field.error(`numbers; entry ${id} is ${shown(list[id])}`)
  }
  return id => list[id] as number
}
