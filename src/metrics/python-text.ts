// Python's functions on texts where JavaScript's differ: the official metric scripts are Python.
import { pythonSpace, pythonSpaces } from '../data/white-space.ts'

const edges = new RegExp(`^[${pythonSpace}]+|[${pythonSpace}]+$`, 'gu')
const start = new RegExp(`^[${pythonSpace}]+`, 'u')

/** Strips white space from both ends, as Python's str.strip() does. */
export function strip(text: string): string {
  return text.replace(edges, '')
}

/** Strips white space from the beginning, as Python's str.lstrip() does. */
export function stripStart(text: string): string {
  return text.replace(start, '')
}

/** The words between runs of white space, never an empty one, as Python's str.split() gives them. */
export function words(text: string): string[] {
  return text.split(pythonSpaces).filter(word => word !== '')
}

/** Matches Python's r'\b(a|an|the)\b': whole words, where letters, digits and underscores make words. */
export function wholeWords(...list: string[]): RegExp {
  return new RegExp(`(?<![\\p{L}\\p{N}_])(?:${list.join('|')})(?![\\p{L}\\p{N}_])`, 'gu')
}
