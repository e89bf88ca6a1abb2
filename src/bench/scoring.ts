// Times scoring as choice tasks need it, prompts with some continuations each, and what sharing the prompts gains.
import { MtLlamaError } from '../errors.ts'
import type { ModelParts } from '../model/info.ts'
import { defaultPlanner } from '../model/planner-options.ts'
import { Model } from '../model.ts'
import type { ScoreRequest } from '../scoring/request.ts'
import { type BenchContext, micros, someIds } from './context.ts'
import type { ScoringReport } from './report.ts'
import { timeRuns } from './timing.ts'

const prompts = 8
const maxPromptTokens = 96
const continuations = 4
const continuationTokens = 4
/** How many prompts are scored without sharing too, to compare the scores before anything is timed. */
const checkedPrompts = 2
/** Positions a model must have: one for a prompt, and those of a continuation. */
export const minScoringContext = continuationTokens + 1

/** Times the scoring. @throws INTERNAL where sharing changes a score */
export async function timeScoring(context: BenchContext, parts: ModelParts): Promise<ScoringReport> {
  const { config, signal } = context
  const promptTokens = Math.min(maxPromptTokens, config.contextLength - continuationTokens)
  const requests = Array.from({ length: prompts }, (_, i): ScoreRequest => {
    const start = 1000 * i
    return {
      prompt: someIds(config, start, promptTokens),
      continuations: Array.from({ length: continuations }, (_, j) =>
        someIds(config, start + 200 * (j + 1), continuationTokens),
      ),
    }
  })
  context.onStep('checking')
  const model = new Model(parts, defaultPlanner)
  const unshared = new Model(parts, { ...defaultPlanner, share: false })
  const checked = requests.slice(0, checkedPrompts)
  compare(await scores(model, checked, signal), await scores(unshared, checked, signal))
  context.onStep(`${prompts} prompts`)
  let tokensRun = 0
  const onProgress = ({ tokensDone }: { tokensDone: number }) => {
    tokensRun = tokensDone
  }
  const timing = await timeRuns(() => model.score(requests, { signal, onProgress }), {
    seconds: 2,
    minRuns: 3,
  })
  return {
    ...{ prompts, continuations, promptTokens, continuationTokens, runs: timing.runs, ...micros(timing) },
    tokensRun,
    // A continuation's last token is never run: nothing is predicted from it.
    tokensUnshared: prompts * continuations * (promptTokens + continuationTokens - 1),
    promptsPerSecond: prompts / timing.seconds,
    tokensPerSecond: tokensRun / timing.seconds,
  }
}

async function scores(model: Model, requests: ScoreRequest[], signal: AbortSignal): Promise<number[]> {
  const results = await model.score(requests, { signal })
  return results.flatMap(result => result.continuations.flatMap(score => [...score.tokenLogProbs]))
}

function compare(shared: number[], unshared: number[]): void {
  const at = shared.findIndex((value, i) => !Object.is(value, unshared[i]) || !Number.isFinite(value))
  if (at < 0) return
  throw new MtLlamaError(
    'INTERNAL',
    `token ${at} scores ${shared[at]} after a shared prompt and ${unshared[at]} after its own: nothing was timed`,
  )
}
