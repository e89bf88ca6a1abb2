// Treats texts as Python does: as sequences of code points, with its white space, and with searches in linear time.
import { pythonSpace } from '../data/white-space.ts'
import type { Budget } from './budget.ts'

const space = new RegExp(`^[${pythonSpace}]$`, 'u')
// biome-ignore lint/suspicious/noControlCharactersInRegex: Python takes three of them for ends of lines
const lineEnd = /\r\n|[\n-\r\x1c-\x1e\x85\u2028\u2029]/g
const surrogate = /[\ud800-\udfff]/

/** The length of a text in code points. */
export function lengthOf(text: string): number {
  if (!surrogate.test(text)) return text.length
  let length = 0
  for (const _ of text) length++
  return length
}

/** The code points of a text, or the text itself where each of its UTF-16 units is one. */
export function pointsOf(text: string): string | string[] {
  return surrogate.test(text) ? Array.from(text) : text
}

/** Matches a unit of Python's white space, all of which is one unit of UTF-16. */
function isSpace(unit: number): boolean {
  if (unit < 0x80) return unit === 32 || (unit >= 9 && unit <= 13) || (unit >= 28 && unit <= 31)
  return space.test(String.fromCharCode(unit))
}

/** Strips as str.strip(), lstrip() and rstrip() do. @param chars the characters to take off; white space by default */
export function strip(text: string, sides: 'left' | 'right' | 'both', chars?: string): string {
  if (chars !== undefined && surrogate.test(chars)) return stripPoints(text, sides, new Set(chars))
  const taken = chars === undefined ? isSpace : (unit: number) => chars.includes(String.fromCharCode(unit))
  let start = 0
  let end = text.length
  if (sides !== 'right') while (start < end && taken(text.charCodeAt(start))) start++
  if (sides !== 'left') while (end > start && taken(text.charCodeAt(end - 1))) end--
  return text.slice(start, end)
}

/** Strips characters that may be beyond 16 bits. */
function stripPoints(text: string, sides: 'left' | 'right' | 'both', chars: ReadonlySet<string>): string {
  const points = Array.from(text)
  let start = 0
  let end = points.length
  if (sides !== 'right') while (start < end && chars.has(points[start]!)) start++
  if (sides !== 'left') while (end > start && chars.has(points[end - 1]!)) end--
  return points.slice(start, end).join('')
}

/** Splits a text at white space from the left into `max` + 1 words at the most. */
export function splitWords(text: string, max: number): string[] {
  const words: string[] = []
  const word = new RegExp(`[^${pythonSpace}]+`, 'gu')
  for (let match = word.exec(text); match; match = word.exec(text)) {
    if (words.length === max) {
      words.push(strip(text.slice(match.index), 'right'))
      break
    }
    words.push(match[0])
  }
  return words
}

/** Splits a text at white space from the right into `max` + 1 words at the most. */
export function splitWordsRight(text: string, max: number): string[] {
  const words = Array.from(text.matchAll(new RegExp(`[^${pythonSpace}]+`, 'gu')))
  if (words.length <= max) return words.map(match => match[0])
  const [first, ...rest] = words.slice(words.length - max - 1)
  return [strip(text.slice(0, first!.index + first![0].length), 'left'), ...rest.map(match => match[0])]
}

/** Splits as str.splitlines() does: at all kinds of line ends. One at the end of the text begins no further line. */
export function splitLines(text: string, keepEnds = false): string[] {
  const lines: string[] = []
  let start = 0
  for (const end of text.matchAll(lineEnd)) {
    lines.push(text.slice(start, keepEnds ? end.index + end[0].length : end.index))
    start = end.index + end[0].length
  }
  if (start < text.length) lines.push(text.slice(start))
  return lines
}

/** Maximum units for which the engine's own search is quick whatever the texts: it may compare every unit with every other. */
const quickProduct = 2 ** 24

/** Finds `part` in `text` from `from` on, in linear time; -1 where it is not. */
export function find(text: string, part: string, from = 0): number {
  if ((text.length - from) * part.length <= quickProduct) return text.indexOf(part, from)
  // Knuth, Morris and Pratt: fallback[i] is the length of the longest border of part[0, i].
  const fallback = new Int32Array(part.length + 1)
  fallback[0] = -1
  for (let i = 0, k = -1; i < part.length; ) {
    while (k >= 0 && part.charCodeAt(i) !== part.charCodeAt(k)) k = fallback[k]!
    fallback[++i] = ++k
  }
  for (let i = from, k = 0; i < text.length; ) {
    while (k >= 0 && text.charCodeAt(i) !== part.charCodeAt(k)) k = fallback[k]!
    i++
    if (++k === part.length) return i - k
  }
  return -1
}

/** Finds the places of `part` in `text` that do not overlap, from the left, `max` of them at the most. */
export function findAll(text: string, part: string, max: number, budget: Budget): number[] {
  const places: number[] = []
  for (let at = find(text, part); at >= 0 && places.length < max; at = find(text, part, at + part.length)) {
    budget.spend(1)
    places.push(at)
  }
  return places
}

/** Finds the places of `part` in `text` that do not overlap, from the right, `max` of them at the most. */
export function findAllRight(text: string, part: string, max: number, budget: Budget): number[] {
  const reverse = (value: string) => value.split('').reverse().join('')
  return findAll(reverse(text), reverse(part), max, budget)
    .map(at => text.length - at - part.length)
    .reverse()
}

/** Replaces as str.replace() does: an empty `part` is found before every code point and at the end. */
export function replace(text: string, part: string, by: string, max: number, budget: Budget): string {
  budget.read(text.length)
  if (part === '') {
    const points = Array.from(text)
    const count = Math.min(max, points.length + 1)
    budget.make(text.length + by.length * count)
    return (
      points.map((point, i) => (i < count ? by + point : point)).join('') + (count > points.length ? by : '')
    )
  }
  const places = findAll(text, part, max, budget)
  budget.make(text.length + places.length * (by.length - part.length))
  let made = ''
  let start = 0
  for (const at of places) {
    made += text.slice(start, at) + by
    start = at + part.length
  }
  return made + text.slice(start)
}

const cased = /[\p{Lu}\p{Lt}\p{Ll}]/u

/** Capitalises as str.capitalize() does. */
export function capitalize(text: string): string {
  const [first = ''] = text
  return titleCase(first) + text.slice(first.length).toLowerCase()
}

/** Makes a title as str.title() does: a letter that follows another one is lower case. */
export function title(text: string): string {
  let made = ''
  let isInside = false
  for (const c of text) {
    made += isInside ? c.toLowerCase() : titleCase(c)
    isInside = cased.test(c)
  }
  return made
}

/** The title case of a letter: the four letters that stand for two have one of their own. */
function titleCase(c: string): string {
  const letters: Record<string, string> = { ǆ: 'ǅ', ǉ: 'ǈ', ǌ: 'ǋ', ǳ: 'ǲ', Ǆ: 'ǅ', Ǉ: 'ǈ', Ǌ: 'ǋ', Ǳ: 'ǲ' }
  const upper = letters[c] ?? c.toUpperCase()
  return upper.length > c.length && c === 'ß' ? 'Ss' : upper
}
