// BPE by score over SentencePiece's pieces, as a tokenizer.model or a GGUF file lists them.

import { shown } from '../data/shown.ts'
import { type AddedToken, AddedTokenFinder } from './added-tokens.ts'
import { Bpe } from './bpe.ts'
import { type Piece, PieceDecodeStream, type PieceRules } from './decoder.ts'
import { tokenizerError } from './field.ts'
import {
  inOneGo,
  inPieces,
  type Normalizer,
  normalizeInOrder,
  prepending,
  replacingCharacter,
} from './normalizer.ts'
import { PairTable } from './pair-table.ts'
import type { Pattern } from './pattern.ts'
import { type PipelineParts, PipelineTokenizer } from './pipeline.ts'
import { PreTokenizer } from './pre-tokenizer.ts'
import { characterSymbols, spaceCuts } from './symbols.ts'
import { bytesOfPieces, type Decoding } from './token-bytes.ts'
import type { Tokenizer } from './tokenizer.ts'
import { bytePiece, bytePieceText } from './vocabulary.ts'

/** SentencePiece's numbers for the kinds of piece; GGUF has them too. */
export const pieceType = { normal: 1, unknown: 2, control: 3, userDefined: 4, unused: 5, byte: 6 } as const

export interface ScoredPiece {
  text: string
  score: number
  type: number
}

export interface PieceSettings
  extends Pick<
    PipelineParts,
    'kind' | 'bosTokenId' | 'eosTokenId' | 'addBos' | 'namedTokens' | 'parsesSpecial' | 'suffix'
  > {
  file: string
  byteFallback: boolean
  /** The map that rewrites characters before anything else is done. */
  mapCharacters: Normalizer | undefined
  /**
   * Tokens that are cut out of the text before anything else looks at it; those with ids beyond the pieces are added to
   * them. User-defined pieces that are none of these are found in the normalised text, as sentencepiece does.
   */
  rawTokens: readonly AddedToken[]
  /** Whether a space is put before each stretch between `rawTokens`, or only before one that begins the whole text. */
  dummyPrefix: 'always' | 'first' | 'never'
  /** Whether the text is trimmed, and runs of spaces become one. */
  removeExtraSpaces: boolean
  /** The text that an unknown token decodes to. */
  unknownSurface: string
}

const space = '▁'
/** Every cut of a piece is looked up, so a long one would take for ever; sentencepiece makes them of 16 characters. */
const longestPiece = 1024

/** @throws TOKENIZER for pieces that cannot be told apart or used */
export function tokenizerFromPieces(pieces: readonly ScoredPiece[], settings: PieceSettings): Tokenizer {
  const { file, rawTokens, dummyPrefix } = settings
  const known = new Map<string, number>()
  for (const [id, { text, score, type }] of pieces.entries()) {
    if (type < 1 || type > 6)
      throw tokenizerError(file, `piece ${id} (${shown(text)}) has type ${type}; expected 1 to 6`)
    if (Number.isNaN(score))
      throw tokenizerError(file, `piece ${id} (${shown(text)}) has no number for a score`)
    if (type === pieceType.byte && bytePiece(text) < 0) {
      throw tokenizerError(file, `piece ${id} is ${shown(text)}; expected a byte such as <0x0A>`)
    }
    if (text.length > longestPiece) {
      throw tokenizerError(
        file,
        `piece ${id} has ${text.length} characters; expected at most ${longestPiece}`,
      )
    }
    if (type === pieceType.unused) continue
    if (known.has(text))
      throw tokenizerError(file, `pieces ${known.get(text)} and ${id} are both ${shown(text)}`)
    known.set(text, id)
  }
  const { bpe, cuts } = makeBpe(pieces, settings)
  const raw = new Map(rawTokens.map(token => [token.id, token]))
  const special = rawTokens.filter(token => token.special)
  const userDefined = addedPieces(pieces, [pieceType.userDefined]).filter(token => !raw.has(token.id))
  return new PipelineTokenizer({
    ...settings,
    vocabSize: rawTokens.reduce((size, { id }) => Math.max(size, id + 1), pieces.length),
    addsSpace: dummyPrefix !== 'never',
    specialTokens: new Map(special.map(token => [token.content, token.id])),
    rawTokens: new AddedTokenFinder(rawTokens),
    normalizedTokens: new AddedTokenFinder(userDefined),
    normalize: readNormalization(settings),
    split: new PreTokenizer(cuts === undefined ? [] : [cuts]),
    bpe,
    prefix: settings.addBos && settings.bosTokenId !== undefined ? [settings.bosTokenId] : [],
    ...decoder(pieces, raw, settings),
    tokenText: id => pieces[id]?.text ?? raw.get(id)?.content ?? '',
  })
}

/** Makes the steps before a text is cut: characters are mapped, spaces trimmed, one is put before it, all are spelt as ▁. */
function readNormalization({ file, mapCharacters, removeExtraSpaces, dummyPrefix }: PieceSettings) {
  const steps = mapCharacters === undefined ? [] : [mapCharacters]
  if (removeExtraSpaces)
    steps.push(
      inPieces(text => text.replace(/ +/g, ' '), endOfSpaces),
      inOneGo(text => text.replace(/^ | $/g, '')),
    )
  const source = { file, path: 'the space before a text' }
  steps.push(replacingCharacter(' ', space, source))
  if (dummyPrefix !== 'never') steps.push(prepending(space, dummyPrefix === 'first', source))
  // A ▁ of the text itself counts as a space at the end, and nowhere else.
  if (removeExtraSpaces) steps.push(inOneGo(withoutLastSpaces))
  return normalizeInOrder(steps)
}

function endOfSpaces(text: string, at: number): number {
  let end = at
  while (end < text.length && text[end] === ' ') end++
  return Math.min(end, text.length)
}

function withoutLastSpaces(text: string): string {
  let end = text.length
  while (text.endsWith(space, end)) end--
  return text.slice(0, end)
}

/**
 * The pieces of some types as tokens to find in a text; all but user-defined ones are special.
 * @param isControl whether a piece is a control one by its text
 */
export function addedPieces(
  pieces: readonly ScoredPiece[],
  types: readonly number[],
  isControl = (_: string) => false,
): AddedToken[] {
  const flags = { singleWord: false, lstrip: false, rstrip: false, normalized: false }
  return pieces.flatMap(({ text, type }, id) => {
    const byText = isControl(text)
    const special = type !== pieceType.userDefined || byText
    return types.includes(type) || byText ? [{ ...flags, id, content: text, special }] : []
  })
}

/** Makes the merges: two neighbours merge where their texts together are a piece, and the best score goes first. */
function makeBpe(
  pieces: readonly ScoredPiece[],
  { file, byteFallback }: PieceSettings,
): { bpe: Bpe; cuts: Pattern | undefined } {
  const ids = new Map<string, number>()
  const bytes = new Map<string, number>()
  for (const [id, { text, type }] of pieces.entries()) {
    if (type === pieceType.normal) ids.set(text, id)
    if (type === pieceType.byte) bytes.set(bytePieceText(bytePiece(text)), id)
  }
  if (byteFallback && bytes.size < 256) {
    throw tokenizerError(file, `falls back on bytes, and has pieces of type byte for ${bytes.size} of 256`)
  }
  const normal = [...ids]
  const unknown = pieces.findIndex(piece => piece.type === pieceType.unknown)
  const options = { byteFallback, unknown: unknown < 0 ? undefined : unknown, fuseUnknown: true }
  const spell = characterSymbols(new Map([...bytes, ...normal]), options)
  const loose = looseCharacters(ids, pieces.length)
  const respell = (id: number, out: number[], first: number) => {
    const inUnknown = out.length > first && out.at(-1) === unknown
    if (id >= pieces.length) spell(loose[id - pieces.length]!, out, inUnknown)
    else if (id !== unknown || !inUnknown) out.push(id)
  }
  const bpe = new Bpe({
    merges: pairsOf(normal, ids, pieces),
    symbols: loose.length === 0 ? spell : characterSymbols(new Map([...bytes, ...ids]), options),
    finish: loose.length === 0 ? undefined : respell,
  })
  return { bpe, cuts: byteFallback ? spaceCuts(normal.map(([text]) => text)) : undefined }
}

/** Characters that are part of pieces and none themselves get ids beyond the vocabulary, under which they merge. */
function looseCharacters(ids: Map<string, number>, vocabSize: number): string[] {
  const loose: string[] = []
  for (const text of [...ids.keys()]) {
    for (const character of text) {
      if (ids.has(character)) continue
      ids.set(character, vocabSize + loose.length)
      loose.push(character)
    }
  }
  return loose
}

/** Lists every way to put a piece together from two; pieces of equal score have one rank, so the leftmost goes first. */
function pairsOf(
  normal: readonly [text: string, id: number][],
  ids: ReadonlyMap<string, number>,
  pieces: readonly ScoredPiece[],
): PairTable {
  const pairs: [left: number, right: number, merged: number][] = []
  for (const [text, id] of normal) {
    for (let cut = 1; cut < text.length; cut++) {
      const left = ids.get(text.slice(0, cut))
      const right = left === undefined ? undefined : ids.get(text.slice(cut))
      if (right !== undefined) pairs.push([left!, right, id])
    }
  }
  const scores = [...new Set(pairs.map(([, , id]) => pieces[id]!.score))].sort((a, b) => b - a)
  const ranks = new Map(scores.map((score, rank) => [score, rank]))
  const table = new PairTable(pairs.length)
  for (const [left, right, id] of pairs) table.set(left, right, ranks.get(pieces[id]!.score)!, id)
  return table
}

function decoder(
  pieces: readonly ScoredPiece[],
  raw: ReadonlyMap<number, AddedToken>,
  { dummyPrefix, removeExtraSpaces, unknownSurface }: PieceSettings,
): Decoding {
  const decoded: Piece[] = pieces.map(({ text, type }) => {
    if (type === pieceType.byte) return { byte: bytePiece(text) }
    if (type === pieceType.unknown) return { text: unknownSurface }
    return { text }
  })
  for (const { id, content, special } of raw.values()) decoded[id] = { text: content, control: special }
  const leading: PieceRules['leading'] = removeExtraSpaces
    ? { rule: 'extra' }
    : dummyPrefix === 'never'
      ? { rule: 'text', count: 0 }
      : { rule: 'dummy-prefix' }
  // It has no text of its own, and still ends a run of bytes.
  const silent: Piece = { text: '', control: true }
  const rules = { space, brokenRun: 'broken', leading } as const
  const ofText = (id: number) => (pieces[id]?.type === pieceType.unknown ? undefined : decoded[id])
  return {
    newDecodeStream: skipSpecialTokens =>
      new PieceDecodeStream({
        ...rules,
        pieceOf: id => (skipSpecialTokens && raw.get(id)?.special ? silent : decoded[id]),
      }),
    tokenBytes: bytesOfPieces({ ...rules, pieceOf: ofText }),
  }
}
