// SentencePiece's spelling of spaces, and the space it puts before the text (Metaspace of tokenizer.json).
import type { Field } from './field.ts'
import { replacingCharacter } from './normalizer.ts'
import { Pattern, runsOf } from './pattern.ts'
import type { CutStep } from './pre-tokenizer.ts'

/** A character in the place of another lets no text grow. */
const unbounded = Number.POSITIVE_INFINITY

/** @throws TOKENIZER for a setting that is not known here */
export function metaspaceSteps(field: Field): { steps: CutStep[]; addsPrefix: boolean } {
  const replacement = field.get('replacement').string()
  // The tokenizers library takes a single character too; a longer text would let a text grow.
  if ([...replacement].length !== 1) throw field.get('replacement').error('a single character')
  const old = field.get('add_prefix_space')
  const scheme = field.get('prepend_scheme').string(old.boolean(true) ? 'always' : 'never')
  if (!['first', 'always', 'never'].includes(scheme)) {
    throw field.get('prepend_scheme').error('first, always or never')
  }
  const spaces = replacingCharacter(' ', replacement, field)
  const withPrefix = (word: string, isStart: boolean) => {
    const isWanted = scheme === 'always' || (scheme === 'first' && isStart)
    return isWanted && !word.startsWith(replacement) ? replacement + word : word
  }
  const spell: CutStep = {
    cut: (words, atStart) =>
      words.map((word, i) => withPrefix(spaces.atOnce(word, false, unbounded), atStart && i === 0)),
    *cutLong(word, atStart) {
      const work = spaces.inSlices(word, false, unbounded)
      for (;;) {
        const step = work.next()
        if (step.done) return yield [withPrefix(step.value, atStart)]
        yield []
      }
    },
  }
  const steps = [spell]
  if (field.get('split').boolean(true)) {
    const character = `\\u{${replacement.codePointAt(0)!.toString(16)}}`
    const regex = new RegExp(`${character}[^${character}]*|[^${character}]+`, 'gu')
    steps.push(new Pattern(regex, { runs: runsOf(replacement) }))
  }
  return { steps, addsPrefix: scheme !== 'never' }
}
