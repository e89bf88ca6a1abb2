// Cutting text into words before BPE: the pre_tokenizer of tokenizer.json.
import { sliceItems } from '../calls/slices.ts'
import { type Field, tokenizerError } from './field.ts'
import { readJoining } from './joining.ts'
import { metaspaceSteps } from './metaspace.ts'
import { Pattern } from './pattern.ts'
import { readPattern, translateRegex } from './regex.ts'

/** One way to cut words further. */
export interface CutStep {
  /**
   * Cuts words that are a slice of work together.
   * @param atStart whether the first of them begins the whole text
   */
  cut(words: readonly string[], atStart: boolean): readonly string[]
  /** Cuts a longer word, a slice of work at a time; a slice may give no words. */
  cutLong(word: string, atStart: boolean): Iterable<readonly string[]>
}

/** Steps that cut a text one after the other. */
export class PreTokenizer {
  readonly #steps: readonly CutStep[]

  /** @param steps where there are none, a text is one word */
  constructor(steps: readonly CutStep[]) {
    this.#steps = steps
  }

  /** Cuts a text that is a slice of work. @param atStart whether it begins the whole text */
  cut(text: string, atStart: boolean): readonly string[] {
    let words: readonly string[] = [text]
    for (const step of this.#steps) words = step.cut(words, atStart)
    return words
  }

  /** Cuts a text of any length as `cut` does: words in batches, each a slice of work, or a word that is longer. */
  batches(text: string, atStart: boolean): Iterable<readonly string[]> {
    let batches: Iterable<readonly string[]> = [[text]]
    for (const step of this.#steps) batches = cutBatches(step, batches, atStart)
    return batches
  }

  /** Makes a tokenizer of these steps and one more. */
  followedBy(step: CutStep): PreTokenizer {
    return new PreTokenizer([...this.#steps, step])
  }
}

function* cutBatches(
  step: CutStep,
  batches: Iterable<readonly string[]>,
  atStart: boolean,
): Generator<readonly string[]> {
  let isFirst = atStart
  for (const words of batches) {
    let next = 0
    while (next < words.length) {
      const begin = next
      while (next < words.length && words[next]!.length <= sliceItems) next++
      if (next > begin) yield step.cut(words.slice(begin, next), isFirst)
      else yield* step.cutLong(words[next++]!, isFirst)
      isFirst = false
    }
    if (words.length === 0) yield words
  }
}

export interface PreTokenizers {
  split: PreTokenizer
  /** Whether words are spelt in GPT-2's byte alphabet afterwards. */
  byteLevel: boolean
  /** Whether a space is put before the text where it has none. */
  addsPrefix: boolean
}

/** GPT-2's pattern, which ByteLevel uses unless told not to. */
export const gpt2Pattern =
  "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+"

/** @throws TOKENIZER for a kind or setting that is not known here */
export function readPreTokenizer(field: Field): PreTokenizers {
  const steps: CutStep[] = []
  const result = { byteLevel: false, addsPrefix: false }
  const read = (one: Field): void => {
    if (one.missing) return
    if (result.byteLevel)
      throw tokenizerError(one.file, `${one.path} follows ByteLevel, which is the last step`)
    const type = one.get('type').string()
    if (type === 'Sequence') one.get('pretokenizers').items().forEach(read)
    else if (type === 'Split') steps.push(readJoining(one, readPattern(one.get('pattern'))))
    else if (type === 'Digits') {
      // What lies between numbers matches too, so that the matches are the words.
      const isSingle = one.get('individual_digits').boolean(false)
      steps.push(new Pattern(isSingle ? /\p{N}|\P{N}+/gu : /\p{N}+|\P{N}+/gu))
    } else if (type === 'Metaspace') {
      const { steps: own, addsPrefix } = metaspaceSteps(one)
      steps.push(...own)
      result.addsPrefix ||= addsPrefix
    } else if (type === 'ByteLevel') {
      if (one.get('add_prefix_space').boolean(true)) {
        steps.push(prefixStep)
        result.addsPrefix = true
      }
      if (one.get('use_regex').boolean(true)) steps.push(translateRegex(gpt2Pattern, one.file))
      result.byteLevel = true
    } else throw one.get('type').error('Sequence, Split, Digits, Metaspace or ByteLevel')
  }
  read(field)
  return { ...result, split: new PreTokenizer(steps) }
}

/** Puts a space before every word that has none. */
const prefixStep: CutStep = {
  cut: words => words.map(withSpace),
  cutLong: word => [[withSpace(word)]],
}

function withSpace(word: string): string {
  return word.startsWith(' ') ? word : ` ${word}`
}
