// Reads the keywords of a JSON schema: each checked, and an error says which one is wrong, where.
import { optionName } from '../../calls/options.ts'
import { shown } from '../../data/shown.ts'
import { MtLlamaError, message } from '../../errors.ts'

export type JsonObject = Readonly<Record<string, unknown>>

export const jsonTypes = ['object', 'array', 'string', 'number', 'integer', 'boolean', 'null'] as const
export type JsonType = (typeof jsonTypes)[number]

/** Keywords that say something of values of one type. */
const keywordsOfType = {
  object: ['properties', 'required', 'additionalProperties'],
  array: ['prefixItems', 'items', 'minItems', 'maxItems'],
  string: ['minLength', 'maxLength', 'pattern', 'format'],
  number: ['minimum', 'maximum', 'exclusiveMinimum', 'exclusiveMaximum'],
}
const otherKeywords = ['type', 'enum', 'const', 'anyOf', 'oneOf', '$ref', '$defs', 'definitions']
/** They change no value; the last one is OpenAPI's, which pydantic writes beside oneOf. */
const annotations = [
  ...['title', 'description', 'default', 'examples', 'deprecated', 'readOnly', 'writeOnly'],
  ...['$schema', '$id', '$comment', 'discriminator'],
]
const allKeywords = [...Object.values(keywordsOfType).flat(), ...otherKeywords, ...annotations]

/** A schema within a schema. */
export class Schema {
  readonly value: boolean | JsonObject
  /** '#/properties/x' */
  readonly path: string

  /** @throws INVALID_ARGUMENT */
  constructor(value: unknown, path: string) {
    this.path = path
    if (typeof value !== 'boolean' && !isObject(value))
      throw this.wrong(`is ${shown(value)}; expected a schema: an object, true or false`)
    this.value = value
  }

  has(keyword: string): boolean {
    return this.at(keyword) !== undefined
  }

  /** @throws INVALID_ARGUMENT naming the first keyword that is not known here */
  checkKeywords(): void {
    const unknown = Object.keys(this.fields).find(keyword => !allKeywords.includes(keyword))
    if (unknown !== undefined)
      throw new MtLlamaError(
        'INVALID_ARGUMENT',
        message`${optionName('constraint')}: jsonSchema has the unsupported keyword ${shown(unknown)} at ${this.path}; supported are ${allKeywords.filter(keyword => !annotations.includes(keyword)).join(', ')}`,
      )
  }

  /** @param others that may stand beside it @throws INVALID_ARGUMENT where another keyword says something of the value too */
  checkAlone(keyword: string, others: readonly string[] = []): void {
    const known = [keyword, '$defs', 'definitions', ...others, ...annotations]
    const beside = Object.keys(this.fields).find(name => !known.includes(name))
    if (beside !== undefined)
      throw this.wrong(`has "${keyword}" beside "${beside}", which is not supported together`)
  }

  /** The types that values may have: where none is said, those that the keywords are of, or all. */
  types(): readonly JsonType[] {
    const type = this.at('type')
    if (type === undefined) {
      const implied = (Object.keys(keywordsOfType) as (keyof typeof keywordsOfType)[]).filter(name =>
        keywordsOfType[name].some(keyword => this.has(keyword)),
      )
      return implied.length > 0 ? implied : jsonTypes.filter(name => name !== 'integer')
    }
    const types = (Array.isArray(type) ? type : [type]) as unknown[]
    for (const name of types)
      if (!(jsonTypes as readonly unknown[]).includes(name))
        throw this.wrong(
          `has the "type" ${shown(name)}; expected one of ${jsonTypes.join(', ')}, or a list of them`,
        )
    return [...new Set(types as JsonType[])]
  }

  /** The schema of a keyword; undefined where it is not there. */
  child(keyword: string): Schema | undefined {
    const value = this.at(keyword)
    return value === undefined ? undefined : new Schema(value, `${this.path}/${keyword}`)
  }

  /** The schemas of a keyword by their names; none where it is not there. */
  children(keyword: string): Map<string, Schema> {
    const value = this.at(keyword) ?? {}
    if (!isObject(value))
      throw this.wrong(`has the "${keyword}" ${shown(value)}; expected an object of schemas`)
    return new Map(
      Object.entries(value).map(([name, part]) => [
        name,
        new Schema(part, `${this.path}/${keyword}/${escaped(name)}`),
      ]),
    )
  }

  list(keyword: string): Schema[] {
    const value = this.at(keyword)
    if (!Array.isArray(value) || value.length === 0)
      throw this.wrong(`has the "${keyword}" ${shown(value)}; expected a list of schemas`)
    return value.map((part: unknown, i) => new Schema(part, `${this.path}/${keyword}/${i}`))
  }

  names(keyword: string): string[] {
    const value = this.at(keyword) ?? []
    if (!Array.isArray(value) || !value.every(name => typeof name === 'string'))
      throw this.wrong(`has the "${keyword}" ${shown(value)}; expected a list of names`)
    return [...new Set(value as string[])]
  }

  string(keyword: string): string {
    const value = this.at(keyword)
    if (typeof value !== 'string') throw this.wrong(`has the "${keyword}" ${shown(value)}; expected a text`)
    return value
  }

  count(keyword: string): number | undefined {
    const value = this.at(keyword)
    if (value === undefined || (Number.isSafeInteger(value) && (value as number) >= 0)) return value as number
    throw this.wrong(`has the "${keyword}" ${shown(value)}; expected a whole number of 0 or more`)
  }

  number(keyword: string): number | undefined {
    const value = this.at(keyword)
    if (value === undefined || typeof value === 'number') return value
    throw this.wrong(`has the "${keyword}" ${shown(value)}; expected a number`)
  }

  /** The values of enum or const, whichever is there. */
  constants(): readonly unknown[] {
    if (!this.has('enum')) return [this.at('const')]
    const values = this.at('enum')
    if (Array.isArray(values) && values.length > 0) return values as unknown[]
    throw this.wrong(`has the "enum" ${shown(values)}; expected a list of values`)
  }

  /** The schema that a "$ref" of `from` means, this being the root. @throws INVALID_ARGUMENT */
  referred(from: Schema): Schema {
    const reference = from.string('$ref')
    const fail = () =>
      from.wrong(
        `has a "$ref" to ${shown(reference)}; expected one to a schema that is there, such as #/$defs/name`,
      )
    if (reference !== '#' && !reference.startsWith('#/')) throw fail()
    let value: unknown = this.value
    for (const part of reference.split('/').slice(1)) {
      const name = unescaped(part)
      const isThere = typeof value === 'object' && value !== null && Object.hasOwn(value, name)
      if (!isThere) throw fail()
      value = (value as JsonObject)[name]
    }
    return new Schema(value, reference)
  }

  /** The schema itself, or what it refers to, this being the root. */
  resolved(from: Schema): Schema {
    let at = from
    // As many references as a chain without a circle could have at the most are followed; a circle is found elsewhere.
    for (let i = 0; i < 100 && at.has('$ref'); i++) at = this.referred(at)
    return at
  }

  wrong(what: string): MtLlamaError {
    return new MtLlamaError(
      'INVALID_ARGUMENT',
      message`${optionName('constraint')}: jsonSchema at ${this.path} ${what}`,
    )
  }

  private at(keyword: string): unknown {
    return Object.hasOwn(this.fields, keyword) ? this.fields[keyword] : undefined
  }

  private get fields(): JsonObject {
    return typeof this.value === 'boolean' ? {} : this.value
  }
}

function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** A name as a part of a JSON pointer (RFC 6901). */
function escaped(name: string): string {
  return name.replaceAll('~', '~0').replaceAll('/', '~1')
}

function unescaped(part: string): string {
  let text = part
  try {
    text = decodeURIComponent(part)
  } catch {
    // A % that begins no escape stands for itself.
  }
  return text.replaceAll('~1', '/').replaceAll('~0', '~')
}
