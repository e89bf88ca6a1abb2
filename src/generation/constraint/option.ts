// The option that says what a text must be.
import { optionName, optionNames } from '../../calls/options.ts'
import { reading } from '../../calls/reading.ts'
import { shown } from '../../data/shown.ts'
import { MtLlamaError, message } from '../../errors.ts'
import { copiedSchema, schemaName, schemaTexts } from './json-schema.ts'
import { type Nfa, nfaOf } from './nfa.ts'
import { wholeMatches } from './regex.ts'

/** What a text must be: tokens that would make anything else of it are not chosen. */
export type Constraint =
  | {
      /**
       * A regular expression that the whole text matches, in the syntax of JavaScript. Lookahead and lookbehind, back
       * references, word boundaries, properties of Unicode (\p) and flags are refused; ^ and $ may stand at the ends.
       */
      regex: string
    }
  | {
      /**
       * A JSON schema (draft 2020-12): the text is JSON that is valid for it, without white space around it. `{}` and true are
       * any JSON, `{ type: 'object' }` any object. Properties come in the order of the schema, others only where
       * additionalProperties allows them by name. Keywords: type, enum, const, properties, required, additionalProperties,
       * prefixItems, items, minItems, maxItems, minLength, maxLength, pattern, format (of the usual ones), minimum, maximum, exclusiveMinimum,
       * exclusiveMaximum, anyOf, oneOf (where at most one can match) and $ref within the schema; annotations change nothing,
       * and any other keyword is refused by name.
       */
      jsonSchema: object | boolean
    }

const kinds = optionNames<{ regex: string; jsonSchema: object }>({ regex: true, jsonSchema: true })

/** A constraint that was read and checked. */
export interface ReadConstraint {
  /** The same for the same constraint. */
  key: string
  nfa: Nfa
}

/** @throws INVALID_ARGUMENT naming what is wrong or not supported */
export function readConstraint(value: unknown): ReadConstraint {
  const name = optionName('constraint')
  return reading(name, () => {
    const isObject = typeof value === 'object' && value !== null && !Array.isArray(value)
    const given = isObject ? Object.keys(value).filter(key => Reflect.get(value, key) !== undefined) : []
    const unknown = given.find(key => !kinds.includes(key))
    if (!isObject || given.length !== 1 || unknown !== undefined)
      throw new MtLlamaError(
        'INVALID_ARGUMENT',
        message`${name} is ${shown(value)}; expected { regex: '...' } or { jsonSchema: { ... } }`,
      )
    const { regex, jsonSchema } = value as { regex?: unknown; jsonSchema?: unknown }
    if (jsonSchema !== undefined) {
      const copy = copiedSchema(jsonSchema)
      return {
        key: `jsonSchema ${copy.text}`,
        nfa: nfaOf(schemaTexts(copy.value), schemaName()),
      }
    }
    if (typeof regex !== 'string')
      throw new MtLlamaError(
        'INVALID_ARGUMENT',
        message`${name} has the regex ${shown(regex)}; expected a text`,
      )
    const ofRegex = message`${name}: regex`
    return { key: `regex ${regex}`, nfa: nfaOf(wholeMatches(regex, ofRegex), ofRegex) }
  })
}
