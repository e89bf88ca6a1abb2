// Runs a fuzzer in a child process: a crash or a hang there is an error here, which says how to see it again.
import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'

export interface FuzzOptions {
  /** Time in which new cases are begun. */
  seconds: number
  seed: number
  /** The number of a case that is run alone. */
  only?: number | undefined
}

/** Time after which a case counts as hung: the slowest take a second on an idle machine. */
const hangs = 180_000
/** Maximum lines of output that an error shows. */
const shownLines = 80

/**
 * Ends with the number of cases that were run.
 * @param child a file beside this one, which calls runCases()
 * @throws with the seed and the case if the child ends by a signal, hangs, or finds a fault
 */
export async function runFuzzer(child: string, { seconds, seed, only }: FuzzOptions): Promise<number> {
  const file = fileURLToPath(new URL(child, import.meta.url))
  const args = [file, String(seed), String(seconds), ...(only === undefined ? [] : [String(only)])]
  const run = spawn(process.execPath, ['--import', 'tsx', ...args], {
    timeout: 1000 * seconds + 2 * hangs,
    killSignal: 'SIGKILL',
  })
  let lines: string[] = []
  let rest = ''
  let current = -1
  let hung = false
  const watchdog = () =>
    setTimeout(() => {
      hung = true
      run.kill('SIGKILL')
    }, hangs)
  let timer = watchdog()
  for (const stream of [run.stdout, run.stderr])
    stream.on('data', (data: Buffer) => {
      const parts = (rest + data.toString()).split('\n')
      rest = parts.pop()!
      for (const line of parts) {
        const begun = /^case (\d+)$/.exec(line)
        if (begun) {
          current = Number(begun[1])
          clearTimeout(timer)
          timer = watchdog()
        } else lines = [...lines, line].slice(-shownLines)
      }
    })
  const [code, signal] = await new Promise<[number | null, NodeJS.Signals | null]>(resolve =>
    run.on('close', (...ended) => resolve(ended)),
  )
  clearTimeout(timer)
  if (code === 0) return current + 1
  const how = hung
    ? `no end after ${hangs / 1000} s`
    : signal !== null
      ? `ended by ${signal}`
      : `exit code ${code}`
  throw new Error(
    `${child}: ${how} in case ${current} of seed ${seed}; to run it alone: ` +
      `MT_LLAMA_FUZZ_SEED=${seed} MT_LLAMA_FUZZ_CASE=${current}\n${[...lines, rest].join('\n')}`,
  )
}
