// What a constraint lets a text be: a grammar whose rules may refer to each other and to themselves.
import { type Characters, characters } from './characters.ts'

export type Grammar =
  /** One character of the set. */
  | { kind: 'characters'; set: Characters }
  | { kind: 'sequence'; parts: readonly Grammar[] }
  | { kind: 'choice'; parts: readonly Grammar[] }
  /** At least `min` times, at most `max`, which may be Infinity. */
  | { kind: 'repeat'; part: Grammar; min: number; max: number }
  /** Items in their order with the separator between them; optional ones may be left out. `more` may follow any number of times. */
  | { kind: 'list'; items: readonly ListItem[]; separator: Grammar; more: Grammar | undefined }
  | { kind: 'rule'; rule: Rule }

export interface ListItem {
  part: Grammar
  optional: boolean
}

/** A part that several places share, or that holds itself. Its grammar is set once that is made. */
export interface Rule {
  grammar: Grammar
}

export const nothing: Grammar = { kind: 'choice', parts: [] }
export const empty: Grammar = { kind: 'sequence', parts: [] }

export function oneOfSet(set: Characters): Grammar {
  return { kind: 'characters', set }
}

export function literal(text: string): Grammar {
  return sequenceOf(Array.from(text, character => oneCharacter(character.codePointAt(0)!)))
}

/** Grammars of one character of ASCII, which most texts are made of. */
const ascii = Array.from({ length: 0x80 }, (_, codePoint) => oneOfSet(single(codePoint)))

export function oneCharacter(codePoint: number): Grammar {
  return ascii[codePoint] ?? oneOfSet(single(codePoint))
}

export function sequence(...parts: readonly Grammar[]): Grammar {
  return sequenceOf(parts)
}

/** sequence() of parts that may be more than a call can have arguments. */
export function sequenceOf(parts: readonly Grammar[]): Grammar {
  return { kind: 'sequence', parts }
}

export function choice(...parts: readonly Grammar[]): Grammar {
  return choiceOf(parts)
}

/** choice() of parts that may be more than a call can have arguments. */
export function choiceOf(parts: readonly Grammar[]): Grammar {
  return { kind: 'choice', parts }
}

export function repeat(part: Grammar, min = 0, max = Number.POSITIVE_INFINITY): Grammar {
  return { kind: 'repeat', part, min, max }
}

export function optional(part: Grammar): Grammar {
  return repeat(part, 0, 1)
}

export function list(items: readonly ListItem[], separator: Grammar, more?: Grammar): Grammar {
  return { kind: 'list', items, separator, more }
}

/** The part as a rule, of which there is one copy however many places refer to it. */
export function shared(part: Grammar): Grammar {
  return { kind: 'rule', rule: { grammar: part } }
}

/** How many states a part takes at the least, without those of rules, which are counted once each. */
export function leastStates(part: Grammar): number {
  switch (part.kind) {
    case 'characters':
      return 1
    case 'sequence':
    case 'choice':
      return part.parts.reduce((sum, inner) => sum + leastStates(inner), 0)
    case 'repeat':
      return part.max === 0 ? 0 : Math.max(1, part.min) * leastStates(part.part)
    case 'list':
      return part.items.reduce((sum, item) => sum + leastStates(item.part), 0)
    case 'rule':
      return 0
  }
}

function single(codePoint: number): Characters {
  return characters([codePoint, codePoint])
}
