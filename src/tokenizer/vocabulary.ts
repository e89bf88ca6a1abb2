// The tokens of a BPE vocabulary and its merges, read and checked.
import { shown } from '../data/shown.ts'
import { tokenizerError } from './field.ts'
import { PairTable } from './pair-table.ts'

export interface Vocabulary {
  file: string
  ids: Map<string, number>
  /** The tokens' texts by their ids, in a Map since a file of some kilobytes may name ids of millions. */
  texts: Map<number, string>
}

/** Enters a token. @throws TOKENIZER where the id or the text is taken by another */
export function addToken(vocabulary: Vocabulary, text: string, id: number, field: string): void {
  const { file, ids, texts } = vocabulary
  const before = texts.get(id)
  if (before !== undefined && before !== text) {
    throw tokenizerError(file, `${field}: id ${id} is given to ${shown(text)} and to ${shown(before)}`)
  }
  const other = ids.get(text)
  if (other !== undefined && other !== id) {
    throw tokenizerError(file, `${field}: ${shown(text)} has the ids ${other} and ${id}`)
  }
  ids.set(text, id)
  texts.set(id, text)
}

/** The number of ids: one more than the largest. */
export function vocabularySize({ texts }: Vocabulary): number {
  let size = 0
  for (const id of texts.keys()) size = Math.max(size, id + 1)
  return size
}

/** The left and the right text of the merge at a rank; undefined where the file has no pair of texts there. */
export type MergePair = readonly [string, string] | undefined

/** Makes the table of merges. @throws TOKENIZER where one is no pair, or names a token that is not there */
export function mergeTable(
  vocabulary: Vocabulary,
  field: string,
  count: number,
  pairAt: (rank: number) => MergePair,
): PairTable {
  const { ids, file } = vocabulary
  const table = new PairTable(count)
  for (let rank = 0; rank < count; rank++) {
    const pair = pairAt(rank)
    if (pair === undefined) throw tokenizerError(file, `${field}[${rank}] is not a pair of tokens`)
    const left = ids.get(pair[0])
    const right = ids.get(pair[1])
    const merged = ids.get(pair[0] + pair[1])
    if (left === undefined || right === undefined || merged === undefined) {
      const absent = left === undefined ? pair[0] : right === undefined ? pair[1] : pair[0] + pair[1]
      throw tokenizerError(
        file,
        `${field}[${rank}] (${shown(pair[0])}, ${shown(pair[1])}) needs ${shown(absent)}, which is not in the vocabulary`,
      )
    }
    table.set(left, right, rank, merged)
  }
  return table
}

/** Parses a merge that is written 'a b'. */
export function splitMerge(merge: unknown): MergePair {
  if (typeof merge !== 'string') return undefined
  const space = merge.indexOf(' ')
  if (space < 0 || merge.indexOf(' ', space + 1) >= 0) return undefined
  return [merge.slice(0, space), merge.slice(space + 1)]
}

/** The byte that a piece of the form <0x0A> stands for; -1 for other pieces. */
export function bytePiece(text: string): number {
  return /^<0x[\da-fA-F]{2}>$/.test(text) ? Number.parseInt(text.slice(3, 5), 16) : -1
}

/** Spells a byte as a piece of the form <0x0A>. */
export function bytePieceText(byte: number): string {
  return `<0x${byte.toString(16).toUpperCase().padStart(2, '0')}>`
}
