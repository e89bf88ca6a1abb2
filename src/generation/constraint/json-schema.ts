// Reads a JSON schema (draft 2020-12), as far as an automaton can follow it, as the grammar of texts that are valid JSON for it.
import { optionName } from '../../calls/options.ts'
import { shown } from '../../data/shown.ts'
import { MtLlamaError, message } from '../../errors.ts'
import { areApart, type KnownValues, knownValues } from './apart.ts'
import { formats } from './formats.ts'
import {
  choice,
  choiceOf,
  type Grammar,
  leastStates,
  literal,
  nothing,
  type Rule,
  shared,
} from './grammar.ts'
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
import { maxStates, tooLarge } from './nfa.ts'
import { boundedInteger, boundedNumber } from './number-range.ts'
import { circleOf, type Step } from './reference-circle.ts'
import { partMatches } from './regex.ts'
import { type JsonObject, type JsonType, jsonTypes, Schema } from './schema-fields.ts'

/** Schemas in schemas, and first items of arrays: each takes a part of the stack. */
const maxNesting = 100
/** Characters of a schema: reading it is not to hold the event loop. */
const maxLength = 200_000
/** Pairs of branches, over all "oneOf" of a schema: enough for 300 of one. */
const maxPairs = 45_000
/** Characters of a property's name beside other properties: each takes a part of the stack. */
const maxNameLength = 250

/** What errors call the whole schema. */
export const schemaName = () => message`${optionName('constraint')}: jsonSchema`

/** @throws INVALID_ARGUMENT naming the keyword that is wrong or not supported, and where it is */
export function schemaTexts(root: unknown): Grammar {
  return new SchemaReader(root).grammar()
}

class SchemaReader {
  private readonly root: Schema
  private readonly rules = new Map<string, Rule>()
  /** References that lead to others without a value between. */
  private readonly steps: Step[] = []
  /** What is known of the values of references, for "oneOf". */
  private readonly known = new Map<string, KnownValues | undefined>()
  /** The texts of patterns, of which many places may have the same one. */
  private readonly patterns = new Map<string, Grammar>()
  private nesting = 0
  private pairs = 0
  private states = 0
  private innerIds: number | undefined

  constructor(root: unknown) {
    this.root = new Schema(root, '#')
  }

  grammar(): Grammar {
    const grammar = this.value(this.root, '#')
    const circle = circleOf(this.steps)
    if (circle)
      throw circle.schema.wrong(`has a "$ref" to ${circle.to}, which leads to itself without a value between`)
    return grammar
  }

  /** @param from the reference that led here without a value between; undefined where there is one */
  private value(schema: Schema, from: string | undefined): Grammar {
    if (++this.nesting > maxNesting) throw schema.wrong(`is nested deeper than ${maxNesting} schemas`)
    const grammar =
      schema.value === true ? anyJson : schema.value === false ? nothing : this.keywords(schema, from)
    this.nesting--
    return grammar
  }

  private keywords(schema: Schema, from: string | undefined): Grammar {
    schema.checkKeywords()
    if (schema.has('$ref')) return this.reference(schema, from)
    if (schema.has('anyOf') || schema.has('oneOf')) return this.branches(schema, from)
    if (schema.has('enum') || schema.has('const')) return this.counted(constants(schema))
    return choice(...schema.types().map(type => this.ofType(schema, type)))
  }

  private reference(schema: Schema, from: string | undefined): Grammar {
    schema.checkAlone('$ref')
    this.innerIds ??= innerIds(this.root)
    if (this.innerIds > 0)
      throw schema.wrong('has a "$ref" in a schema with an "$id" within it, which is not supported together')
    const target = this.root.referred(schema)
    if (from !== undefined) this.steps.push({ schema, from, to: target.path })
    let rule = this.rules.get(target.path)
    if (!rule) {
      rule = { grammar: nothing }
      this.rules.set(target.path, rule)
      rule.grammar = this.value(target, target.path)
    }
    return { kind: 'rule', rule }
  }

  private branches(schema: Schema, from: string | undefined): Grammar {
    const keyword = schema.has('anyOf') ? 'anyOf' : 'oneOf'
    schema.checkAlone(keyword)
    const parts = schema.list(keyword)
    if (keyword === 'oneOf') this.checkApart(schema, parts)
    return choiceOf(parts.map(part => this.value(part, from)))
  }

  /** @throws INVALID_ARGUMENT unless no value is of two of the branches, as far as that can be seen */
  private checkApart(schema: Schema, branches: readonly Schema[]): void {
    this.pairs += (branches.length * (branches.length - 1)) / 2
    if (this.pairs > maxPairs) throw schema.wrong('has a "oneOf" of more schemas than can be told apart')
    const all = branches.map(branch => ({ branch, values: this.knownValues(branch) }))
    for (const [i, a] of all.entries())
      for (const b of all.slice(i + 1))
        if (!a.values || !b.values || !areApart(a.values, b.values))
          throw schema.wrong(
            `has a "oneOf" of which ${this.root.resolved(a.branch).path} and ${this.root.resolved(b.branch).path} may both match; expected other types, or a required property of other constants`,
          )
  }

  private knownValues(branch: Schema): KnownValues | undefined {
    if (!branch.has('$ref')) return knownValues(branch)
    const reference = branch.string('$ref')
    if (!this.known.has(reference)) this.known.set(reference, knownValues(this.root.resolved(branch)))
    return this.known.get(reference)
  }

  private ofType(schema: Schema, type: JsonType): Grammar {
    switch (type) {
      case 'object':
        return this.object(schema)
      case 'array':
        return this.array(schema)
      case 'string':
        return this.counted(this.text(schema))
      case 'number':
        return this.counted(boundedNumber(schema) ?? jsonNumber)
      case 'integer':
        return this.counted(boundedInteger(schema) ?? jsonInteger)
      case 'boolean':
        return jsonBoolean
      case 'null':
        return jsonNull
    }
  }

  private counted(part: Grammar): Grammar {
    this.count(leastStates(part))
    return part
  }

  /** Ends reading where a schema will take too many states: its grammar could be far larger than itself. */
  private count(states: number): void {
    this.states += states
    if (this.states > maxStates) throw tooLarge(schemaName())
  }

  private object(schema: Schema): Grammar {
    const properties = schema.children('properties')
    const required = new Set(schema.names('required'))
    const others = schema.child('additionalProperties')
    if (properties.size === 0 && required.size === 0 && !others) return anyJsonObject
    const value = (part: Schema | undefined) => (part ? shared(this.value(part, undefined)) : anyJson)
    const members: JsonMember[] = []
    for (const [name, part] of properties) {
      this.count(name.length)
      members.push({ name, value: value(part), optional: !required.has(name) })
    }
    for (const name of required)
      if (!properties.has(name)) members.push({ name, value: value(others), optional: false })
    const long = others && members.find(({ name }) => name.length > maxNameLength)
    if (long)
      throw schema.wrong(
        `has a property whose name has ${long.name.length} characters beside "additionalProperties"; expected at most ${maxNameLength}`,
      )
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
    const value = (part: Schema) => shared(this.value(part, undefined))
    const others = items ? value(items) : anyJson
    if (items?.value === false && min > first.length) return nothing
    return jsonArray(first.map(value), items?.value === false ? undefined : others, min, max)
  }

  private text(schema: Schema): Grammar {
    const min = schema.count('minLength') ?? 0
    const max = schema.count('maxLength') ?? Number.POSITIVE_INFINITY
    if (min > max) throw schema.wrong(`has "minLength" ${min} above "maxLength" ${max}`)
    const pattern = patternOf(schema)
    if (pattern === undefined) return jsonString(min, max)
    if (schema.has('minLength') || schema.has('maxLength'))
      throw schema.wrong('has a "pattern" or "format" beside a length, which is not supported together')
    const name = message`${schemaName()}'s pattern at ${schema.path}`
    const texts = this.patterns.get(pattern) ?? jsonStringOf(partMatches(pattern, name))
    this.patterns.set(pattern, texts)
    return texts
  }
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
  return choiceOf(values.map(value => literal(JSON.stringify(value))))
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

/** How often "$id" stands within the root: references below it would begin there. */
function innerIds(root: Schema): number {
  let count = root.has('$id') ? -1 : 0
  JSON.stringify(root.value, (key, value: unknown) => {
    if (key === '$id' && typeof value === 'string') count++
    return value
  })
  return count
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
