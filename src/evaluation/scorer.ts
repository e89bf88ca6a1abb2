// What an evaluation needs of a model, so that one on another machine can stand in for a Model.

import type { Text } from '../calls/text.ts'
import type { ChatMessage } from '../chat/chat-template.ts'
import type { GenerateOptions, GenerateResult } from '../generation/options.ts'
import type { ModelInfo } from '../model/info.ts'
import type { ScoreOptions, ScoreRequest, ScoreResult } from '../scoring/request.ts'
import type { PerplexityOptions, PerplexityResult } from '../scoring/rolling.ts'
import type { Tokenizer } from '../tokenizer/tokenizer.ts'

/** What decides a score beside the questions; results.json holds it. */
export type ScorerInfo = Pick<ModelInfo, 'path' | 'fingerprint' | 'dtype' | 'backend' | 'addBos'>

export interface Scorer {
  readonly info: ScorerInfo
  /** Must be there for a form that makes its prompts' ids by itself. */
  readonly tokenizer: Tokenizer | undefined
  /** See Model.scoreStream(). */
  scoreStream(requests: Iterable<ScoreRequest>, options: ScoreOptions): AsyncIterable<ScoreResult>
  /** See Model.generateEach(). */
  generateEach(prompts: Iterable<Text>, options: GenerateOptions): AsyncIterable<GenerateResult>
  /** See Model.applyChatTemplate(); must be there for prompts that are put as chats. */
  applyChatTemplate?(messages: readonly ChatMessage[], options: { addGenerationPrompt: boolean }): string
  /** See Model.perplexity(). */
  perplexity(text: Text, options: PerplexityOptions): Promise<PerplexityResult>
}
