// Cutting text into words before BPE: the pre_tokenizer of tokenizer.json.
import { type Field, tokenizerError } from './field.ts'
import { translateRegex } from './regex.ts'

/**
 * Cuts each word further.
 * @param atStart whether the first word begins the whole text
 */
export type PreTokenizer = (words: string[], atStart: boolean) => string[]

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
      steps.push(cutStep(one.get('individual_digits').boolean(false) ? /\p{N}/gu : /\p{N}+/gu, 'Isolated'))
    } else if (type === 'Metaspace') {
      const { step, addsPrefix } = metaspace(one)
      steps.push(step)
      result.addsPrefix ||= addsPrefix
    } else if (type === 'ByteLevel') {
      if (one.get('add_prefix_space').boolean(true)) {
        steps.push(words => words.map(word => (word.startsWith(' ') ? word : ` ${word}`)))
        result.addsPrefix = true
      }
      if (one.get('use_regex').boolean(true))
        steps.push(cutStep(translateRegex(gpt2Pattern, one.file), 'Isolated'))
      result.byteLevel = true
    } else throw one.get('type').error('Sequence, Split, Digits, Metaspace or ByteLevel')
  }
  read(field)
  return { ...result, split: (words, atStart) => steps.reduce((cut, step) => step(cut, atStart), words) }
}

/** Cuts the words of `split` at the matches of a pattern that leaves nothing out. */
export function cutWith(split: PreTokenizer, pattern: RegExp): PreTokenizer {
  const cut = cutStep(pattern, 'Isolated')
  return (words, atStart) => cut(split(words, atStart), atStart)
}

/** Cuts at every match and between, pattern after pattern. @param file named in the error for a pattern */
export function isolateSteps(patterns: readonly string[], file: string): PreTokenizer {
  const steps = patterns.map(pattern => cutStep(translateRegex(pattern, file), 'Isolated'))
  return (words, atStart) => steps.reduce((cut, step) => step(cut, atStart), words)
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
  const regex = readPattern(field.get('pattern'))
  return cutStep(regex, behavior as Behavior, field.get('invert').boolean(false))
}

/** `{ "String": text }` or `{ "Regex": pattern }`. */
export function readPattern(field: Field): RegExp {
  const literal = field.get('String')
  if (!literal.missing) return new RegExp(literal.string().replace(/[\^$\\.*+?()[\]{}|/]/g, '\\$&'), 'gu')
  return translateRegex(field.get('Regex').string(), field.file)
}

/** @param invert what lies between the matches counts as the match */
function cutStep(regex: RegExp, behavior: Behavior, invert = false): PreTokenizer {
  const cutOne =
    behavior === 'Isolated'
      ? (word: string) => isolate(word, regex)
      : (word: string) => cut(word, regex, behavior, invert)
  return words => {
    if (words.length === 1) return cutOne(words[0]!)
    const out: string[] = []
    for (const word of words) for (const part of cutOne(word)) out.push(part)
    return out
  }
}

/** Matches and what lies between them, all words alike. Most patterns leave nothing between. */
function isolate(word: string, regex: RegExp): string[] {
  const matches = word.match(regex)
  if (matches === null) return word === '' ? [] : [word]
  let length = 0
  for (const match of matches) length += match.length
  if (length === word.length) return matches
  return parts(word, regex).map(part => part.text)
}

interface Part {
  text: string
  match: boolean
}

function parts(word: string, regex: RegExp): Part[] {
  const out: Part[] = []
  let end = 0
  for (const match of word.matchAll(regex)) {
    if (match[0] === '') continue
    if (match.index > end) out.push({ text: word.slice(end, match.index), match: false })
    out.push({ text: match[0], match: true })
    end = match.index + match[0].length
  }
  if (end < word.length) out.push({ text: word.slice(end), match: false })
  return out
}

function cut(word: string, regex: RegExp, behavior: Behavior, invert: boolean): string[] {
  const out: string[] = []
  let previous: boolean | undefined
  for (const { text, match } of parts(word, regex)) {
    const separator = match !== invert
    const joins =
      (behavior === 'Contiguous' && previous === separator) ||
      (behavior === 'MergedWithPrevious' && separator && previous === false) ||
      (behavior === 'MergedWithNext' && !separator && previous === true)
    if (joins) out[out.length - 1] += text
    else if (behavior !== 'Removed' || !separator) out.push(text)
    previous = separator
  }
  return out
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
  const spaces = new RegExp(replacement.replace(/[\^$\\.*+?()[\]{}|/]/g, '\\$&'), 'gu')
  const step: PreTokenizer = (words, atStart) =>
    words.flatMap((word, i) => {
      let text = word.replaceAll(' ', replacement)
      const wanted = scheme === 'always' || (scheme === 'first' && atStart && i === 0)
      if (wanted && !text.startsWith(replacement)) text = replacement + text
      return split ? cut(text, spaces, 'MergedWithNext', false) : [text]
    })
  return { step, addsPrefix: scheme !== 'never' }
}
