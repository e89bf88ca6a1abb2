// The folder a run writes to: journals in samples/, and what is derived from them, results.json and table.md.
import { readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { makeFolder } from '../checkpoint/files.ts'
import { isRecord, parsedRecord } from '../data/record.ts'
import { type Message, MtLlamaError, message } from '../errors.ts'
import { type Holder, type Lock, takeLock } from '../files/lock.ts'
import { createFile, readOwnFile, replaceFile, writing } from '../files/output.ts'
import { checkPath } from '../files/path.ts'
import { outFolder } from './journal.ts'
import type { RunResults, Settings } from './results.ts'

const way = 'Name another --out folder, or remove this one.'

export class RunFolder {
  readonly path: string
  readonly #lock: Lock

  private constructor(path: string, lock: Lock) {
    this.path = path
    this.#lock = lock
  }

  /**
   * Makes the folder if it is missing, locks it, and tries whether it can be written.
   * @param onAbandoned called with a process that has ended without giving the folder back
   * @throws OUTPUT where the folder cannot be written, holds other things and no results, or another process writes to it
   */
  static async open(path: string, onAbandoned: (holder: Holder) => void = () => {}): Promise<RunFolder> {
    const samples = join(checkPath('out', path), 'samples')
    return writing(samples, outFolder, async () => {
      await checkOurs(path)
      await makeFolder(samples)
      const lock = await takeLock(join(path, 'run'), {
        words: [path, 'Name another --out folder'],
        onAbandoned,
      })
      try {
        const trial = join(samples, '.trial')
        await (await createFile(trial)).close()
        await rm(trial)
      } catch (error) {
        await lock.release()
        throw error
      }
      return new RunFolder(path, lock)
    })
  }

  /** Releases the folder's lock. */
  async close(): Promise<void> {
    await this.#lock.release()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  /** The results that the folder holds. @throws OUTPUT where results.json is something else */
  async results(): Promise<RunResults | undefined> {
    return savedResults(this.path)
  }

  /**
   * The results that the folder holds, to be added to.
   * @param asked names of the tasks that the run asks
   * @throws OUTPUT where they have other settings, naming what differs; a limit may be lower there, if all tasks are asked
   */
  async earlier(settings: Settings, asked: ReadonlySet<string>): Promise<RunResults | undefined> {
    const results = await this.results()
    if (results) checkSameRun(this.path, results, settings, asked)
    return results
  }

  /** The journal of a task: see journal.ts. */
  journal(task: string): string {
    return join(this.path, 'samples', `${task}.jsonl`)
  }

  /** @param table the Markdown for table.md; '' writes none */
  async write(results: RunResults, table: string): Promise<void> {
    const files: [name: string, text: string][] = [['results.json', `${JSON.stringify(results, null, 2)}\n`]]
    if (table !== '') files.push(['table.md', table])
    for (const [name, text] of files) {
      const file = join(this.path, name)
      await writing(file, outFolder, () => replaceFile(file, text))
    }
  }
}

/**
 * Compares the settings of results with those of a run that would add to them.
 * @throws OUTPUT naming what differs
 */
export function checkSameRun(
  path: string,
  { settings: there, model, tasks }: RunResults,
  here: Settings,
  asked: ReadonlySet<string>,
): void {
  const differences = differing(there, here)
  if (differences.length > 0)
    throw new MtLlamaError(
      'OUTPUT',
      message`${path} holds results of ${model.path} with other settings than this run${differences}. ${way}`,
    )
  const others = Object.keys(tasks).filter(name => !asked.has(name))
  if (there.limit !== here.limit && others.length > 0)
    throw new MtLlamaError(
      'OUTPUT',
      message`${path} holds ${others.join(', ')} with ${{ kind: 'option', name: 'limit' }} ${String(there.limit)}; a run that raises it to ${here.limit ?? 'all items'} must name every task that is there`,
    )
}

/** The results that a folder holds, locked or not. @throws OUTPUT where results.json is something else */
export async function savedResults(path: string): Promise<RunResults | undefined> {
  const file = join(path, 'results.json')
  const content = await writing(file, outFolder, () => readOwnFile(file))
  if (!content) return undefined
  const results = parsedResults(content.toString())
  if (!results) throw new MtLlamaError('OUTPUT', `${file}: not results of this program. ${way}`)
  return results
}

/** What a run makes in its folder; one that was killed early has left no results.json. */
const ours = /^(samples|results\.json|table\.md|run\.lock-.*)(\.part)?$/

/** @throws OUTPUT where the folder holds other things and no results: it is somebody's for something else */
async function checkOurs(path: string): Promise<void> {
  const names = await readdir(path).catch((): string[] => [])
  const others = names.filter(name => !ours.test(name) && !name.startsWith('.'))
  if (others.length === 0 || names.includes('results.json')) return
  throw new MtLlamaError(
    'OUTPUT',
    `${path}: holds ${others.slice(0, 8).join(', ')} and no results. Name another --out folder, one that is empty or is not there.`,
  )
}

/** What results.json holds; undefined for a text that is something else. */
export function parsedResults(text: string): RunResults | undefined {
  const value = parsedRecord(text)
  const isOwn = isRecord(value?.settings) && isRecord(value.model) && isRecord(value.tasks)
  return isOwn ? (value as unknown as RunResults) : undefined
}

/** The settings that differ, in words: ': limit is 1 there and 2 here; dtype ...'. Empty where none does. */
export function differing(there: Settings, here: Settings): Message {
  const names = new Set([...Object.keys(there), ...Object.keys(here)]) as Set<keyof Settings>
  return [...names]
    .filter(name => there[name] !== here[name] && !(name === 'limit' && isRaised(there, here)))
    .flatMap((name, i) => {
      const [before, after] = [JSON.stringify(there[name]), JSON.stringify(here[name])]
      return message`${i === 0 ? ': ' : '; '}${{ kind: 'option', name }} is ${before} there and ${after} here`
    })
}

/** Whether the samples with the one limit are the first of those with the other. */
function isRaised({ limit: there }: Settings, { limit: here }: Settings): boolean {
  return there !== null && (here === null || here > there)
}
