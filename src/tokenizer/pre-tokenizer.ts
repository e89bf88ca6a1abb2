// Cutting text into words before BPE: the pre_tokenizer of tokenizer.json.
import { type Slices, sliceItems } from '../calls/slices.ts'
import { type Field, tokenizerError } from './field.ts'
import { type Part, Pattern } from './pattern.ts'
import { translateRegex } from './regex.ts'

/**
 * Cuts each word further.
 * @param atStart whether the first word begins the whole text
 */
export type PreTokenizer = (words: readonly string[], atStart: boolean) => Slices<readonly string[]>

export interface PreTokenizers {
  split: PreTokenizer
  /** Words are spelt in GPT-2's byte alphabet afterwards. */
  byteLevel: boolean
  /** A space is put before the text where it has none. */
  addsPrefix: boolean
}

/** GPT-2's pattern, which ByteLevel uses unless told not to. */
export const gpt2Pattern =
  "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+"

/** @throws TOKENIZER for a kind or setting that is not known here */
export function readPreTokenizer(field: Field): PreTokenizers {
  const steps: PreTokenizer[] = []
  const result = { byteLevel: false, addsPrefix: false }
  const read = (one: Field): void => {
    if (one.missing) return
    if (result.byteLevel)
      throw tokenizerError(one.file, `${one.path} follows ByteLevel, which is the last step`)
    const type = one.get('type').string()
    if (type === 'Sequence') one.get('pretokenizers').items().forEach(read)
    else if (type === 'Split') steps.push(splitStep(one))
    else if (type === 'Digits') {
      const digits = one.get('individual_digits').boolean(false) ? /\p{N}/gu : /\p{N}+/gu
      steps.push(cutStep(new Pattern(digits), 'Isolated'))
    } else if (type === 'Metaspace') {
      const { step, addsPrefix } = metaspace(one)
      steps.push(step)
      result.addsPrefix ||= addsPrefix
    } else if (type === 'ByteLevel') {
      if (one.get('add_prefix_space').boolean(true)) {
        steps.push(prefixStep)
        result.addsPrefix = true
      }
      if (one.get('use_regex').boolean(true))
        steps.push(cutStep(translateRegex(gpt2Pattern, one.file), 'Isolated'))
      result.byteLevel = true
    } else throw one.get('type').error('Sequence, Split, Digits, Metaspace or ByteLevel')
  }
  read(field)
  return { ...result, split: inOrder(steps) }
}

/** Cuts nothing. */
// biome-ignore lint/correctness/useYield: there is nothing to do
export const wholeText: PreTokenizer = function* (words) {
  return words
}

/** Cuts the words of `split` at the matches of an expression that takes time linear in the text. */
export function cutWith(split: PreTokenizer, regex: RegExp): PreTokenizer {
  return inOrder([split, cutStep(new Pattern(regex), 'Isolated')])
}

/** Cuts at every match and between, pattern after pattern. @param file named in the error for a pattern */
export function isolateSteps(patterns: readonly string[], file: string): PreTokenizer {
  return inOrder(patterns.map(pattern => cutStep(translateRegex(pattern, file), 'Isolated')))
}

function inOrder(steps: readonly PreTokenizer[]): PreTokenizer {
  return function* (words, atStart) {
    let cut = words
    for (const step of steps) cut = yield* step(cut, atStart)
    return cut
  }
}

/** A space before every word that has none. */
const prefixStep: PreTokenizer = function* (words) {
  const out: string[] = []
  for (const word of words) {
    out.push(word.startsWith(' ') ? word : ` ${word}`)
    if (out.length % sliceItems === 0) yield
  }
  return out
}

/** What becomes of a match: a word of its own, nothing, or part of a neighbour. */
type Behavior = 'Isolated' | 'Removed' | 'MergedWithPrevious' | 'MergedWithNext' | 'Contiguous'
const behaviors: readonly string[] = [
  'Isolated',
  'Removed',
  'MergedWithPrevious',
  'MergedWithNext',
  'Contiguous',
]

function splitStep(field: Field): PreTokenizer {
  const behavior = field.get('behavior').string()
  if (!behaviors.includes(behavior)) throw field.get('behavior').error(behaviors.join(', '))
  const pattern = readPattern(field.get('pattern'))
  return cutStep(pattern, behavior as Behavior, field.get('invert').boolean(false))
}

/** `{ "String": text }` or `{ "Regex": pattern }`. */
export function readPattern(field: Field): Pattern {
  const literal = field.get('String')
  if (!literal.missing) return Pattern.literal(literal.string())
  return translateRegex(field.get('Regex').string(), field.file)
}

/** @param invert what lies between the matches counts as the match */
function cutStep(pattern: Pattern, behavior: Behavior, invert = false): PreTokenizer {
  if (behavior === 'Isolated') return words => pattern.cut(words)
  return function* (words) {
    const out: string[] = []
    let room = sliceItems
    for (const word of words) {
      for (const part of join(yield* pattern.parts(word), behavior, invert)) out.push(part)
      room -= word.length + 1
      if (room > 0) continue
      yield
      room = sliceItems
    }
    return out
  }
}

function join(parts: readonly Part[], behavior: Behavior, invert: boolean): string[] {
  const out: string[] = []
  let previous: boolean | undefined
  for (const { text, isMatch } of parts) {
    const separator = isMatch !== invert
    const joins =
      (behavior === 'Contiguous' && previous === separator) ||
      (behavior === 'MergedWithPrevious' && separator && previous === false) ||
      (behavior === 'MergedWithNext' && !separator && previous === true)
    if (joins) out[out.length - 1] += text
    else if (behavior !== 'Removed' || !separator) out.push(text)
    previous = separator
  }
  return out.filter(word => word !== '')
}

/** SentencePiece's spelling of spaces, and the space it puts before the text. */
function metaspace(field: Field): { step: PreTokenizer; addsPrefix: boolean } {
  const replacement = field.get('replacement').string()
  const old = field.get('add_prefix_space')
  const scheme = field.get('prepend_scheme').string(old.boolean(true) ? 'always' : 'never')
  if (!['first', 'always', 'never'].includes(scheme)) {
    throw field.get('prepend_scheme').error('first, always or never')
  }
  const split = field.get('split').boolean(true)
  const space = Pattern.literal(' ')
  const spelt = Pattern.literal(replacement)
  const step: PreTokenizer = function* (words, atStart) {
    const out: string[] = []
    for (const [i, word] of words.entries()) {
      let text = yield* space.replace(word, replacement)
      const wanted = scheme === 'always' || (scheme === 'first' && atStart && i === 0)
      if (wanted && !text.startsWith(replacement)) text = replacement + text
      if (!split) out.push(text)
      else for (const part of join(yield* spelt.parts(text), 'MergedWithNext', false)) out.push(part)
    }
    return out
  }
  return { step, addsPrefix: scheme !== 'never' }
}
