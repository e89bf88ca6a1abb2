// A model in this process and the same one served by another: what lm-evaluation-harness is answered by its API is held to what the
// model says here, to the bit.
import { loadModel, type Model } from '../../src/index.ts'
import { shared } from '../../test/shared.ts'
import type { HarnessEvaluation, HarnessSample } from '../harness-rival.ts'
import type { Rival } from '../rival.ts'
import { ServerProcess } from './server.ts'

/** Arguments of --model_args. */
export type Arguments = Record<string, string | number | boolean | null>

/** A model here and the same one served. */
export class ServedModel {
  private readonly model: Model
  private readonly server: ServerProcess
  private readonly tokenizer: string
  private readonly harness: Rival
  private readonly known = new Map<string, unknown>()

  private constructor(model: Model, server: ServerProcess, tokenizer: string, harness: Rival) {
    this.model = model
    this.server = server
    this.tokenizer = tokenizer
    this.harness = harness
  }

  /** @param tokenizer the folder that the harness reads it from */
  static async open(path: string, tokenizer: string, harness: Rival, threads: number): Promise<ServedModel> {
    const server = await ServerProcess.start(path, ['--dtype', 'float32', '--threads', `${threads}`])
    const model = await loadModel(path, { dtype: 'float32', threads })
    return new ServedModel(model, server, tokenizer, harness)
  }

  get positions(): number {
    return this.model.info.contextLength
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.server.stop()
    await this.model.dispose()
  }

  /** Evaluates a task by the API. @returns also how many answers are not what the model says, and by how much at most */
  async run(
    task: string,
    limit: number | null,
    asked: Arguments,
  ): Promise<{ found: HarnessEvaluation; differ: number; largest: number }> {
    const max_length = Number(asked.max_length ?? this.positions)
    const found = await this.harness.ask<HarnessEvaluation>({
      ...{ file: shared('golden', 'lm-eval', 'tasks', `${task}.yaml`), limit },
      arguments: {
        ...{ model: this.model.info.path.split('/').at(-1)!, base_url: `${this.server.url}/v1/completions` },
        ...{ tokenizer_backend: 'huggingface', tokenizer: this.tokenizer, max_length, ...asked },
      },
    })
    await this.scoreAll(found.tasks[task]!.flatMap(sample => sample.arguments))
    let differ = 0
    let largest = 0
    for (const sample of found.tasks[task]!)
      for (const [i, answer] of sample.answers.entries()) {
        const own = await this.own(sample.arguments[i]!, max_length)
        if (JSON.stringify(own) === JSON.stringify(answer)) continue
        differ++
        const [here, there] = [own, answer].map(value => (Array.isArray(value) ? value[0] : value))
        if (typeof here === 'number' && typeof there === 'number')
          largest = Math.max(largest, Math.abs(here - there))
      }
    return { found, differ, largest }
  }

  /** Scores all choices that are not known yet, in one call. */
  private async scoreAll(requests: readonly unknown[][]): Promise<void> {
    const isNew = (request: readonly unknown[]) =>
      typeof request[1] === 'string' && !this.known.has(JSON.stringify(request))
    const asked = requests.filter(isNew) as [string, string][]
    const results = await this.model.score(
      asked.map(([prompt, continuation]) => ({ prompt, continuations: [continuation] })),
      { boundary: 'harness' },
    )
    for (const [i, { continuations }] of results.entries()) {
      const { logLikelihood, isGreedy } = continuations[0]!
      this.known.set(JSON.stringify(asked[i]), [logLikelihood, isGreedy])
    }
  }

  /** What this process's model answers. */
  private async own(request: HarnessSample['arguments'][number], max_length: number): Promise<unknown> {
    const key = JSON.stringify(request)
    if (!this.known.has(key)) this.known.set(key, await this.ask(request as [string, unknown], max_length))
    return this.known.get(key)
  }

  private async ask([text, second]: [string, unknown], max_length: number): Promise<unknown> {
    // The harness takes two positions from windows: one for a new token, and one for what begins the window.
    if (second === undefined)
      return (await this.model.perplexity(text, { window: max_length - 2 })).logLikelihood
    const { until, max_gen_toks } = second as { until: string[]; max_gen_toks: number }
    const [result] = await this.model.generate([text], { maxTokens: max_gen_toks, stop: until })
    return result!.text
  }
}
