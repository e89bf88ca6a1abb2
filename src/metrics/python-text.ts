// Python's notions of text, where JavaScript's differ: the official metric scripts are Python.

/** What str.isspace() holds for: \x1c-\x1f and \x85 too, and not U+FEFF. Inside a character class. */
export const pythonSpace =
  '\\t-\\r\\x1c-\\x20\\x85\\xa0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000'

const edges = new RegExp(`^[${pythonSpace}]+|[${pythonSpace}]+$`, 'gu')
const gap = new RegExp(`[${pythonSpace}]+`, 'u')

/** str.strip() */
export function strip(text: string): string {
  return text.replace(edges, '')
}

/** str.split(): the words between runs of white space, never an empty one. */
export function words(text: string): string[] {
  return text.split(gap).filter(word => word !== '')
}

/** re.compile(r'\b(a|an|the)\b'): whole words, where letters, digits and underscore make words. */
export function wholeWords(...list: string[]): RegExp {
  return new RegExp(`(?<![\\p{L}\\p{N}_])(?:${list.join('|')})(?![\\p{L}\\p{N}_])`, 'gu')
}
