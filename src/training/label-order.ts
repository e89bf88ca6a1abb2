// Tells whether a set numbers its finer labels as its templates do: a wrong answer would else be trained in silence.
import type { RowTable } from '../data/row-table.ts'
import type { LabelRanges, TrainingSet } from './mixture.ts'
import { rowFields } from './row-fields.ts'

/** Rows that are looked at, spread over the set: another order shows in most of them. */
const maxRows = 100

/** @returns what disagrees, undefined where nothing does */
export async function otherLabelOrder(table: RowTable, set: TrainingSet): Promise<string | undefined> {
  const { labels } = set
  if (!labels) return undefined
  const step = Math.max(1, Math.floor(table.rows / maxRows))
  for (let index = 0; index < table.rows; index += step) {
    const row = await table.row(index)
    const wrong = disagreement(rowFields(row, set), labels)
    if (wrong !== undefined) return `${row.where}: ${wrong}`
  }
  return undefined
}

function disagreement(
  fields: Readonly<Record<string, unknown>>,
  { coarse, fine, starts }: LabelRanges,
): string | undefined {
  const [group, label] = [Number(fields[coarse]), Number(fields[fine])]
  const [start, end] = [starts[group], starts[group + 1]]
  if (start !== undefined && end !== undefined && label >= start && label < end) return undefined
  const wanted = start === undefined || end === undefined ? '' : `, where ${start} to ${end - 1} belong`
  return `${fine} is ${label} beside ${coarse} ${group}${wanted}`
}
