// lm-evaluation-harness as a rival: a task file's requests, scored by it, in a process that stays loaded (peers/harness.py).
import { peers, python, Rival } from './rival.ts'

export type Pair = [context: string, continuation: string]

/** A task file and how many of its items are taken; null takes all. */
export interface Question {
  file: string
  limit: number | null
}

/** The items that batch sizes are tried on. */
export const triedItems = 32

/** Processor time is that of all threads; where the machine is shared it says more than the clock. */
export interface Times {
  seconds: number
  cpuSeconds: number
}

/** Starts a stopwatch for this process. */
export function timer(): () => Times {
  const start = performance.now()
  const cpuStart = process.cpuUsage()
  return () => {
    const { user, system } = process.cpuUsage(cpuStart)
    return { seconds: (performance.now() - start) / 1000, cpuSeconds: (user + system) / 1e6 }
  }
}

export class HarnessRival {
  readonly #rival: Rival

  private constructor(rival: Rival) {
    this.#rival = rival
  }

  /** @param cwd what paths in task files are relative to */
  static async start(model: string, dtype: string, threads: number, cwd: string): Promise<HarnessRival> {
    const args = [`${peers}harness.py`, model, dtype, String(threads)]
    return new HarnessRival(await Rival.start('lm-evaluation-harness', python, args, cwd))
  }

  async requests(question: Question): Promise<Pair[]> {
    return (await this.#rival.ask<{ requests: Pair[] }>({ op: 'requests', ...question })).requests
  }

  /** Scores the requests of a file of one task. @returns log-likelihoods in the order of requests() */
  async score(question: Question, batch: number): Promise<{ seconds: number; sums: number[] }> {
    const { seconds, answers } = await this.#rival.ask<{ seconds: number; answers: [number, boolean][] }>({
      ...{ op: 'score', batch },
      ...question,
    })
    return { seconds, sums: answers.map(([sum]) => sum) }
  }

  /** Finds the batch size that is fastest on the first items of the task, each tried twice. */
  async bestBatch(question: Question, sizes: readonly number[]): Promise<number> {
    const limit = Math.min(question.limit ?? Number.POSITIVE_INFINITY, triedItems)
    const seconds = sizes.map(() => Number.POSITIVE_INFINITY)
    for (let round = 0; round < 2 && sizes.length > 1; round++) {
      for (const [i, size] of sizes.entries()) {
        const run = await this.score({ ...question, limit }, size)
        seconds[i] = Math.min(seconds[i]!, run.seconds)
      }
    }
    return sizes[seconds.indexOf(Math.min(...seconds))]!
  }

  /** Runs a task file, groups too, as the harness's own command would once its model is loaded. */
  async evaluate(question: Question, batch: number): Promise<HarnessEvaluation> {
    return this.#rival.ask<HarnessEvaluation>({ op: 'evaluate', batch, ...question })
  }

  async stop(): Promise<void> {
    await this.#rival.stop()
  }
}

export interface HarnessEvaluation extends Times {
  tasks: Record<string, HarnessSample[]>
  results: Record<string, Record<string, number | string>>
}

export interface HarnessSample {
  doc: number
  filter: string
  /** Of each request: a context and a continuation, a context and settings of generation, or a text. */
  arguments: unknown[][]
  /** Of each request: a log-likelihood and whether it was greedy, a log-likelihood, or a text. */
  answers: ([number, boolean] | number | string)[]
  metrics: Record<string, unknown>
}

/**
 * Maximum difference of two float32 log-likelihoods: 2e-4, and 2e-5 a token, since torch adds a soft-max's exponentials in
 * float32 and loses small ones: 8e-6 a token with the 16 lanes of AVX-512, 1.6e-5 with the 8 of AVX2.
 */
export function float32Tolerance(tokens: number): number {
  return 2e-4 + 2e-5 * tokens
}
