// Python's notions of text, where JavaScript's differ: the official metric scripts are Python.
import { pythonSpace, pythonSpaces } from '../data/white-space.ts'

const edges = new RegExp(`^[${pythonSpace}]+|[${pythonSpace}]+$`, 'gu')

/** str.strip() */
export function strip(text: string): string {
  return text.replace(edges, '')
}

/** str.split(): the words between runs of white space, never an empty one. */
export function words(text: string): string[] {
  return text.split(pythonSpaces).filter(word => word !== '')
}

/** re.compile(r'\b(a|an|the)\b'): whole words, where letters, digits and underscore make words. */
export function wholeWords(...list: string[]): RegExp {
  return new RegExp(`(?<![\\p{L}\\p{N}_])(?:${list.join('|')})(?![\\p{L}\\p{N}_])`, 'gu')
}
