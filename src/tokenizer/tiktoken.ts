// Reads tiktoken's form of tokenizer.model, as Meta ships it with LLaMA 3: a line for each token of a byte-level vocabulary,
// with its bytes in base64 and its rank. The rule that cuts words and the special tokens are not in the file: they are
// those of LLaMA 3 (models/llama3/tokenizer.py of llama-models).
import { shown } from '../data/shown.ts'
import { type AddedToken, AddedTokenFinder } from './added-tokens.ts'
import { withDeclared } from './added-vocabulary.ts'
import { Bpe } from './bpe.ts'
import { byteCharacters } from './byte-level.ts'
import { byteLevelDecoder } from './decoder-json.ts'
import { tokenizerError } from './field.ts'
import { wordRules } from './gguf.ts'
import { namedTokens } from './named-tokens.ts'
import { PairTable } from './pair-table.ts'
import { PipelineTokenizer } from './pipeline.ts'
import { PreTokenizer } from './pre-tokenizer.ts'
import { translateRegex } from './regex.ts'
import type { TokenizerSettings } from './settings.ts'
import { byteSymbols, wholeWords } from './symbols.ts'
import type { Tokenizer } from './tokenizer.ts'
import { addToken, type Vocabulary, vocabularySize } from './vocabulary.ts'

/** LLaMA 3's file has 2 MiB. One far beyond is made to take long: every way to cut a token in two is looked up. */
const MAX_BYTES = 4 * 2 ** 20

/** LLaMA 3's longest token has so many. */
const MAX_TOKEN_BYTES = 128

/** LLaMA 3's vocabulary without special tokens. A larger one is another, as LLaMA 4's, whose words are cut by another rule. */
const MAX_TOKENS = 128_000

/** llama.cpp's name of the rule that cuts LLaMA 3's words. */
export const tiktokenRule = 'llama-bpe'

const beginOfText = '<|begin_of_text|>'
const endOfText = '<|end_of_text|>'

/**
 * The special tokens that have a meaning, by their place after the vocabulary; those between them are reserved. Named as in
 * LLaMA 3.1 and later: in 3, the places 4, 8 and 10 are reserved too, so that the numbers of those after them are higher.
 */
const specialPlaces: Readonly<Record<number, string>> = {
  0: beginOfText,
  1: endOfText,
  4: '<|finetune_right_pad_id|>',
  6: '<|start_header_id|>',
  7: '<|end_header_id|>',
  8: '<|eom_id|>',
  9: '<|eot_id|>',
  10: '<|python_tag|>',
}
const SPECIAL_TOKENS = 256

/** Whether a tokenizer.model begins as text, and not as the protobuf of SentencePiece, whose first byte is a control character. */
export function isTiktoken(bytes: Buffer): boolean {
  return /^[\x20-\x7e][\t\r\n\x20-\x7e]*$/.test(bytes.toString('latin1', 0, 8))
}

/**
 * Gives the ids that tiktoken gives: of all pairs side by side that are a token together, that of the lowest rank is merged
 * first. Special tokens written in a text are plain text by default, as Meta's code encodes them.
 * @param settings what the files beside it say; tokens that they declare take the place of LLaMA 3's
 * @throws TOKENIZER naming the file and the line
 */
export function tokenizerFromTiktoken(
  file: string,
  bytes: Buffer,
  settings: TokenizerSettings | undefined,
): Tokenizer {
  const texts = readRanks(file, bytes)
  const model: Vocabulary = { file, ids: new Map(), texts: new Map() }
  for (const [id, text] of texts.entries()) addToken(model, text, id, 'a line')
  const vocabulary = { file, ids: new Map(model.ids), texts: new Map(model.texts) }
  const own = settings?.declaresMore === true ? [] : specialTokens(texts.length)
  for (const { content, id } of own) addToken(vocabulary, content, id, 'a special token of LLaMA 3')
  const added = withDeclared(own, settings?.declared ?? [], vocabulary, texts.length)
  const special = added.filter(token => token.special)
  const end = (said: string | null | undefined, usual: string) =>
    said === null ? undefined : vocabulary.ids.get(said ?? usual)
  const bosTokenId = end(settings?.bos, beginOfText)
  const eosTokenId = end(settings?.eos, endOfText)
  const addBos = bosTokenId !== undefined && settings?.addBos !== false
  const textOf = (id: number | undefined) => (id === undefined ? undefined : vocabulary.texts.get(id))
  return new PipelineTokenizer({
    kind: 'tokenizer.model',
    vocabSize: vocabularySize(vocabulary),
    ...{ bosTokenId, eosTokenId, addBos },
    addsSpace: false,
    specialTokens: new Map(special.map(token => [token.content, token.id])),
    namedTokens: namedTokens(
      { bos_token: textOf(bosTokenId), eos_token: textOf(eosTokenId) },
      settings?.named,
    ),
    parsesSpecial: settings?.declaresMore === true && !settings.splitsSpecial,
    rawTokens: new AddedTokenFinder(added),
    normalizedTokens: new AddedTokenFinder([]),
    normalize: undefined,
    split: new PreTokenizer(wordRules[tiktokenRule]!.patterns.map(pattern => translateRegex(pattern, file))),
    bpe: new Bpe({
      merges: pairTable(texts, model.ids),
      symbols: byteSymbols(model, undefined),
      wholeWord: wholeWords(model.ids, true),
    }),
    prefix: addBos ? [bosTokenId] : [],
    suffix: settings?.addEos && eosTokenId !== undefined ? [eosTokenId] : [],
    ...byteLevelDecoder(id => vocabulary.texts.get(id), new Set(special.map(token => token.id))),
    tokenText: id => vocabulary.texts.get(id) ?? '',
  })
}

/**
 * The tokens by their ranks, which are their ids, spelt in GPT-2's byte alphabet.
 * @throws TOKENIZER for a line that is none, and for ranks that are not 0, 1, 2 and so on, each once
 */
export function readRanks(file: string, bytes: Buffer): string[] {
  if (bytes.length > MAX_BYTES)
    throw tokenizerError(file, `has ${bytes.length} bytes; a tiktoken vocabulary has at most ${MAX_BYTES}`)
  const byRank = new Map<number, { text: string; line: number }>()
  const lineOf = new Map<string, number>()
  for (const [index, content] of bytes.toString('latin1').split('\n').entries()) {
    if (content.trim() === '') continue
    const line = index + 1
    const { text, rank } = readLine(file, line, content.trim())
    const [sameRank, sameText] = [byRank.get(rank)?.line, lineOf.get(text)]
    if (sameRank !== undefined)
      throw tokenizerError(file, `line ${line}: rank ${rank} is that of line ${sameRank} too`)
    if (sameText !== undefined)
      throw tokenizerError(file, `line ${line}: the token ${shown(text)} is that of line ${sameText} too`)
    byRank.set(rank, { text, line })
    lineOf.set(text, line)
  }
  const texts = Array.from({ length: byRank.size }, (_, rank) => {
    const found = byRank.get(rank)
    if (found !== undefined) return found.text
    const [highest, { line }] = [...byRank].reduce((a, b) => (a[0] > b[0] ? a : b))
    throw tokenizerError(
      file,
      `line ${line} has rank ${highest}, but no line has rank ${rank}; ranks are ids, and ${byRank.size} tokens have 0 to ${byRank.size - 1}`,
    )
  })
  for (const [byte, character] of byteCharacters.entries())
    if (!lineOf.has(character))
      throw tokenizerError(
        file,
        `no line has the byte 0x${byte.toString(16).padStart(2, '0')} alone, which some texts need`,
      )
  return texts
}

function readLine(file: string, line: number, content: string): { text: string; rank: number } {
  const [, base64, digits] = /^(\S+)[ \t]+(\d+)$/.exec(content) ?? []
  if (base64 === undefined)
    throw tokenizerError(
      file,
      `line ${line} is ${shown(content)}; expected a token in base64 and its rank, for a file of text is tiktoken's, not SentencePiece's`,
    )
  const token = Buffer.from(base64, 'base64')
  // Node passes over what is no base64; written again, only a token that was right is the same.
  if (token.length === 0 || token.toString('base64') !== base64)
    throw tokenizerError(file, `line ${line}: ${shown(base64)} is no base64`)
  if (token.length > MAX_TOKEN_BYTES)
    throw tokenizerError(
      file,
      `line ${line}: a token of ${token.length} bytes; at most ${MAX_TOKEN_BYTES} are read`,
    )
  const rank = Number(digits)
  if (rank >= MAX_TOKENS)
    throw tokenizerError(
      file,
      `line ${line}: rank ${digits}; LLaMA 3 has ${MAX_TOKENS} tokens, and of a larger vocabulary the rule that cuts words is not known`,
    )
  let text = ''
  for (const byte of token) text += byteCharacters[byte]
  return { text, rank }
}

function specialTokens(first: number): AddedToken[] {
  let reserved = 0
  return Array.from({ length: SPECIAL_TOKENS }, (_, place) => ({
    id: first + place,
    content: specialPlaces[place] ?? `<|reserved_special_token_${reserved++}|>`,
    special: true,
    ...{ singleWord: false, lstrip: false, rstrip: false, normalized: false },
  }))
}

/** The ids of the two halves and of the whole for every way to cut a token into two others, by the rank of the whole. */
function* cuts(
  texts: readonly string[],
  ids: ReadonlyMap<string, number>,
): Generator<[number, number, number]> {
  for (const [whole, text] of texts.entries())
    for (let at = 1; at < text.length; at++) {
      const left = ids.get(text.slice(0, at))
      const right = left === undefined ? undefined : ids.get(text.slice(at))
      if (right !== undefined) yield [left!, right, whole]
    }
}

function pairTable(texts: readonly string[], ids: ReadonlyMap<string, number>): PairTable {
  const found = [...cuts(texts, ids)]
  const table = new PairTable(found.length)
  for (const [left, right, whole] of found) table.set(left, right, whole, whole)
  return table
}

/**
 * The merges of a tokenizer.json, or of a GGUF file, that give the same ids: those of one token by the ranks of their halves,
 * as transformers' TikTokenConverter has them.
 */
export function tiktokenMerges(texts: readonly string[]): [left: string, right: string][] {
  const found = [...cuts(texts, new Map(texts.map((text, id) => [text, id])))]
  found.sort((a, b) => a[2] - b[2] || a[0] - b[0] || a[1] - b[1])
  return found.map(([left, right]) => [texts[left]!, texts[right]!])
}
