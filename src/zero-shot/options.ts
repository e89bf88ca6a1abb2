// The options that classification and ranking have in common, which are score()'s.
import { choiceOption } from '../calls/options.ts'
import type { Priority } from '../calls/priority.ts'
import type { ScoreCache } from '../scoring/cache.ts'
import type { ScoreProgress } from '../scoring/request.ts'

export interface JudgeOptions {
  /**
   * What to do with a prompt that needs more positions than the context has: 'error' ends the call with CONTEXT_LENGTH,
   * 'truncate-left' drops tokens at the start of the prompt (an added BOS stays), which keeps the template's end. What was
   * dropped is in `truncatedTokens`. @default 'error'
   */
  tooLong?: 'error' | 'truncate-left'
  /** Scores of earlier calls and runs by this model: see ScoreOptions.cache. @default none */
  cache?: ScoreCache
  /** Which of the calls that overlap go first. @default 'normal' */
  priority?: Priority
  /** Rejects with ABORTED; other calls go on. */
  signal?: AbortSignal
  /** Called after each pack of tokens, and four times a second while one runs. A request is a text or a document. */
  onProgress?: (progress: ScoreProgress) => void
}

export const judgeOptionNames = {
  tooLong: true,
  cache: true,
  priority: true,
  signal: true,
  onProgress: true,
} as const satisfies Record<keyof JudgeOptions, true>

/** @throws INVALID_ARGUMENT */
export function tooLongOption(options: JudgeOptions): 'error' | 'truncate-left' {
  return choiceOption(options, 'tooLong', ['error', 'truncate-left'], 'error')
}
