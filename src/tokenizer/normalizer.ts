// Rewriting text before it is cut: the normalizer of tokenizer.json.
import type { Field } from './field.ts'
import { readPattern } from './pre-tokenizer.ts'

/** Called on each stretch of text between added tokens. @param atStart whether it begins the whole text */
export type Normalizer = (text: string, atStart: boolean) => string

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
      return (text, atStart) => steps.reduce((done, step) => step?.(done, atStart) ?? done, text)
    }
    case 'Prepend': {
      const prefix = field.get('prepend').string()
      return (text, atStart) => (text === '' || (prependsAtStart && !atStart) ? text : prefix + text)
    }
    case 'Replace': {
      const pattern = readPattern(field.get('pattern'))
      const content = field.get('content').string()
      return text => text.replace(pattern, () => content)
    }
    case 'NFC':
    case 'NFD':
    case 'NFKC':
    case 'NFKD':
      return text => text.normalize(type)
    case 'Lowercase':
      // Character by character: of a whole word JavaScript would make a final sigma, which Rust does not.
      return text => text.replace(/\p{Changes_When_Lowercased}/gu, c => c.toLowerCase())
    case 'Strip': {
      const left = field.get('strip_left').boolean()
      const right = field.get('strip_right').boolean()
      return text => {
        const start = left ? text.replace(/^\p{White_Space}+/u, '') : text
        return right ? start.replace(/\p{White_Space}+$/u, '') : start
      }
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
