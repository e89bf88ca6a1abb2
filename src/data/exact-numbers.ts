// Reads JSON with numbers as Python has them: 2.0 is a float and 2 an int, ints have any size, and NaN and Infinity are numbers.
// JavaScript tells none of these apart, and templates print them.
import { randomUUID } from 'node:crypto'
import { isRecord } from './record.ts'

/** A float that has no fraction, which a number of JavaScript cannot be told from an int by. */
export class WholeFloat {
  readonly value: number

  constructor(value: number) {
    this.value = value
  }

  /** Number() takes it for its value. */
  valueOf(): number {
    return this.value
  }
}

/** Strings whole, so that what looks like a number in one is left alone, and the numbers between them. */
const tokens = /"[^"\\]*(?:\\.[^"\\]*)*"|-?Infinity|NaN|-?\d[\d.eE+-]*/g
/** Whether a text may hold a number that JSON.parse() would give otherwise. */
const suspicious = /\d\.\d|\d[eE]|\d{16}|-0|NaN|Infinity/
const float = /^-?(?:0|[1-9]\d*)(?=[.eE])(?:\.\d+)?(?:[eE][+-]?\d+)?$/
const int = /^-?(?:0|[1-9]\d*)$/

/** Stands before a number in its text: no file can hold it by chance or on purpose. */
let mark: string | undefined

export interface ExactJson {
  /** What JSON.parse() gives, NaN and Infinity allowed. */
  plain: unknown
  /** The same with WholeFloat for a float without a fraction and bigint for an int above 2^53; `plain` where there is none. */
  exact: unknown
}

/** @throws SyntaxError as JSON.parse() does */
export function parseExactJson(text: string): ExactJson {
  if (!suspicious.test(text)) return alike(text)
  mark ??= `${randomUUID()} `
  const own = mark
  let count = 0
  const marked = text.replace(tokens, token => {
    if (token[0] === '"' || !isExact(token)) return token
    count++
    return `"${own}${token}"`
  })
  if (count === 0) return alike(text)
  try {
    const exact = JSON.parse(marked, (_, value) =>
      typeof value === 'string' && value.startsWith(own) ? exactNumber(value.slice(own.length)) : value,
    )
    return { exact, plain: plainNumbers(exact) }
  } catch {
    // The message is to be about the text as it is.
    return alike(text)
  }
}

function alike(text: string): ExactJson {
  const plain = JSON.parse(text)
  return { plain, exact: plain }
}

/** Whether a token is a number that JSON.parse() gives otherwise, or not at all. */
function isExact(token: string): boolean {
  if (/[NI]/.test(token)) return true
  const value = Number(token)
  if (float.test(token)) return Number.isSafeInteger(value)
  return int.test(token) && (!Number.isSafeInteger(value) || token === '-0')
}

function exactNumber(token: string): number | bigint | WholeFloat {
  if (/[NI]/.test(token)) return Number(token)
  if (float.test(token)) return new WholeFloat(Number(token))
  return token === '-0' ? 0 : BigInt(token)
}

/** The value with numbers of JavaScript in the place of exact ones. */
export function plainNumbers(value: unknown): unknown {
  if (value instanceof WholeFloat) return value.value
  if (typeof value === 'bigint') return Number(value)
  if (Array.isArray(value)) return value.map(plainNumbers)
  if (!isRecord(value) || value instanceof Date) return value
  return Object.fromEntries(Object.entries(value).map(([name, field]) => [name, plainNumbers(field)]))
}
