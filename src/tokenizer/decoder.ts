// Turns ids into text, one id at a time. A whole text is decoded the same way, so both agree.
import { isUtf8 } from 'node:buffer'
import type { DecodeStream } from './tokenizer.ts'
import { characterLength, replacementCharacter, unfinishedBytes } from './utf8.ts'

/** Gives the bytes that an id of a byte-level vocabulary stands for; undefined for an id that is left out. */
export type BytesOf = (id: number) => Buffer | undefined

/** Decodes tokens that are bytes: text appears as soon as its characters are whole. */
export class ByteDecodeStream implements DecodeStream {
  readonly #bytesOf: BytesOf
  #rest: Buffer = Buffer.alloc(0)

  constructor(bytesOf: BytesOf) {
    this.#bytesOf = bytesOf
  }

  push(id: number): string {
    const token = this.#bytesOf(id)
    if (token === undefined) return ''
    const bytes = this.#rest.length === 0 ? token : Buffer.concat([this.#rest, token])
    const certain = bytes.length - unfinishedBytes(bytes)
    this.#rest = bytes.subarray(certain)
    return bytes.toString('utf8', 0, certain)
  }

  pending(): string {
    return this.#rest.toString('utf8')
  }

  end(): string {
    const text = this.pending()
    this.#rest = Buffer.alloc(0)
    return text
  }
}

/** How the ids of a SentencePiece-like vocabulary become text. */
export type Piece = { text: string; control?: boolean } | { byte: number }

export interface PieceRules {
  /** Gives the piece of an id; undefined for an id that is left out. */
  pieceOf(id: number): Piece | undefined
  /** The character that stands for a space in a piece. */
  space: string
  /**
   * What a run of byte pieces that is not UTF-8 becomes: U+FFFD for every byte of the run, as in the tokenizers library's
   * ByteFallback, so that nothing of a run is certain before it ends; or for the undecodable bytes alone, as in sentencepiece.
   */
  brokenRun: 'all' | 'broken'
  /**
   * The spaces taken from the front: `text` up to `count` of the whole text (decoder Strip), `first-piece` all of
   * the first piece (Metaspace), `dummy-prefix` the one of the first piece, `extra` one of each piece before any text (sentencepiece).
   */
  leading: { rule: 'text'; count: number } | { rule: 'first-piece' | 'dummy-prefix' | 'extra' }
}

/** Decodes tokens that are pieces of text with a visible space, or single bytes. */
export class PieceDecodeStream implements DecodeStream {
  readonly #rules: PieceRules
  #run: number[] = []
  #begun = false
  #toStrip: number

  constructor(rules: PieceRules) {
    this.#rules = rules
    this.#toStrip = rules.leading.rule === 'text' ? rules.leading.count : 0
  }

  push(id: number): string {
    const piece = this.#rules.pieceOf(id)
    if (piece === undefined) return ''
    if ('byte' in piece) {
      this.#run.push(piece.byte)
      return this.#rules.brokenRun === 'all' ? '' : this.#strip(this.#certainOfRun())
    }
    const before = this.end()
    return before + this.#strip(this.#textOf(piece))
  }

  pending(): string {
    const text = this.#rules.brokenRun === 'all' ? wholeRun(this.#run) : lossyRun(this.#run)
    return text.slice(this.#spacesToStrip(text))
  }

  end(): string {
    const text = this.#rules.brokenRun === 'all' ? wholeRun(this.#run) : lossyRun(this.#run)
    this.#run = []
    return this.#strip(text)
  }

  #certainOfRun(): string {
    const certain = this.#run.length - unfinishedBytes(this.#run)
    return lossyRun(this.#run.splice(0, certain))
  }

  #textOf(piece: { text: string; control?: boolean }): string {
    const { space, leading } = this.#rules
    let text = piece.text
    if (!this.#begun && !piece.control && leading.rule !== 'text') {
      if (leading.rule === 'first-piece') text = text.replaceAll(space, '')
      else if (text.startsWith(space)) text = text.slice(space.length)
      this.#begun = leading.rule !== 'extra' || text !== ''
    }
    return text.replaceAll(space, ' ')
  }

  #strip(text: string): string {
    const start = this.#spacesToStrip(text)
    this.#toStrip -= start
    if (start < text.length) {
      this.#toStrip = 0
      this.#begun = true
    }
    return text.slice(start)
  }

  #spacesToStrip(text: string): number {
    let start = 0
    while (start < this.#toStrip && text[start] === ' ') start++
    return start
  }
}

function wholeRun(run: number[]): string {
  const bytes = Buffer.from(run)
  return isUtf8(bytes) ? bytes.toString('utf8') : replacementCharacter.repeat(run.length)
}

/** Decodes valid characters, and makes U+FFFD of every byte that is part of none. */
function lossyRun(run: number[]): string {
  let text = ''
  const bytes = Buffer.from(run)
  for (let at = 0; at < run.length; ) {
    const length = characterLength(run, at)
    text += length > 0 ? bytes.toString('utf8', at, at + length) : replacementCharacter
    at += Math.max(1, length)
  }
  return text
}
