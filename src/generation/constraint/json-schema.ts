// Reads a JSON schema (draft 2020-12), as far as an automaton can follow it, as the grammar of texts that are valid JSON for it.
import { optionName } from '../../calls/options.ts'
import { shown } from '../../data/shown.ts'
import { MtLlamaError, message } from '../../errors.ts'
import { areApart } from './apart.ts'
import { formats } from './formats.ts'
import { choice, type Grammar, literal, nothing, type Rule, shared } from './grammar.ts'
import {
  anyJson,
  anyJsonArray,
  anyJsonObject,
  type JsonMember,
  jsonArray,
  jsonBoolean,
  jsonInteger,
  jsonNull,
  jsonNumber,
  jsonObject,
  jsonString,
  jsonStringOf,
} from './json-text.ts'
import { boundedInteger, boundedNumber } from './number-range.ts'
import { partMatches } from './regex.ts'
import { type JsonObject, type JsonType, jsonTypes, Schema } from './schema-fields.ts'

/** Schemas in schemas, and first items of arrays: each takes a part of the stack. */
const maxNesting = 100
/** Characters of a schema: reading it is not to hold the event loop. */
const maxLength = 200_000

/** @throws INVALID_ARGUMENT naming the keyword that is wrong or not supported, and where it is */
export function schemaTexts(root: unknown): Grammar {
  return new SchemaReader(root).grammar()
}

class SchemaReader {
  private readonly root: Schema
  private readonly rules = new Map<string, Rule>()
  private nesting = 0

  constructor(root: unknown) {
    this.root = new Schema(root, '#')
  }

  grammar(): Grammar {
    return this.value(this.root, new Set(['#']))
  }

  /** @param open the references that led here without a value between: one of them again would hold itself */
  private value(schema: Schema, open: ReadonlySet<string>): Grammar {
    if (++this.nesting > maxNesting) throw schema.wrong(`is nested deeper than ${maxNesting} schemas`)
    const grammar =
      schema.value === true ? anyJson : schema.value === false ? nothing : this.keywords(schema, open)
    this.nesting--
    return grammar
  }

  private keywords(schema: Schema, open: ReadonlySet<string>): Grammar {
    schema.checkKeywords()
    if (schema.has('$ref')) return this.reference(schema, open)
    if (schema.has('anyOf') || schema.has('oneOf')) return this.branches(schema, open)
    if (schema.has('enum') || schema.has('const')) return constants(schema)
    return choice(...schema.types().map(type => this.ofType(schema, type)))
  }

  private reference(schema: Schema, open: ReadonlySet<string>): Grammar {
    schema.checkAlone('$ref')
    const target = this.root.referred(schema)
    if (open.has(target.path))
      throw schema.wrong(`has a "$ref" to ${target.path}, which leads to itself without a value between`)
    let rule = this.rules.get(target.path)
    if (!rule) {
      rule = { grammar: nothing }
      this.rules.set(target.path, rule)
      rule.grammar = this.value(target, new Set([...open, target.path]))
    }
    return { kind: 'rule', rule }
  }

  private branches(schema: Schema, open: ReadonlySet<string>): Grammar {
    const keyword = schema.has('anyOf') ? 'anyOf' : 'oneOf'
    schema.checkAlone(keyword)
    const parts = schema.list(keyword)
    if (keyword === 'oneOf') {
      const own = parts.map(part => this.root.resolved(part))
      for (const [i, a] of own.entries())
        for (const b of own.slice(i + 1))
          if (!areApart(a, b))
            throw schema.wrong(
              `has a "oneOf" of which ${a.path} and ${b.path} may both match; expected other types, or a required property of other constants`,
            )
    }
    return choice(...parts.map(part => this.value(part, open)))
  }

  private ofType(schema: Schema, type: JsonType): Grammar {
    switch (type) {
      case 'object':
        return this.object(schema)
      case 'array':
        return this.array(schema)
      case 'string':
        return text(schema)
      case 'number':
        return boundedNumber(schema) ?? jsonNumber
      case 'integer':
        return boundedInteger(schema) ?? jsonInteger
      case 'boolean':
        return jsonBoolean
      case 'null':
        return jsonNull
    }
  }

  private object(schema: Schema): Grammar {
    const properties = schema.children('properties')
    const required = schema.names('required')
    const others = schema.child('additionalProperties')
    if (properties.size === 0 && required.length === 0 && !others) return anyJsonObject
    const value = (part: Schema | undefined) => (part ? shared(this.value(part, new Set())) : anyJson)
    const members: JsonMember[] = []
    for (const [name, part] of properties)
      members.push({ name, value: value(part), optional: !required.includes(name) })
    for (const name of required)
      if (!properties.has(name)) members.push({ name, value: value(others), optional: false })
    // Without a word of them, objects with properties have those alone.
    return jsonObject(members, others && value(others))
  }

  private array(schema: Schema): Grammar {
    const first = schema.has('prefixItems') ? schema.list('prefixItems') : []
    if (first.length > maxNesting) throw schema.wrong(`has more than ${maxNesting} "prefixItems"`)
    const items = schema.child('items')
    const min = schema.count('minItems') ?? 0
    const max = schema.count('maxItems') ?? Number.POSITIVE_INFINITY
    if (min > max) throw schema.wrong(`has "minItems" ${min} above "maxItems" ${max}`)
    if (first.length === 0 && !items && min === 0 && max === Number.POSITIVE_INFINITY) return anyJsonArray
    const value = (part: Schema) => shared(this.value(part, new Set()))
    const others = items ? value(items) : anyJson
    if (items?.value === false && min > first.length) return nothing
    return jsonArray(first.map(value), items?.value === false ? undefined : others, min, max)
  }
}

function text(schema: Schema): Grammar {
  const min = schema.count('minLength') ?? 0
  const max = schema.count('maxLength') ?? Number.POSITIVE_INFINITY
  if (min > max) throw schema.wrong(`has "minLength" ${min} above "maxLength" ${max}`)
  const pattern = patternOf(schema)
  if (pattern === undefined) return jsonString(min, max)
  if (schema.has('minLength') || schema.has('maxLength'))
    throw schema.wrong('has a "pattern" or "format" beside a length, which is not supported together')
  const name = message`${optionName('constraint')}: jsonSchema's pattern at ${schema.path}`
  return jsonStringOf(partMatches(pattern, name))
}

/** Beside a pattern a format is a note for readers, as it is everywhere by the words of the draft. */
function patternOf(schema: Schema): string | undefined {
  if (schema.has('pattern')) return schema.string('pattern')
  if (!schema.has('format')) return undefined
  const format = schema.string('format')
  if (Object.hasOwn(formats, format)) return formats[format]!
  throw schema.wrong(
    `has the "format" ${shown(format)}; supported are ${Object.keys(formats).join(', ')}, and any beside a "pattern"`,
  )
}

/** The values of enum or const that are of the schema's type. */
function constants(schema: Schema): Grammar {
  schema.checkAlone(schema.has('enum') ? 'enum' : 'const', ['type'])
  const types = schema.has('type') ? schema.types() : jsonTypes
  const values = schema.constants().filter(value => types.some(type => isOfType(value, type)))
  return choice(...values.map(value => literal(JSON.stringify(value))))
}

function isOfType(value: unknown, type: JsonType): boolean {
  switch (type) {
    case 'integer':
      return Number.isInteger(value)
    case 'null':
      return value === null
    case 'array':
      return Array.isArray(value)
    case 'object':
      return typeof value === 'object' && value !== null && !Array.isArray(value)
    default:
      return typeof value === type
  }
}

/** A copy of a schema that the caller cannot change, and its text. @throws INVALID_ARGUMENT for what is none */
export function copiedSchema(schema: unknown): { value: boolean | JsonObject; text: string } {
  const isSchema =
    typeof schema === 'boolean' || (typeof schema === 'object' && schema !== null && !Array.isArray(schema))
  const text = isSchema ? JSON.stringify(schema) : undefined
  if (text === undefined)
    throw new MtLlamaError(
      'INVALID_ARGUMENT',
      message`${optionName('constraint')} has the jsonSchema ${shown(schema)}; expected a JSON schema: an object, true or false`,
    )
  if (text.length > maxLength)
    throw new MtLlamaError(
      'INVALID_ARGUMENT',
      message`${optionName('constraint')} has a jsonSchema of ${text.length} characters; expected at most ${maxLength}`,
    )
  return { value: JSON.parse(text) as boolean | JsonObject, text }
}
