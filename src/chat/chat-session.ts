// A conversation that keeps its messages.
import { checkOptions } from '../calls/options.ts'
import { MtLlamaError } from '../errors.ts'
import type { GenerateResult } from '../generation/options.ts'
import { type ChatMessage, checkMessages } from './chat-template.ts'
import { type ChatOptions, type ChatSessionOptions, chatSessionOptionNames } from './options.ts'

/** What answers: Model has it. */
export interface Chatter {
  chat(messages: readonly ChatMessage[], options?: ChatOptions): Promise<GenerateResult>
  chatStream(
    messages: readonly ChatMessage[],
    options?: ChatOptions,
  ): AsyncGenerator<string, GenerateResult, undefined>
}

/** Made by Model.chatSession(). One answer is made at a time; several conversations may overlap. */
export class ChatSession {
  readonly #chatter: Chatter
  readonly #options: ChatOptions
  readonly #start: readonly ChatMessage[]
  #messages: ChatMessage[]
  #isAnswering = false

  /**
   * @internal
   * @throws INVALID_ARGUMENT
   */
  constructor(chatter: Chatter, options: ChatSessionOptions) {
    checkOptions(options, chatSessionOptionNames)
    const { system, ...ofTurns } = options
    const start = system === undefined ? [] : [{ role: 'system', content: system }]
    checkMessages(start)
    this.#chatter = chatter
    this.#options = ofTurns
    this.#start = start
    this.#messages = [...start]
  }

  /** The conversation so far, a copy. A message whose answer failed or was left is not in it. */
  get messages(): ChatMessage[] {
    return this.#messages.map(message => ({ ...message }))
  }

  /**
   * The answer to a message of the user.
   * @param options of this turn; they go before those of the session
   * @throws INVALID_ARGUMENT while an answer is made, and what Model.chat() throws
   */
  async send(message: string, options: ChatOptions = {}): Promise<GenerateResult> {
    const before = this.#messages
    const asked = this.begin(message)
    try {
      const result = await this.#chatter.chat(asked, { ...this.#options, ...options })
      this.keep(before, asked, result)
      return result
    } finally {
      this.#isAnswering = false
    }
  }

  /** send(), piece by piece. The generator's return value is the result. */
  async *sendStream(
    message: string,
    options: ChatOptions = {},
  ): AsyncGenerator<string, GenerateResult, undefined> {
    const before = this.#messages
    const asked = this.begin(message)
    try {
      const result = yield* this.#chatter.chatStream(asked, { ...this.#options, ...options })
      this.keep(before, asked, result)
      return result
    } finally {
      this.#isAnswering = false
    }
  }

  /** Goes back to where it began. An answer that is being made is not kept. */
  reset(): void {
    this.#messages = [...this.#start]
  }

  private begin(content: string): ChatMessage[] {
    if (this.#isAnswering)
      throw new MtLlamaError(
        'INVALID_ARGUMENT',
        'the answer before is still being made; wait for it, or hold another conversation in a session of its own',
      )
    this.#isAnswering = true
    return [...this.#messages, { role: 'user', content }]
  }

  /** Adds an answer, unless the conversation is not the one any more that was answered. */
  private keep(
    before: readonly ChatMessage[],
    asked: readonly ChatMessage[],
    { text }: GenerateResult,
  ): void {
    if (this.#messages === before) this.#messages = [...asked, { role: 'assistant', content: text }]
  }
}
