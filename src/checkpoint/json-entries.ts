// Walks over the entries of a JSON object without building it: a text of small values takes many times its size as objects.
import { cut, shown } from '../data/shown.ts'
import { MtLlamaError } from '../errors.ts'
import { MAX_DEPTH } from './json.ts'

/** White space, a string, and a run of a value's other characters, each from a place on. */
const space = /[ \t\n\r]*/y
const string = /"(?:[^"\\]|\\.)*"/sy
const plain = /[^"[\]{},]+/y

/**
 * Each key of an object with the text of its value, in the order of the text. The caller parses the values, and thereby
 * checks them.
 * @param where begins the message of an error
 * @throws CHECKPOINT_CORRUPT where the text is no object, a key comes twice, or values nest too deep
 */
export function* objectEntries(text: string, where: string): Generator<[key: string, value: string]> {
  const keys = new Set<string>()
  let at = 0
  const corrupt = (what: string) => new MtLlamaError('CHECKPOINT_CORRUPT', `${where}: ${what}`)
  const expected = (what: string) =>
    corrupt(`not valid JSON (expected ${what} at character ${at}, found ${shown(text.slice(at, at + 20))})`)
  const take = (pattern: RegExp): string | undefined => {
    pattern.lastIndex = at
    const found = pattern.exec(text)?.[0]
    at += found?.length ?? 0
    return found
  }
  const takeCharacter = (characters: string): string => {
    take(space)
    const found = text[at] ?? ''
    if (found === '' || !characters.includes(found)) throw expected([...characters].join(' or '))
    at++
    return found
  }
  const takeValue = (): string => {
    const start = at
    for (let depth = 0; at < text.length; ) {
      const c = text[at]!
      if (depth === 0 && (c === ',' || c === '}')) break
      if (c === '"') {
        if (take(string) === undefined) throw expected('the end of a string')
        continue
      }
      if (c === '{' || c === '[') depth++
      else if (c === '}' || c === ']') depth--
      else if (c !== ',') {
        take(plain)
        continue
      }
      if (depth > MAX_DEPTH) throw corrupt(`nested deeper than ${MAX_DEPTH} levels`)
      if (depth < 0) throw expected('a value')
      at++
    }
    if (at === start) throw expected('a value')
    if (at === text.length) throw expected(', or }')
    return text.slice(start, at)
  }

  take(space)
  if (text[at] === '[' || text[at] === '"') throw corrupt(`${cut(text)}, expected an object`)
  takeCharacter('{')
  take(space)
  if (text[at] === '}') at++
  else
    do {
      take(space)
      const literal = take(string)
      if (literal === undefined) throw expected('a key')
      const key = parseKey(literal, expected)
      if (keys.has(key)) throw corrupt(`the key ${shown(key)} comes twice`)
      keys.add(key)
      takeCharacter(':')
      take(space)
      yield [key, takeValue()]
    } while (takeCharacter(',}') === ',')
  take(space)
  if (at < text.length) throw expected('the end')
}

function parseKey(literal: string, expected: (what: string) => MtLlamaError): string {
  try {
    return JSON.parse(literal)
  } catch {
    throw expected('a key')
  }
}
