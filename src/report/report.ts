// Makes the report of saved runs, one HTML file.
import { basename, resolve } from 'node:path'
import { MtLlamaError } from '../errors.ts'
import { compareRuns } from '../evaluation/compare/compare.ts'
import { readRun, type SavedRun } from '../evaluation/compare/read-run.ts'
import { type Place, replaceFile, writing } from '../files/output.ts'
import { checkPath } from '../files/path.ts'
import { scriptJson } from './html.ts'
import { page } from './page.ts'
import { askedBy, type PageData, pageData } from './samples.ts'
import type { NamedComparison } from './tables.ts'

export interface Written {
  file: string
  bytes: number
  runs: string[]
  /** Number of samples in the file, those that several runs share counted once. */
  samples: number
}

const place: Place = { folder: '--out file', kept: 'No report was written' }

/** Browsers, as Node, hold no longer text in one piece than some 500 million characters. */
const maxCharacters = 256 * 1024 * 1024

/**
 * Reads the runs and writes their report; nothing is written to the runs.
 * @param limit how many samples of each task the file has, from the first
 * @throws DATA_NOT_FOUND, DATA_INVALID of runs that cannot be read or are of different data; OUTPUT
 */
export async function writeReport(dirs: readonly string[], out: string, limit: number): Promise<Written> {
  const file = checkPath('out', out)
  const runs: SavedRun[] = []
  for (const dir of dirs) runs.push(await readRun(dir))
  const names = runNames(dirs)
  const data = pageData(runs, names, limit)
  const named = runs.map(({ results }, i) => ({ name: names[i]!, results }))
  const text = await page(named, await comparisons(runs, names), dataText(data))
  await writing(file, place, () => replaceFile(file, text))
  return { file, bytes: Buffer.byteLength(text), runs: names, samples: data.samples.length }
}

/** Compares the first run with each other one, by the tasks that both have and were asked alike. */
async function comparisons(
  [first, ...others]: readonly SavedRun[],
  names: readonly string[],
): Promise<NamedComparison[]> {
  const compared: NamedComparison[] = []
  for (const [i, other] of others.entries()) {
    const shared = new Map(
      [...first!.tasks].filter(([name, task]) => {
        const there = other.tasks.get(name)
        return there && askedBy(other, there) === askedBy(first!, task)
      }),
    )
    if (shared.size === 0) continue
    const { tasks } = await compareRuns({ ...first!, tasks: shared }, other)
    compared.push({ name: names[i + 1]!, tasks })
  }
  return compared
}

/** The last part of each folder's path; the whole path where two end alike. @throws INVALID_ARGUMENT for one given twice */
function runNames(dirs: readonly string[]): string[] {
  const paths = dirs.map(dir => resolve(dir))
  const twice = dirs.find((_, i) => paths.indexOf(paths[i]!) < i)
  if (twice !== undefined)
    throw new MtLlamaError('INVALID_ARGUMENT', `the run ${twice} is named twice; expected different folders.`)
  const short = paths.map(path => basename(path))
  return new Set(short).size === short.length ? short : [...dirs]
}

/** Writes sample by sample, so that too many are told before they are one text. */
function dataText({ samples, ...rest }: PageData): string {
  const parts: string[] = []
  let characters = 0
  for (const sample of samples) {
    const part = scriptJson(sample)
    characters += part.length
    if (characters > maxCharacters)
      throw new MtLlamaError(
        'INVALID_ARGUMENT',
        `the samples of the report are more than ${maxCharacters / 2 ** 20} million characters (after ${parts.length} of ${samples.length}), which no browser opens. Give --samples N for the first N of each task, or name fewer runs.`,
      )
    parts.push(part)
  }
  return `${scriptJson(rest).slice(0, -1)},"samples":[${parts.join(',\n')}]}`
}
