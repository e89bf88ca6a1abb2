// Reads a table of comma-separated values with the types of its columns, as Hugging Face's datasets reads one with pandas.
import { parse } from 'csv-parse/sync'
import { MtLlamaError } from '../errors.ts'
import { shown } from './shown.ts'

/** What pandas.read_csv() takes for a cell without a value. */
const absent = new Set([
  ...['', '#N/A', '#N/A N/A', '#NA', '-1.#IND', '-1.#QNAN', '-NaN', '-nan', '1.#IND', '1.#QNAN', '<NA>'],
  ...['N/A', 'NA', 'NULL', 'NaN', 'None', 'n/a', 'nan', 'null'],
])
const truths: ReadonlyMap<string, boolean> = new Map([
  ...['True', 'TRUE', 'true'].map(word => [word, true] as const),
  ...['False', 'FALSE', 'false'].map(word => [word, false] as const),
])
const whole = /^\s*[+-]?\d+\s*$/
const decimal = /^\s*[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?\s*$/

/**
 * The rows under a header line. A column is of whole numbers, of other numbers or of true and false where all its cells are,
 * else of texts; a cell without a value is null.
 * @throws DATA_INVALID naming the file, and the column whose numbers this program cannot tell apart as Python does
 */
export function parseCsv(text: string, file: string): Record<string, unknown>[] {
  const invalid = (what: string) => new MtLlamaError('DATA_INVALID', `${file}: ${what}.`)
  let table: string[][]
  try {
    table = parse(text, { bom: true, skip_empty_lines: true, relax_column_count_less: true })
  } catch (error) {
    throw invalid(`not readable as CSV (${(error as Error).message})`)
  }
  const [header = [], ...rows] = table
  const twice = header.find((name, i) => header.indexOf(name) !== i)
  if (twice !== undefined) throw invalid(`two columns are called ${shown(twice)}`)
  const columns = header.map((name, i) =>
    typed(
      rows.map(row => row[i] ?? ''),
      why => invalid(`column ${shown(name)} ${why}; write the rows as JSONL, which says what is a text`),
    ),
  )
  return rows.map((_, place) => Object.fromEntries(header.map((name, i) => [name, columns[i]![place]])))
}

function typed(cells: readonly string[], wrong: (why: string) => MtLlamaError): unknown[] {
  const values = cells.map(cell => (absent.has(cell) ? null : cell))
  const there = values.filter(value => value !== null)
  const all = (is: (value: string) => boolean) => there.length > 0 && there.every(is)
  const hasGaps = there.length < values.length
  if (all(value => decimal.test(value))) {
    const numbers = values.map(value => (value === null ? null : Number(value)))
    const areWhole = all(value => whole.test(value))
    if (areWhole && numbers.some(one => one !== null && !Number.isSafeInteger(one)))
      throw wrong('holds whole numbers above 2^53')
    // Python prints such a number as 2.0, and a number here does not know whether it is one.
    if (!areWhole && numbers.some(Number.isInteger)) throw wrong('holds whole numbers among others')
    if (areWhole && hasGaps) throw wrong('holds whole numbers and empty cells')
    return numbers
  }
  if (all(value => truths.has(value)) && !hasGaps) return there.map(value => truths.get(value))
  return values
}
