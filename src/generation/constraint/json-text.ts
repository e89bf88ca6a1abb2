// The grammar of JSON: its strings, numbers and white space, and any value.
import { type Characters, characters, charactersOf, complement, intersection, pairsOf } from './characters.ts'
import {
  choice,
  choiceOf,
  type Grammar,
  list,
  literal,
  oneOfSet,
  optional,
  type Rule,
  repeat,
  sequence,
  sequenceOf,
  shared,
} from './grammar.ts'

const digit = oneOfSet(characters([0x30, 0x39]))
const firstDigit = oneOfSet(characters([0x31, 0x39]))
const hexDigits: readonly (readonly [number, number])[] = [
  [0x30, 0x39],
  [0x41, 0x46],
  [0x61, 0x66],
]
const hexDigit = oneOfSet(characters(...hexDigits))
/** Characters that a string has as escapes alone. */
const escaped = characters([0, 0x1f], [0x22, 0x22], [0x5c, 0x5c])
const shortEscapes = new Map<number, string>([
  ...([
    [0x22, '\\"'],
    [0x5c, '\\\\'],
    [0x08, '\\b'],
    [0x0c, '\\f'],
  ] as const),
  ...([
    [0x0a, '\\n'],
    [0x0d, '\\r'],
    [0x09, '\\t'],
  ] as const),
])

/**
 * Between the parts of objects and arrays: nothing, a space, or a new line and its indentation. That JSON allows any number
 * would let a model go on with spaces for ever.
 */
const space = shared(
  optional(
    choice(
      literal(' '),
      sequence(literal('\n'), choice(repeat(literal(' '), 0, 32), repeat(literal('\t'), 1, 16))),
    ),
  ),
)
const comma = sequence(literal(','), space)

/** The escape \uXXXX of a character but of a half of a pair. */
const unicodeEscape = sequence(
  literal('\\u'),
  choice(
    sequence(
      oneOfSet(characters([0x30, 0x39], [0x41, 0x43], [0x45, 0x46], [0x61, 0x63], [0x65, 0x66])),
      hexDigit,
    ),
    sequence(oneOfSet(characters([0x44, 0x44], [0x64, 0x64])), oneOfSet(characters([0x30, 0x37]))),
  ),
  hexDigit,
  hexDigit,
)

/** One character of a string, spelt in any way. */
const anyCharacter = shared(
  choice(
    oneOfSet(complement(escaped)),
    sequence(
      literal('\\'),
      oneOfSet(characters(...Array.from('"\\/bfnrt', character => pair(character.codePointAt(0)!)))),
    ),
    unicodeEscape,
  ),
)

export function jsonString(minLength = 0, maxLength = Number.POSITIVE_INFINITY): Grammar {
  return sequence(literal('"'), repeat(anyCharacter, minLength, maxLength), literal('"'))
}

/** A string whose text is of a grammar. */
export function jsonStringOf(text: Grammar): Grammar {
  return sequence(literal('"'), spelt(text), literal('"'))
}

/** A string that is none of some texts, each of which is there once; it has no escapes. */
export function jsonStringBut(texts: readonly string[]): Grammar {
  const plain = complement(escaped)
  const rest = shared(repeat(oneOfSet(plain)))
  // After what some of the texts begin with: the end, if it is none of them, or a character by which one of them goes on or none does.
  const after = (ends: readonly string[]): Grammar => {
    const byFirst = new Map<number, string[]>()
    for (const text of ends) {
      const first = text.codePointAt(0)
      if (first === undefined) continue
      const known = byFirst.get(first) ?? []
      byFirst.set(first, known)
      known.push(text.slice(String.fromCodePoint(first).length))
    }
    const others = complement(charactersOf([...pairsOf(escaped), ...[...byFirst.keys()].map(pair)]))
    return choiceOf([
      ...(ends.includes('') ? [] : [literal('')]),
      sequence(oneOfSet(others), rest),
      ...[...byFirst]
        .filter(([first]) => first > 0x1f && first !== 0x22 && first !== 0x5c)
        .map(([first, more]) => sequence(oneOfSet(characters(pair(first))), after(more))),
    ])
  }
  return sequence(literal('"'), after(texts), literal('"'))
}

/** The grammar of texts as strings spell them: as they are, and with escapes for what has no other spelling. */
function spelt(text: Grammar): Grammar {
  switch (text.kind) {
    case 'characters':
      return speltCharacter(text.set)
    case 'sequence':
      return sequenceOf(text.parts.map(spelt))
    case 'choice':
      return choiceOf(text.parts.map(spelt))
    case 'repeat':
      return repeat(spelt(text.part), text.min, text.max)
    case 'list':
    case 'rule':
      // Patterns, of which these texts come, have neither.
      return text
  }
}

function speltCharacter(set: Characters): Grammar {
  const plain = oneOfSet(intersection(set, complement(escaped)))
  const escapes = pairsOf(intersection(set, escaped)).flatMap(([first, last]) =>
    Array.from({ length: last - first + 1 }, (_, i) => literal(escapeOf(first + i))),
  )
  return escapes.length === 0 ? plain : choice(plain, ...escapes)
}

function escapeOf(codePoint: number): string {
  return shortEscapes.get(codePoint) ?? `\\u${codePoint.toString(16).padStart(4, '0')}`
}

/** Digits that a double has all of. */
export const maxDigits = 15

const natural = choice(literal('0'), sequence(firstDigit, repeat(digit, 0, maxDigits - 1)))
export const jsonInteger: Grammar = sequence(optional(literal('-')), natural)

/** Digits and exponents are bounded, so that a number is finite and ends. */
export const jsonNumber: Grammar = sequence(
  jsonInteger,
  optional(sequence(literal('.'), repeat(digit, 1, maxDigits))),
  optional(
    sequence(
      oneOfSet(characters([0x45, 0x45], [0x65, 0x65])),
      optional(oneOfSet(characters([0x2b, 0x2b], [0x2d, 0x2d]))),
      repeat(digit, 1, 2),
    ),
  ),
)

export const jsonBoolean: Grammar = choice(literal('true'), literal('false'))
export const jsonNull: Grammar = literal('null')

export interface JsonMember {
  name: string
  value: Grammar
  optional: boolean
}

/** An object of members in their order, and of any number of others after them. */
export function jsonObject(members: readonly JsonMember[], others?: Grammar): Grammar {
  const items = members.map(({ name, value, optional }) => ({
    part: member(literal(JSON.stringify(name)), value),
    optional,
  }))
  const otherName = members.length === 0 ? jsonString() : jsonStringBut(members.map(({ name }) => name))
  const more = others && member(otherName, others)
  return sequence(literal('{'), space, list(items, comma, more), space, literal('}'))
}

function member(name: Grammar, value: Grammar): Grammar {
  return sequence(name, literal(':'), space, value)
}

/** An array of `first` in their order, of which `min` must be there, and then of others up to `max` items in all. */
export function jsonArray(
  first: readonly Grammar[],
  others: Grammar | undefined,
  min: number,
  max: number,
): Grammar {
  const own = first.slice(0, max)
  const separated = (part: Grammar, index: number) => (index === 0 ? part : sequence(comma, part))
  let items: Grammar = sequence()
  if (others && max > own.length) {
    const least = Math.max(0, min - own.length)
    items =
      own.length > 0
        ? repeat(sequence(comma, others), least, max - own.length)
        : sequence(others, repeat(sequence(comma, others), Math.max(0, least - 1), max - 1))
    if (own.length === 0 && least === 0) items = optional(items)
  }
  for (let i = own.length - 1; i >= 0; i--) {
    const from = sequence(separated(own[i]!, i), items)
    items = i < min ? from : optional(from)
  }
  return sequence(literal('['), space, items, space, literal(']'))
}

/** Any value, made once: rules are told apart by what they are. */
export const anyJson: Grammar = makeAnyJson()

/** Any object. */
export const anyJsonObject: Grammar = jsonObject([], anyJson)
export const anyJsonArray: Grammar = jsonArray([], anyJson, 0, Number.POSITIVE_INFINITY)

function makeAnyJson(): Grammar {
  const rule: Rule = { grammar: choice() }
  const value: Grammar = { kind: 'rule', rule }
  rule.grammar = choice(
    ...[jsonObject([], value), jsonArray([], value, 0, Number.POSITIVE_INFINITY)],
    ...[jsonString(), jsonNumber, jsonBoolean, jsonNull],
  )
  return value
}

function pair(codePoint: number): readonly [number, number] {
  return [codePoint, codePoint]
}
