// Bodies of requests, described once: by JSON Schema they are checked, typed and documented.
import Type, { type Static, type TObject, type TProperties, type TSchema } from 'typebox'
import { Compile } from 'typebox/compile'
import { HttpError } from './http-error.ts'

export { type Static, type TObject, type TSchema, Type }

/** An object without other fields than these. */
export function object<Fields extends TProperties>(fields: Fields) {
  return Type.Object(fields, { additionalProperties: false })
}

/** A field that may be left out or null: clients send null for what they leave to the server. */
export function maybe<Schema extends TSchema>(schema: Schema) {
  return Type.Optional(Type.Union([schema, Type.Null()], descriptionOf(schema)))
}

/** @param words what it says in errors: 'a text, or a list of texts' */
export function oneOf<Schemas extends TSchema[]>(words: string, schemas: [...Schemas]) {
  return Type.Union(schemas, { description: words })
}

/** A check of bodies against the schema. */
export function checker<Schema extends TSchema>(schema: Schema): (body: unknown) => Static<Schema> {
  const validator = Compile(schema)
  return body => {
    if (validator.Check(body)) return body as Static<Schema>
    const part = beginOf(body)
    if (!validator.Check(part)) throw refusal(schema, validator.Errors(part))
    throw refusalAt(
      wrongField(body, part, each => validator.Check(each)),
      schema,
    )
  }
}

/** Values of a body that errors are looked for in: looking takes some 5 us for each, and a body may have millions. */
const searchedValues = 10_000

/** Levels of a body that are searched, more than any schema here describes. */
const searchedLevels = 16

/** The beginning of a body, of no more than so many values and levels: lists and objects are cut. */
function beginOf(body: unknown): unknown {
  let room = searchedValues
  const cut = (value: unknown, level: number): unknown => {
    room--
    if (typeof value !== 'object' || value === null) return value
    if (level === searchedLevels) return null
    if (Array.isArray(value)) return Array.from(taken(value), each => cut(each, level + 1))
    const fields = taken(Object.entries(value))
    return Object.fromEntries(Array.from(fields, ([name, each]) => [name, cut(each, level + 1)]))
  }
  function* taken<Entry>(entries: readonly Entry[]) {
    for (const [i, entry] of entries.entries()) {
      if (i > 0 && room <= 0) return
      yield entry
    }
  }
  return cut(body, 0)
}

/** The path of the field that is wrong, but not in the part of it that was searched. */
function wrongField(body: unknown, part: unknown, isRight: (body: unknown) => boolean): string[] {
  const fields = Object.entries(body as object)
  const wrong = fields.find(([name, value]) => !isRight({ ...(part as object), [name]: value }))
  return wrong ? [wrong[0]] : []
}

interface SchemaError {
  keyword: string
  instancePath: string
  message: string
  params: object
}

/** Names the first field that is wrong, by its own description where it has one. */
function refusal(schema: TSchema, errors: readonly SchemaError[]): HttpError {
  const unknown = errors.find(({ keyword }) => keyword === 'additionalProperties')
  if (unknown) {
    const [name] = (unknown.params as { additionalProperties: string[] }).additionalProperties
    return unknownField([...keysOf(unknown.instancePath), name!])
  }
  // Of many unknown fields no more is said than that they are.
  const refused = errors.find(({ keyword }) => keyword === 'boolean')
  if (refused) return unknownField(keysOf(refused.instancePath))
  const missing = errors.find(({ keyword }) => keyword === 'required')
  if (missing) {
    const [name] = (missing.params as { requiredProperties: string[] }).requiredProperties
    const param = [...keysOf(missing.instancePath), name].join('.')
    return new HttpError(400, `${param} is missing`, { param, code: 'missing_field' })
  }
  // The error of a union comes after those of its members, which say less.
  return refusalAt(keysOf(errors[0]?.instancePath ?? ''), schema, errors[0]?.message)
}

function unknownField(keys: readonly string[]): HttpError {
  const param = keys.join('.')
  return new HttpError(400, `unknown field ${param}`, { param, code: 'unknown_field' })
}

/** @param otherwise what is said of a field that has no description */
function refusalAt(keys: readonly string[], schema: TSchema, otherwise = 'is wrong'): HttpError {
  const param = keys.join('.')
  const expected = descriptionAt(schema, keys)
  const message = expected ? `expected ${expected}` : otherwise
  return new HttpError(400, `${param || 'the body'}: ${message}`, { param: param || undefined })
}

function keysOf(pointer: string): string[] {
  const parts = pointer.split('/').slice(1)
  return parts.map(part => part.replaceAll('~1', '/').replaceAll('~0', '~'))
}

/** The description of the innermost field of the path that has one; of the members of a union, the union has it. */
function descriptionAt(schema: unknown, keys: readonly string[]): string | undefined {
  let at = schema
  let found: string | undefined
  for (const key of keys) {
    const { properties, items } = (at ?? {}) as { properties?: Record<string, unknown>; items?: unknown }
    at = properties?.[key] ?? items
    found = descriptionOf(at).description ?? found
  }
  return found
}

function descriptionOf(schema: unknown): { description?: string } {
  const { description } = (schema ?? {}) as { description?: string }
  return description === undefined ? {} : { description }
}
