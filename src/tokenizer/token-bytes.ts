// The bytes that tokens add to a text, as the decode streams put them together.
import type { BytesOf, Piece, PieceRules } from './decoder.ts'
import type { DecodeStream } from './tokenizer.ts'

export interface TokenBytes {
  /** What a token adds to a text that has begun; undefined for a special token, and for an id without text. */
  of(id: number): Uint8Array | undefined
  /** Spaces that a text loses at its front, as far as it has them. */
  readonly leadingSpaces: number
  /** Whether a text that begins with the token loses other spaces than those. */
  losesMore(id: number): boolean
}

/** The two ways from ids to text. */
export interface Decoding {
  newDecodeStream(skipSpecialTokens: boolean): DecodeStream
  tokenBytes: TokenBytes
}

/** @param bytesOf undefined for special tokens too */
export function bytesOfBytes(bytesOf: BytesOf): TokenBytes {
  const of = (id: number) => nonEmpty(bytesOf(id))
  return { of, leadingSpaces: 0, losesMore: () => false }
}

/** @param rules pieceOf() gives undefined for special tokens too */
export function bytesOfPieces({ pieceOf, space, leading }: Omit<PieceRules, 'brokenRun'>): TokenBytes {
  const of = (id: number) => {
    const piece = pieceOf(id)
    return piece && nonEmpty(bytesOfPiece(piece, space, leading.rule === 'text'))
  }
  const textOf = (id: number) => {
    const piece = pieceOf(id)
    return piece && 'text' in piece ? piece.text.replaceAll(space, ' ') : ''
  }
  switch (leading.rule) {
    case 'text':
      return { of, leadingSpaces: leading.count, losesMore: () => false }
    case 'first-piece':
      return { of, leadingSpaces: 1, losesMore: id => textOf(id).includes(' ', 1) }
    case 'dummy-prefix':
      return { of, leadingSpaces: 1, losesMore: () => false }
    case 'extra':
      // After a piece that is one space the next one loses its space too.
      return { of, leadingSpaces: 1, losesMore: id => textOf(id) === ' ' }
  }
}

/** @param stripsBytes whether a space in the form of a byte is lost at the front as other spaces are */
function bytesOfPiece(piece: Piece, space: string, stripsBytes: boolean): Buffer | undefined {
  if ('text' in piece) return piece.control ? undefined : Buffer.from(piece.text.replaceAll(space, ' '))
  // A vocabulary has a piece for a space, so that nothing is missed without its byte.
  return piece.byte === 0x20 && !stripsBytes ? undefined : Buffer.of(piece.byte)
}

function nonEmpty(bytes: Buffer | undefined): Uint8Array | undefined {
  return bytes && bytes.length > 0 ? bytes : undefined
}
