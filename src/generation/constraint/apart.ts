// Whether two schemas have no value in common, as far as that can be seen: what oneOf needs.
import { jsonTypes, type Schema } from './schema-fields.ts'

export function areApart(a: Schema, b: Schema): boolean {
  if (isPlain(a) && isPlain(b)) {
    const [constantsOfA, constantsOfB] = [constantsOf(a), constantsOf(b)]
    if (constantsOfA && constantsOfB) return !overlap(constantsOfA, constantsOfB)
    if (!overlap(typesOf(a), typesOf(b))) return true
    return haveOtherTags(a, b)
  }
  return false
}

/** Whether all that is said of the values is said by the schema itself. */
function isPlain(schema: Schema): boolean {
  return typeof schema.value === 'object' && !['$ref', 'anyOf', 'oneOf'].some(keyword => schema.has(keyword))
}

/** The values of a schema where it lists them; not of objects and arrays, which may be the same and be spelt otherwise. */
function constantsOf(schema: Schema): string[] | undefined {
  const constants = listed(schema)
  if (!constants || constants.some(value => typeof value === 'object' && value !== null)) return undefined
  return constants.map(value => JSON.stringify(value))
}

function listed(schema: Schema): readonly unknown[] | undefined {
  return schema.has('enum') || schema.has('const') ? schema.constants() : undefined
}

/** The types of values; integers are numbers. A keyword of one type says nothing of values of the others. */
function typesOf(schema: Schema): readonly string[] {
  const names = schema.has('type') ? schema.types() : (listed(schema)?.map(typeOf) ?? jsonTypes)
  return names.map(name => (name === 'integer' ? 'number' : name))
}

function typeOf(value: unknown): string {
  return value === null ? 'null' : Array.isArray(value) ? 'array' : typeof value
}

/** Whether both have a property that is required and of which no constant is one of the other's. */
function haveOtherTags(a: Schema, b: Schema): boolean {
  const [ofA, ofB] = [tagsOf(a), tagsOf(b)]
  return [...ofA].some(([name, constants]) => {
    const others = ofB.get(name)
    return others !== undefined && !overlap(constants, others)
  })
}

function tagsOf(schema: Schema): Map<string, string[]> {
  const tags = new Map<string, string[]>()
  if (typesOf(schema).some(type => type !== 'object')) return tags
  const required = schema.names('required')
  for (const [name, part] of schema.children('properties')) {
    const constants = isPlain(part) ? constantsOf(part) : undefined
    if (constants && required.includes(name)) tags.set(name, constants)
  }
  return tags
}

function overlap(a: readonly string[], b: readonly string[]): boolean {
  return a.some(value => b.includes(value))
}
