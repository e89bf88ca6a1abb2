// What rankings ask a model to score, and the answers that its scores make.
import type { RankAnswer, RankAsk, RankForm } from '../protocols/protocol.ts'
import type { ContinuationScore, ScoreRequest, ScoreResult } from '../scoring/request.ts'
import type { Prompts } from './prompts.ts'

export interface RankAnswered {
  ask: RankAsk
  answer: RankAnswer
  /** The scores of the choices as the model gave them. */
  continuations: readonly ContinuationScore[]
  truncatedTokens: number
}

/** The requests of one ask. */
interface Asked {
  count: number
  /** The continuations of the last request, which are scored by themselves; empty where there is no such request. */
  alone: readonly string[]
}

export class RankRequests {
  readonly #form: RankForm
  readonly #prompts: Prompts
  /** What was asked for each ask whose answer is not there yet. */
  readonly #asked: Asked[] = []
  /** Continuations by themselves, which often are the same for all items: undefined until the score is there. */
  readonly #alone = new Map<string, number | undefined>()
  /** The number of the ask that each request belongs to. */
  readonly #asks: number[] = []

  constructor(form: RankForm, prompts: Prompts) {
    this.#form = form
    this.#prompts = prompts
  }

  /** The requests of the asks, in order; one or more for each. */
  *of(asks: readonly RankAsk[]): Generator<ScoreRequest> {
    for (const [i, ask] of asks.entries()) {
      const requests = [...this.#conditional(ask)]
      const alone = this.#form.isUnconditionalAsked ? this.#newAlone(ask) : []
      if (alone.length > 0) requests.push({ prompt: '', continuations: alone })
      this.#asked.push({ count: requests.length, alone })
      for (const request of requests) {
        this.#asks.push(i)
        yield request
      }
    }
  }

  /** The number of the ask that a request belongs to. */
  askOf(request: number): number {
    return this.#asks[request]!
  }

  /** @param results those of the requests, in order */
  async *answers(
    asks: readonly RankAsk[],
    results: AsyncIterable<ScoreResult>,
  ): AsyncGenerator<RankAnswered> {
    let i = 0
    let there: ScoreResult[] = []
    for await (const result of results) {
      there.push(result)
      if (there.length < this.#asked[0]!.count) continue
      const { alone } = this.#asked.shift()!
      if (alone.length > 0)
        for (const [place, score] of there.pop()!.continuations.entries())
          this.#alone.set(alone[place]!, score.logLikelihood)
      yield this.#answered(asks[i]!, i, there)
      there = []
      i++
    }
  }

  *#conditional(ask: RankAsk): Generator<ScoreRequest> {
    const { delimiter } = this.#form
    if (ask.asPrompts) {
      const { prompts, continuation } = ask.asPrompts
      for (const prompt of prompts) yield { prompt, continuations: [delimiter + continuation] }
    } else yield { prompt: this.#prompts.next(ask), continuations: this.#choices(ask) }
  }

  #choices({ choices }: RankAsk): string[] {
    return choices.map(choice => this.#form.delimiter + choice)
  }

  #newAlone(ask: RankAsk): string[] {
    const wanted = [...new Set(this.#choices(ask))].filter(choice => !this.#alone.has(choice))
    for (const choice of wanted) this.#alone.set(choice, undefined)
    return wanted
  }

  #answered(ask: RankAsk, index: number, results: readonly ScoreResult[]): RankAnswered {
    const scores = results.flatMap(({ continuations }) => continuations)
    const each = <Value>(of: (score: ContinuationScore) => Value) => scores.map(of)
    const cut = Math.max(...results.map(({ truncatedTokens }) => truncatedTokens))
    return {
      ...{ ask, continuations: scores },
      answer: {
        logLikelihoods: each(({ logLikelihood }) => logLikelihood),
        tokens: each(({ tokens }) => tokens.length),
        isGreedy: each(({ isGreedy }) => isGreedy),
        ...(this.#form.isUnconditionalAsked && {
          unconditional: this.#choices(ask).map(choice => this.#alone.get(choice)!),
        }),
      },
      truncatedTokens: cut + this.#prompts.take(index).truncatedTokens,
    }
  }
}
