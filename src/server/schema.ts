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
    if (!validator.Check(body)) throw refusal(schema, validator.Errors(body))
    return body as Static<Schema>
  }
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
    const param = [...keysOf(unknown.instancePath), name].join('.')
    return new HttpError(400, `unknown field ${param}`, { param, code: 'unknown_field' })
  }
  const missing = errors.find(({ keyword }) => keyword === 'required')
  if (missing) {
    const [name] = (missing.params as { requiredProperties: string[] }).requiredProperties
    const param = [...keysOf(missing.instancePath), name].join('.')
    return new HttpError(400, `${param} is missing`, { param, code: 'missing_field' })
  }
  // The error of a union comes after those of its members, which say less.
  const keys = keysOf(errors[0]?.instancePath ?? '')
  const param = keys.join('.')
  const expected = descriptionAt(schema, keys)
  const message = expected ? `expected ${expected}` : (errors[0]?.message ?? 'is wrong')
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
