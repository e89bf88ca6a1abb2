// What becomes of the matches of a pattern: words of their own, nothing, or parts of their neighbours (Split of tokenizer.json).
import type { Field } from './field.ts'
import type { Parts, Pattern } from './pattern.ts'
import type { CutStep } from './pre-tokenizer.ts'

type Behavior = 'Isolated' | 'Removed' | 'MergedWithPrevious' | 'MergedWithNext' | 'Contiguous'
const behaviors: readonly string[] = [
  'Isolated',
  'Removed',
  'MergedWithPrevious',
  'MergedWithNext',
  'Contiguous',
]

/** @throws TOKENIZER for a behavior that is not known here */
export function readJoining(field: Field, pattern: Pattern): CutStep {
  const behavior = field.get('behavior').string()
  if (!behaviors.includes(behavior)) throw field.get('behavior').error(behaviors.join(', '))
  const invert = field.get('invert').boolean(false)
  if (behavior === 'Isolated') return pattern
  return {
    cut: words => {
      const out: string[] = []
      for (const word of words) {
        const joining = new Joining(behavior as Behavior, invert)
        joining.add(pattern.parts(word), out)
        joining.end(out)
      }
      return out
    },
    *cutLong(word) {
      const joining = new Joining(behavior as Behavior, invert)
      let out: string[] = []
      for (const parts of pattern.partsInSlices(word)) {
        joining.add(parts, out)
        yield out
        out = []
      }
      joining.end(out)
      yield out
    },
  }
}

/** Puts the parts of one word together. */
class Joining {
  readonly #behavior: Behavior
  readonly #invert: boolean
  /** The last word, which the next part may join; '' where there is none. */
  #open = ''
  /** Whether the part before the next one counts as a match. */
  #previous: boolean | undefined

  /** @param invert what lies between the matches counts as the match */
  constructor(behavior: Behavior, invert: boolean) {
    this.#behavior = behavior
    this.#invert = invert
  }

  /** Appends the words that are whole. */
  add({ texts, isMatch }: Parts, out: string[]): void {
    const behavior = this.#behavior
    for (const [i, text] of texts.entries()) {
      const separator = isMatch[i] !== this.#invert
      const joins =
        (behavior === 'Contiguous' && this.#previous === separator) ||
        (behavior === 'MergedWithPrevious' && separator && this.#previous === false) ||
        (behavior === 'MergedWithNext' && !separator && this.#previous === true)
      if (joins) this.#open += text
      else if (behavior !== 'Removed' || !separator) {
        this.end(out)
        this.#open = text
      }
      this.#previous = separator
    }
  }

  /** Appends the last word. */
  end(out: string[]): void {
    if (this.#open !== '') out.push(this.#open)
    this.#open = ''
  }
}
