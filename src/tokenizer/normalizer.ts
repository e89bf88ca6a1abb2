// Rewriting text before it is cut: the normalizer of tokenizer.json.
import { type Slices, sliceItems } from '../calls/slices.ts'
import { endOfCharacter, spaceEnd, spaceStart } from './characters.ts'
import type { Field } from './field.ts'
import { checkGrowth, type Source } from './growth.ts'
import { literalRegex, type Parts, type Pattern } from './pattern.ts'
import { readPattern } from './regex.ts'

/**
 * Rewrites each stretch of text between added tokens. `atStart` tells whether the stretch begins the whole text, and
 * `maxLength` how many characters it may have afterwards; only steps that can make many characters of few look at it.
 */
export interface Normalizer {
  /** Rewrites a text that is a slice of work. @throws TOKENIZER where it grows beyond maxLength */
  atOnce(text: string, atStart: boolean, maxLength: number): string
  /** Rewrites a text of any length, a slice of work at a time. */
  inSlices(text: string, atStart: boolean, maxLength: number): Slices<string>
}

type Rewrite = Normalizer['atOnce']

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
      return normalizeInOrder(steps.filter(step => step !== undefined))
    }
    case 'Prepend': {
      const prefix = field.get('prepend')
      return prepending(prefix.string(), prependsAtStart, prefix)
    }
    case 'Replace': {
      const literal = field.get('pattern').get('String')
      const content = field.get('content')
      const isCharacter = !literal.missing && [...literal.string()].length === 1
      return isCharacter
        ? replacingCharacter(literal.string(), content.string(), content)
        : replacing(readPattern(field.get('pattern')), content.string(), content)
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
      return inOneGo(text => {
        const start = left ? spaceEnd(text, 0) : 0
        return text.slice(start, right ? spaceStart(text, text.length, start) : text.length)
      })
    }
    default:
      throw field.get('type').error('Sequence, Prepend, Replace, NFC, NFD, NFKC, NFKD, Lowercase or Strip')
  }
}

/** Whether the steps put something before a text: then a lone continuation has a space of its own already. */
export function prepends(field: Field): boolean {
  if (field.missing) return false
  const type = field.get('type').string()
  return type === 'Prepend' || (type === 'Sequence' && field.get('normalizers').items().some(prepends))
}

/** Takes the steps one after the other. */
export function normalizeInOrder(steps: readonly Normalizer[]): Normalizer {
  return {
    atOnce(text, atStart, maxLength) {
      let done = text
      for (const step of steps) done = step.atOnce(done, atStart, maxLength)
      return done
    },
    *inSlices(text, atStart, maxLength) {
      let done = text
      for (const step of steps) done = yield* step.inSlices(done, atStart, maxLength)
      return done
    },
  }
}

/** Puts a prefix before a text that is not empty. */
export function prepending(prefix: string, atStartOnly: boolean, source: Source): Normalizer {
  return inOneGo((text, atStart, maxLength) => {
    if (text === '' || (atStartOnly && !atStart)) return text
    checkGrowth(prefix.length + text.length, maxLength, source)
    return prefix + text
  })
}

/** Puts a text in the place of a character. */
export function replacingCharacter(character: string, content: string, source: Source): Normalizer {
  const regex = literalRegex(character)
  const replacement = content.replaceAll('$', '$$$$')
  const replace: Rewrite = (text, _, maxLength) => {
    if (text.length * content.length > maxLength) {
      const matches = text.match(regex)?.length ?? 0
      checkGrowth(text.length + matches * (content.length - character.length), maxLength, source)
    }
    return text.replace(regex, replacement)
  }
  return inPieces(replace, endOfCharacter)
}

/** Puts a text in the place of every match. */
function replacing(pattern: Pattern, content: string, source: Source): Normalizer {
  const append = (before: string, { texts, isMatch }: Parts, maxLength: number) => {
    let out = before
    for (const [i, text] of texts.entries()) {
      out += isMatch[i] ? content : text
      checkGrowth(out.length, maxLength, source)
    }
    return out
  }
  return {
    atOnce: (text, _, maxLength) => append('', pattern.parts(text), maxLength),
    *inSlices(text, _, maxLength) {
      let out = ''
      for (const parts of pattern.partsInSlices(text)) {
        out = append(out, parts, maxLength)
        yield
      }
      return out
    },
  }
}

/** Makes a normaliser of a function that takes little time whatever the text. */
export function inOneGo(rewrite: Rewrite): Normalizer {
  return {
    atOnce: rewrite,
    // biome-ignore lint/correctness/useYield: it is done in one slice
    *inSlices(text, atStart, maxLength) {
      return rewrite(text, atStart, maxLength)
    },
  }
}

/** @param endOf the first place at or after another where the text may be cut without changing what becomes of it */
export function inPieces(rewrite: Rewrite, endOf: (text: string, at: number) => number): Normalizer {
  return {
    atOnce: rewrite,
    *inSlices(text, atStart, maxLength) {
      let out = ''
      for (let start = 0; start < text.length; ) {
        const end = endOf(text, start + sliceItems)
        out += rewrite(text.slice(start, end), atStart, maxLength - out.length)
        start = end
        yield
      }
      return out
    },
  }
}

/**
 * Finds a place before a character that no normalisation form joins to what precedes it. More characters are such than the
 * ASCII letters, ideographs and Hangul syllables that are looked for here; a text without any of these is one piece.
 */
function endOfNormalPiece(text: string, at: number): number {
  const starter = /[\0-\x7f\u3400-\u9fff\uac00-\ud7a3]/g
  starter.lastIndex = at
  return starter.exec(text)?.index ?? text.length
}
