// Finds a data file in a folder and reads its rows: JSONL, JSON, TSV, CSV or Parquet (docs/data.md).
import { constants as bufferConstants } from 'node:buffer'
import { readdir, stat } from 'node:fs/promises'
import { basename, dirname, extname, join } from 'node:path'
import { MtLlamaError } from '../errors.ts'
import { parseCsv } from './csv.ts'
import { parseExactJson } from './exact-numbers.ts'
import { type Line, notReadable, openData, parseRowLine, readLines } from './lines.ts'
import { parquetFields } from './parquet.ts'
import { isRecord } from './record.ts'
import { Row } from './row.ts'
import { shown } from './shown.ts'

const readers = {
  '.jsonl': jsonlRows,
  '.json': jsonRows,
  '.tsv': tsvRows,
  '.csv': csvRows,
  '.parquet': parquetRows,
}
/** The endings of the files that are read. */
export const endings = Object.keys(readers)

/**
 * Finds the files that hold a table's rows: one, or the shards of one Parquet table in order.
 * @param title names the table in messages
 * @param folder the folder to look in, itself inside a data folder
 * @param stems file names without their ending, in order of preference, some in a folder inside ('en/test'); the first one
 * that exists is taken
 * @throws DATA_NOT_FOUND naming every name looked for
 */
export async function findDataFiles(
  title: string,
  folder: string,
  stems: readonly string[],
): Promise<string[]> {
  const found = await namesIn(folder)
  for (const stem of found ? stems : []) {
    const place = join(folder, dirname(stem))
    const names = await namesIn(place)
    if (!names) continue
    const file = basename(stem)
    const ending = endings.find(candidate => names.includes(file + candidate))
    if (ending) return [join(place, file + ending)]
    const shards = parquetShards(names, file)
    if (shards.length > 0) return checkShards(shards, place)
  }
  const wanted = `${stems.join(', ')} (ending in ${endings.join(', ')}, or Parquet shards as in ${stems[0]}-00000-of-00001.parquet)`
  const state = found
    ? `it has ${found.slice(0, 8).join(', ') || 'no files'}`
    : await whyMissing(folder, dirname(folder))
  throw new MtLlamaError('DATA_NOT_FOUND', `${title}: no data in ${folder}: ${state}. Looked for: ${wanted}.`)
}

/** The names in a folder; undefined where there is none. @throws DATA_NOT_FOUND */
async function namesIn(folder: string): Promise<string[] | undefined> {
  return readdir(folder).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'ENOENT' && error.code !== 'ENOTDIR') throw notReadable(folder, error)
    return undefined
  })
}

async function whyMissing(folder: string, dataDir: string): Promise<string> {
  const data = await stat(dataDir).catch(() => undefined)
  if (!data) return `the data folder ${dataDir} does not exist`
  if (!data.isDirectory()) return `${dataDir} is a file, not a data folder`
  return stat(folder).then(
    () => 'it is a file, not a folder',
    () => 'there is no such folder',
  )
}

function parquetShards(names: string[], stem: string): string[] {
  const rest = /^-\d{5}-of-\d{5}\.parquet$/
  return names.filter(name => name.startsWith(stem) && rest.test(name.slice(stem.length))).sort()
}

function checkShards(shards: string[], folder: string): string[] {
  const count = Number(shards[0]!.slice(-'00001.parquet'.length, -'.parquet'.length))
  if (shards.length !== count) {
    throw new MtLlamaError(
      'DATA_NOT_FOUND',
      `${folder}: ${shards.join(', ')} ${shards.length === 1 ? 'is' : 'are'} ${shards.length} of ${count} shards; the others are missing.`,
    )
  }
  return shards.map(name => join(folder, name))
}

/** Yields the rows of the files in order, with the files' own names of fields. @throws DATA_NOT_FOUND, DATA_INVALID */
export async function* readRows(files: readonly string[]): AsyncGenerator<Row> {
  for (const file of files) {
    try {
      yield* readers[extname(file) as keyof typeof readers](file)
    } catch (error) {
      throw notReadable(file, error)
    }
  }
}

async function* lines(file: string): AsyncGenerator<Line> {
  await using handle = await openData(file)
  yield* readLines(handle.createReadStream({ autoClose: false }), file)
}

async function* jsonlRows(file: string): AsyncGenerator<Row> {
  for await (const line of lines(file)) {
    const { plain, exact } = parseRowLine(line, file)
    yield new Row(plain, `${file}, line ${line.number}`, line.number, exact)
  }
}

/** Yields the rows of a list of objects, or the questions in SQuAD's nested articles. */
async function* jsonRows(file: string): AsyncGenerator<Row> {
  const invalid = (what: string) => new MtLlamaError('DATA_INVALID', `${file}: ${what}.`)
  const text = await wholeText(file)
  let root: unknown
  let exact: unknown
  try {
    ;({ plain: root, exact } = parseExactJson(text))
  } catch (error) {
    throw invalid(`not JSON (${(error as Error).message})`)
  }
  let number = 0
  if (Array.isArray(root)) {
    for (const item of root) {
      number++
      if (!isRecord(item)) throw invalid(`row ${number} is ${shown(item)}; expected an object`)
      yield new Row(item, `${file}, row ${number}`, number, (exact as (typeof item)[])[number - 1])
    }
  } else if (isRecord(root) && Array.isArray(root.data)) {
    for (const article of new Row(root, file, 0).list('data')) {
      for (const paragraph of article.list('paragraphs')) {
        const context = paragraph.text('context')
        for (const question of paragraph.list('qas')) {
          number++
          yield question.with({ context }, `${file}, question ${number}`, number)
        }
      }
    }
  } else throw invalid('expected a list of rows, or an object whose "data" lists articles as in SQuAD')
}

/** Reads a file as text, without a byte order mark. @throws DATA_INVALID */
async function wholeText(file: string): Promise<string> {
  await using handle = await openData(file)
  const { size } = await handle.stat()
  if (size > bufferConstants.MAX_STRING_LENGTH) {
    throw new MtLlamaError(
      'DATA_INVALID',
      `${file}: has ${size} bytes; JSON is read whole, up to ${bufferConstants.MAX_STRING_LENGTH}. JSONL may have any size.`,
    )
  }
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(await handle.readFile())
  } catch (error) {
    if (!(error instanceof TypeError)) throw error
    throw new MtLlamaError('DATA_INVALID', `${file}: the text is not UTF-8.`)
  }
}

/** Yields the rows under a header line. Cells stand between tabs, and quotes mean themselves, as in GLUE's files. */
async function* tsvRows(file: string): AsyncGenerator<Row> {
  let header: string[] | undefined
  for await (const line of lines(file)) {
    // JSON.parse() refuses a NUL by itself, a table has to.
    if (line.text.includes('\0'))
      throw new MtLlamaError(
        'DATA_INVALID',
        `${file}, line ${line.number}: holds a NUL, so it is no text in UTF-8.`,
      )
    const cells = line.text.split('\t')
    if (!header) {
      header = cells
      continue
    }
    if (cells.length !== header.length) {
      throw new MtLlamaError(
        'DATA_INVALID',
        `${file}, line ${line.number}: ${cells.length} cells; the header has ${header.length} (${header.join(', ')}).`,
      )
    }
    const fields = Object.fromEntries(header.map((name, i) => [name, cells[i]]))
    yield new Row(fields, `${file}, line ${line.number}`, line.number - 1)
  }
}

async function* csvRows(file: string): AsyncGenerator<Row> {
  let number = 0
  for (const fields of parseCsv(await wholeText(file), file)) {
    number++
    yield new Row(fields, `${file}, row ${number}`, number)
  }
}

async function* parquetRows(file: string): AsyncGenerator<Row> {
  await (await openData(file)).close()
  let number = 0
  for await (const fields of parquetFields(file)) {
    number++
    yield Row.ofExact(fields, `${file}, row ${number}`, number)
  }
}
