// The fields of a row as the templates of its set name them.
import type { Row } from '../data/row.ts'
import { MtLlamaError } from '../errors.ts'
import type { Example } from '../prompts/prompt-template.ts'
import type { TrainingSet } from './mixture.ts'

/** @throws DATA_INVALID for a row that lacks a field that templates of the set name, which they would take for empty */
export function rowFields(row: Row, { name, fields, aliases, defaults }: TrainingSet): Example {
  const example: Record<string, unknown> = Object.fromEntries(
    row.names().map(field => [field, row.exact(field)]),
  )
  for (const [field, alias] of Object.entries(aliases))
    if (row.isAbsent(field) && !row.isAbsent(alias)) example[field] = row.exact(alias)
  for (const [field, value] of Object.entries(defaults)) if (row.isAbsent(field)) example[field] ??= value
  const missing = fields.find(field => example[field] === undefined)
  if (missing === undefined) return example
  throw new MtLlamaError(
    'DATA_INVALID',
    `${row.where}: no field "${missing}"; templates of ${name} name ${fields.join(', ')}, and the row has ${row.names().join(', ') || 'no fields'}.`,
  )
}
