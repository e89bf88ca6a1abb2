// Makes the prompts of a task as a model reads them, one at a time: to encode thousands at once would block the event loop.
import type { Text } from '../calls/text.ts'
import { MtLlamaError } from '../errors.ts'
import type { Ask, EncodedPrompt, Form } from '../protocols/protocol.ts'
import type { Tokenizer } from '../tokenizer/tokenizer.ts'
import type { Scorer } from './scorer.ts'

/** A prompt that goes to the model as a text. */
const text: EncodedPrompt = { ids: [], truncatedTokens: 0 }

export class Prompts {
  readonly #model: Scorer
  readonly #encode: Form['encode']
  /** Prompts that the model has read and not answered, by their place. */
  readonly #encoded = new Map<number, EncodedPrompt>()
  #count = 0

  constructor(model: Scorer, { encode }: Form) {
    this.#model = model
    this.#encode = encode
  }

  /** The next prompt: its ids where the form makes them, else its text. @throws TOKENIZER for a model without tokenizer */
  next({ prompt }: Ask): Text {
    const place = this.#count++
    if (!this.#encode) return prompt
    const encoded = this.#encode(prompt, this.tokenizer)
    if (!encoded) return prompt
    this.#encoded.set(place, encoded)
    return encoded.ids
  }

  /** What was made of the prompt at a place, which is forgotten; no ids where it is a text. */
  take(place: number): EncodedPrompt {
    const encoded = this.#encoded.get(place) ?? text
    this.#encoded.delete(place)
    return encoded
  }

  /** @throws TOKENIZER for a model without */
  get tokenizer(): Tokenizer {
    const { tokenizer, info } = this.#model
    if (tokenizer) return tokenizer
    throw new MtLlamaError('TOKENIZER', `${info.path} has no tokenizer, which the protocol needs`)
  }
}
