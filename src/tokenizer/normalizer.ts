// Rewriting text before it is cut: the normalizer of tokenizer.json.
import { type Slices, sliceItems } from '../calls/slices.ts'
import { endOfCharacter, spaceEnd, spaceStart } from './characters.ts'
import type { Field } from './field.ts'
import { readPattern } from './pre-tokenizer.ts'

/** Called on each stretch of text between added tokens. @param atStart whether it begins the whole text */
export type Normalizer = (text: string, atStart: boolean) => Slices<string>

/**
 * @param prependsAtStart whether Prepend is for the beginning of the text alone
 * @throws TOKENIZER for a kind that is not known here
 */
export function readNormalizer(field: Field, prependsAtStart: boolean): Normalizer | undefined {
  if (field.missing) return undefined
  const type = field.get('type').string()
  switch (type) {
    case 'Sequence': {
      const steps = field
        .get('normalizers')
        .items()
        .map(step => readNormalizer(step, prependsAtStart))
      return function* (text, atStart) {
        let done = text
        for (const step of steps) if (step !== undefined) done = yield* step(done, atStart)
        return done
      }
    }
    case 'Prepend': {
      const prefix = field.get('prepend').string()
      return atOnce((text, atStart) => (text === '' || (prependsAtStart && !atStart) ? text : prefix + text))
    }
    case 'Replace': {
      const pattern = readPattern(field.get('pattern'))
      const content = field.get('content').string()
      return text => pattern.replace(text, content)
    }
    case 'NFC':
    case 'NFD':
    case 'NFKC':
    case 'NFKD':
      return inPieces(text => text.normalize(type), endOfNormalPiece)
    case 'Lowercase':
      // Character by character: of a whole word JavaScript would make a final sigma, which Rust does not.
      return inPieces(
        text => text.replace(/\p{Changes_When_Lowercased}/gu, c => c.toLowerCase()),
        endOfCharacter,
      )
    case 'Strip': {
      const left = field.get('strip_left').boolean()
      const right = field.get('strip_right').boolean()
      return atOnce(text => {
        const start = left ? spaceEnd(text, 0) : 0
        return text.slice(start, right ? spaceStart(text, text.length, start) : text.length)
      })
    }
    default:
      throw field.get('type').error('Sequence, Prepend, Replace, NFC, NFD, NFKC, NFKD, Lowercase or Strip')
  }
}

/** Whether a text gets something put before it: then a lone continuation has a space of its own already. */
export function prepends(field: Field): boolean {
  if (field.missing) return false
  const type = field.get('type').string()
  return type === 'Prepend' || (type === 'Sequence' && field.get('normalizers').items().some(prepends))
}

function atOnce(rewrite: (text: string, atStart: boolean) => string): Normalizer {
  // biome-ignore lint/correctness/useYield: it is done in one slice
  return function* (text, atStart) {
    return rewrite(text, atStart)
  }
}

/** @param endOf the first place at or after another where the text may be cut without changing what becomes of it */
function inPieces(
  rewrite: (text: string) => string,
  endOf: (text: string, at: number) => number,
): Normalizer {
  return function* (text) {
    if (text.length <= sliceItems) return rewrite(text)
    let out = ''
    for (let start = 0; start < text.length; ) {
      const end = endOf(text, start + sliceItems)
      out += rewrite(text.slice(start, end))
      start = end
      yield
    }
    return out
  }
}

/**
 * Before a character that no normalisation form joins to what precedes it. That holds for more than the ASCII letters,
 * ideographs and Hangul syllables looked for here; a text without any of them is one piece.
 */
function endOfNormalPiece(text: string, at: number): number {
  const starter = /[\0-\x7f\u3400-\u9fff\uac00-\ud7a3]/g
  starter.lastIndex = at
  return starter.exec(text)?.index ?? text.length
}
