// Renders conversations as a prompt: the checkpoint's own Jinja template, or the form of the released scripts.
import { Template } from '@huggingface/jinja'
import { MtLlamaError } from '../errors.ts'

export interface ChatMessage {
  /** 'system', 'user' or 'assistant', as far as the template knows them. */
  role: string
  content: string
}

export interface ChatTemplateValues {
  /** Text of the special tokens; templates write them. */
  bosToken: string
  eosToken: string
  /** End with the beginning of an answer. */
  addGenerationPrompt: boolean
}

/**
 * Renders as transformers' apply_chat_template does; raise_exception and strftime_now are there too.
 * @throws CHAT_TEMPLATE with the template's own message
 */
export function renderChatTemplate(
  source: string,
  messages: readonly ChatMessage[],
  { bosToken, eosToken, addGenerationPrompt }: ChatTemplateValues,
): string {
  try {
    return new Template(source).render({
      messages: [...messages],
      bos_token: bosToken,
      eos_token: eosToken,
      add_generation_prompt: addGenerationPrompt,
    })
  } catch (error) {
    throw new MtLlamaError(
      'CHAT_TEMPLATE',
      `the checkpoint's chat template does not render these messages: ${(error as Error).message}`,
      { cause: error },
    )
  }
}

/** @throws INVALID_ARGUMENT naming the message */
export function checkMessages(messages: readonly ChatMessage[]): void {
  const invalid = (what: string) =>
    new MtLlamaError('INVALID_ARGUMENT', `${what}; expected an array of { role, content }`)
  if (!Array.isArray(messages)) throw invalid(`messages is a ${typeof messages}`)
  for (const [i, message] of messages.entries())
    if (typeof message?.role !== 'string' || typeof message.content !== 'string')
      throw invalid(`message ${i} is ${JSON.stringify(message)}`)
}

const releaseSystem =
  'A chat between a curious human and an artificial intelligence assistant. ' +
  "The assistant gives helpful, detailed, and polite answers to the human's questions."

/** Where an answer in the released form ends: the next turn begins. */
export const releaseStop = '###'

/**
 * The form of the released evaluation scripts: system text, then "### Human: " and "### Assistant: " turns without
 * newlines. A system message takes the place of the default one.
 * @throws CHAT_TEMPLATE for another role
 */
export function renderRelease(messages: readonly ChatMessage[], addGenerationPrompt: boolean): string {
  const [first] = messages
  const turns = first?.role === 'system' ? messages.slice(1) : messages
  let text = first?.role === 'system' ? first.content : releaseSystem
  for (const { role, content } of turns) {
    if (role === 'user') text += `### Human: ${content}`
    else if (role === 'assistant') text += `### Assistant: ${content}`
    else
      throw new MtLlamaError(
        'CHAT_TEMPLATE',
        `a message has role "${role}"; the release's form knows "user", "assistant" and one "system" at the start`,
      )
  }
  return addGenerationPrompt ? `${text}### Assistant:` : text
}
