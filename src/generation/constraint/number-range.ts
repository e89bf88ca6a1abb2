// Numbers between bounds, as grammars of their digits.
import { characters } from './characters.ts'
import { choice, type Grammar, literal, nothing, oneOfSet, optional, repeat, sequence } from './grammar.ts'
import { maxDigits } from './json-text.ts'
import type { Schema } from './schema-fields.ts'

const digit = digits(0, 9)
/** The largest integer that is written where there is no bound. */
const largest = 10 ** maxDigits - 1
/** Digits after the point, and the bounds that a number may have with them: a double holds all such numbers apart. */
const fractionDigits = 6
const largestBound = 1e9

/** The integers of a schema with bounds; undefined where it has none. @throws INVALID_ARGUMENT */
export function boundedInteger(schema: Schema): Grammar | undefined {
  const bounds = boundsOf(schema)
  if (!bounds) return undefined
  const { min, max, aboveMin, belowMax } = bounds
  const first = Math.max(-largest, aboveMin ? Math.floor(min) + 1 : Math.ceil(min))
  const last = Math.min(largest, belowMax ? Math.ceil(max) - 1 : Math.floor(max))
  if (first > largest || last < -largest)
    throw schema.wrong(
      `bounds an "integer" by ${first > largest ? min : max}; expected at most ${maxDigits} digits`,
    )
  return integers(first, last)
}

/** The numbers of a schema with bounds, which must be whole; undefined where it has none. @throws INVALID_ARGUMENT */
export function boundedNumber(schema: Schema): Grammar | undefined {
  const bounds = boundsOf(schema)
  if (!bounds) return undefined
  const { min, max, aboveMin, belowMax } = bounds
  for (const bound of [min, max])
    if (Number.isFinite(bound) && !(Number.isInteger(bound) && Math.abs(bound) <= largestBound))
      throw schema.wrong(`bounds a "number" by ${bound}; expected a whole number up to ${largestBound}`)
  const [first, last] = [Math.max(min, -largest), Math.min(max, largest)]
  const anyFraction = optional(sequence(literal('.'), repeat(digit, 1, fractionDigits)))
  const someFraction = sequence(literal('.'), repeat(digit, 0, fractionDigits - 1), digits(1, 9))
  const parts: Grammar[] = []
  // Where the bounds are one number, either of them may leave it out.
  const isLeftOut = (bound: number) => (aboveMin && bound === min) || (belowMax && bound === max)
  if (!isLeftOut(first)) parts.push(integers(first, Math.min(first, last)))
  if (!isLeftOut(last)) parts.push(integers(Math.max(first, last), last))
  // Away from zero, a fraction leads from an integer towards the next one.
  if (last > 0) {
    const from = Math.max(first, 0)
    parts.push(sequence(integers(from, Math.min(from, last - 1)), someFraction))
    parts.push(sequence(integers(from + 1, last - 1), anyFraction))
  }
  if (first < 0) {
    const from = Math.min(last, 0)
    parts.push(sequence(literal('-'), naturals(-from, Math.min(-from, -first - 1)), someFraction))
    parts.push(sequence(integers(first + 1, from - 1), anyFraction))
  }
  if (first < 0 && last > 0) parts.push(literal('0'))
  return choice(...parts)
}

interface Bounds {
  min: number
  max: number
  /** Whether the bound itself is left out. */
  aboveMin: boolean
  belowMax: boolean
}

function boundsOf(schema: Schema): Bounds | undefined {
  const [min, max] = [schema.number('minimum'), schema.number('maximum')]
  const [above, below] = [schema.number('exclusiveMinimum'), schema.number('exclusiveMaximum')]
  if ([min, max, above, below].every(bound => bound === undefined)) return undefined
  const aboveMin = above !== undefined && above >= (min ?? Number.NEGATIVE_INFINITY)
  const belowMax = below !== undefined && below <= (max ?? Number.POSITIVE_INFINITY)
  return {
    min: aboveMin ? above : (min ?? Number.NEGATIVE_INFINITY),
    max: belowMax ? below : (max ?? Number.POSITIVE_INFINITY),
    ...{ aboveMin, belowMax },
  }
}

/** The integers from `first` to `last`; none where there is none. */
function integers(first: number, last: number): Grammar {
  const below = first < 0 ? sequence(literal('-'), naturals(Math.max(1, -last), -first)) : nothing
  return choice(below, naturals(Math.max(0, first), last))
}

function naturals(first: number, last: number): Grammar {
  const parts: Grammar[] = []
  for (let from = first; from <= last; ) {
    const to = Math.min(last, 10 ** `${from}`.length - 1)
    parts.push(ofOneLength(`${from}`, `${to}`))
    from = to + 1
  }
  return choice(...parts)
}

/** The numbers between two of as many digits. */
function ofOneLength(first: string, last: string): Grammar {
  if (/^0*$/.test(first) && /^9*$/.test(last)) return repeat(digit, first.length, first.length)
  const rest = first.length - 1
  const [low, high] = [Number(first[0]), Number(last[0])]
  if (low === high) return sequence(digits(low, low), ofOneLength(first.slice(1), last.slice(1)))
  // The digits between leave all others free; the first and the last bound what follows them.
  return choice(
    sequence(digits(low, low), ofOneLength(first.slice(1), '9'.repeat(rest))),
    ...(low + 1 < high ? [sequence(digits(low + 1, high - 1), repeat(digit, rest, rest))] : []),
    sequence(digits(high, high), ofOneLength('0'.repeat(rest), last.slice(1))),
  )
}

function digits(first: number, last: number): Grammar {
  return oneOfSet(characters([0x30 + first, 0x30 + last]))
}
