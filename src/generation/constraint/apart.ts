// Whether two schemas have no value in common, as far as that can be seen: what oneOf needs.
import { jsonTypes, type Schema } from './schema-fields.ts'

/** What is known of a schema's values without looking into them. */
export interface KnownValues {
  /** Types of the values; integers are numbers. A keyword of one type says nothing of values of the others. */
  types: ReadonlySet<string>
  /** The values where the schema lists them, each as JSON; not of objects and arrays, which may be the same and be spelt otherwise. */
  constants: ReadonlySet<string> | undefined
  /** The constants of properties that are required. */
  tags: ReadonlyMap<string, ReadonlySet<string>>
}

/** @returns undefined where what is said of the values is not all said by the schema itself */
export function knownValues(schema: Schema): KnownValues | undefined {
  if (!isPlain(schema)) return undefined
  const types = typesOf(schema)
  return { types, constants: constantsOf(schema), tags: tagsOf(schema, types) }
}

export function areApart(a: KnownValues, b: KnownValues): boolean {
  if (a.constants && b.constants) return !overlap(a.constants, b.constants)
  if (!overlap(a.types, b.types)) return true
  // A property that both require, with other constants.
  const [few, many] = a.tags.size < b.tags.size ? [a.tags, b.tags] : [b.tags, a.tags]
  return [...few].some(([name, constants]) => {
    const others = many.get(name)
    return others !== undefined && !overlap(constants, others)
  })
}

function isPlain(schema: Schema): boolean {
  return typeof schema.value === 'object' && !['$ref', 'anyOf', 'oneOf'].some(keyword => schema.has(keyword))
}

function constantsOf(schema: Schema): Set<string> | undefined {
  const constants = listed(schema)
  if (!constants || constants.some(value => typeof value === 'object' && value !== null)) return undefined
  return new Set(constants.map(value => JSON.stringify(value)))
}

function listed(schema: Schema): readonly unknown[] | undefined {
  return schema.has('enum') || schema.has('const') ? schema.constants() : undefined
}

function typesOf(schema: Schema): Set<string> {
  const names = schema.has('type') ? schema.types() : (listed(schema)?.map(typeOf) ?? jsonTypes)
  return new Set(names.map(name => (name === 'integer' ? 'number' : name)))
}

function typeOf(value: unknown): string {
  return value === null ? 'null' : Array.isArray(value) ? 'array' : typeof value
}

function tagsOf(schema: Schema, types: ReadonlySet<string>): Map<string, Set<string>> {
  const tags = new Map<string, Set<string>>()
  if ([...types].some(type => type !== 'object')) return tags
  const required = new Set(schema.names('required'))
  for (const [name, part] of schema.children('properties')) {
    const constants = required.has(name) && isPlain(part) ? constantsOf(part) : undefined
    if (constants) tags.set(name, constants)
  }
  return tags
}

function overlap(a: ReadonlySet<string>, b: ReadonlySet<string>): boolean {
  const [few, many] = a.size < b.size ? [a, b] : [b, a]
  for (const value of few) if (many.has(value)) return true
  return false
}
