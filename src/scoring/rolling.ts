// Rolling log-likelihood: windows over a long text such that every token is scored once.
import { optionNames } from '../calls/options.ts'
import { pythonSpaces } from '../data/white-space.ts'
import type { ScoreProgress } from './request.ts'

export interface PerplexityOptions {
  /** Positions of a window. @default the context length */
  window?: number
  /**
   * Tokens each window after the first scores, at most `window`; the rest of it is context.
   * @default window: disjoint windows, as lm-evaluation-harness scores
   */
  stride?: number
  /** Read special tokens written in the text as themselves. @default true */
  parseSpecial?: boolean
  signal?: AbortSignal
  /** A request is a window. */
  onProgress?: (progress: ScoreProgress) => void
}

export const perplexityOptionNames = optionNames<PerplexityOptions>({
  window: true,
  stride: true,
  parseSpecial: true,
  signal: true,
  onProgress: true,
})

export interface RollingWindow {
  ids: Int32Array
  /** ids[first ..] are scored. */
  first: number
}

/**
 * The first window is scored after one prefix token. Each later one scores the next `stride` tokens after the
 * window - stride + 1 before them: one token of context where stride = window, the disjoint windows of
 * lm-evaluation-harness's loglikelihood_rolling.
 * @param window positions a window takes
 * @param stride tokens each later window scores, at most `window`
 */
export function* rollingWindows(
  ids: ArrayLike<number>,
  prefixToken: number,
  window: number,
  stride: number,
): Generator<RollingWindow> {
  const text = new Int32Array(ids.length + 1)
  text[0] = prefixToken
  text.set(ids, 1)
  for (let scored = 1; scored < text.length; ) {
    const isFirst = scored === 1
    const end = Math.min(scored + (isFirst ? window : stride), text.length)
    const start = isFirst ? 0 : scored - (window - stride + 1)
    yield { ids: text.subarray(start, end), first: scored - start }
    scored = end
  }
}

export interface PerplexityResult {
  /** Sum over all tokens, natural log. */
  logLikelihood: number
  /** Tokens scored. */
  tokens: number
  /** exp(-logLikelihood / tokens) */
  perplexity: number
  /** Per whitespace-separated word and per UTF-8 byte, as lm-evaluation-harness counts; for a text only. */
  wordPerplexity: number | undefined
  bytePerplexity: number | undefined
  bitsPerByte: number | undefined
}

export function perplexityResult(
  logLikelihood: number,
  tokens: number,
  text: string | undefined,
): PerplexityResult {
  const words = text === undefined ? undefined : text.split(pythonSpaces).length
  const bytes = text === undefined ? undefined : Buffer.byteLength(text)
  return {
    logLikelihood,
    tokens,
    perplexity: Math.exp(-logLikelihood / tokens),
    wordPerplexity: words && Math.exp(-logLikelihood / words),
    bytePerplexity: bytes && Math.exp(-logLikelihood / bytes),
    bitsPerByte: bytes && -logLikelihood / bytes / Math.LN2,
  }
}
