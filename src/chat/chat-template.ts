// Renders conversations as a prompt: the checkpoint's own Jinja template, or the form of the released scripts.
import { shown } from '../data/shown.ts'
import { MtLlamaError } from '../errors.ts'
import { Budget } from '../templates/budget.ts'
import { chatEnvironment } from '../templates/environment.ts'
import { toText } from '../templates/print.ts'
import { strftime } from '../templates/strftime.ts'
import { readNames, Template, TemplateProblem } from '../templates/template.ts'
import { type Arguments, Callable, TemplateError } from '../templates/values.ts'

export interface ChatMessage {
  /** 'system', 'user' or 'assistant', or what else the template knows. */
  role: string
  content: string
}

export interface ChatTemplateValues {
  /** Texts of special tokens by the names that templates know: bos_token and others. */
  namedTokens: ReadonlyMap<string, string>
  /** Whether the prompt ends with the beginning of an answer. */
  addGenerationPrompt: boolean
  /** The name of the template's file, for messages. */
  file?: string | undefined
}

/** The error that a template's raise_exception() throws. */
class RaisedError extends Error {}

/**
 * Renders as transformers' apply_chat_template does without tools and documents, within a budget of steps and text.
 * @throws CHAT_TEMPLATE with the template's own message, or with its file, the line and what fails there
 */
export function renderChatTemplate(
  source: string,
  messages: readonly ChatMessage[],
  { namedTokens, addGenerationPrompt, file }: ChatTemplateValues,
): string {
  try {
    const template = new Template(source, chatEnvironment)
    const names = readNames([
      // transformers leaves the name of a token that is not there undefined, llama.cpp makes it ''. Both print nothing.
      ['bos_token', ''],
      ['eos_token', ''],
      ...namedTokens,
      ['messages', messages.map(withoutNull)],
      ['tools', null],
      ['documents', null],
      ['add_generation_prompt', addGenerationPrompt],
      ['raise_exception', new Callable('raise_exception', raiseException)],
      ['strftime_now', new Callable('strftime_now', strftimeNow)],
    ])
    return template.render(names)
  } catch (error) {
    throw new MtLlamaError('CHAT_TEMPLATE', describe(error, file), { cause: error })
  }
}

/** A message without its fields that are null, as transformers passes it to the template. */
function withoutNull(message: ChatMessage): object {
  return Object.fromEntries(Object.entries(message).filter(([, value]) => value !== null))
}

function raiseException(args: Arguments): never {
  const [message] = args.bind('raise_exception', ['message'], 1)
  throw new RaisedError(toText(message!, new Budget()))
}

function strftimeNow(args: Arguments): string {
  const [format] = args.bind('strftime_now', ['format'], 1)
  if (typeof format !== 'string') throw new TemplateError('strftime_now() takes a text')
  return strftime(format, new Date())
}

function describe(error: unknown, file: string | undefined): string {
  if (!(error instanceof TemplateProblem))
    return `the checkpoint's chat template does not render these messages: ${(error as Error).message}`
  const line = error.line === undefined ? undefined : `line ${error.line}`
  const where = [file, line].filter(part => part !== undefined).join(', ')
  const template = `the checkpoint's chat template${where && ` (${where})`}`
  switch (error.fault) {
    case 'syntax':
      return `${template} is not valid Jinja: ${error.message}`
    case 'budget':
      return `${template} is stopped: ${error.message}. Is it the one that came with the model?`
    case 'failed':
      return `${template} does not render these messages: ${error.message}`
  }
}

/** @throws INVALID_ARGUMENT naming the message */
export function checkMessages(messages: readonly ChatMessage[]): void {
  const invalid = (what: string) =>
    new MtLlamaError('INVALID_ARGUMENT', `${what}; expected an array of { role, content }`)
  if (!Array.isArray(messages)) throw invalid(`messages is ${shown(messages)}`)
  for (const [i, message] of messages.entries()) {
    if (Array.isArray(message?.content))
      throw invalid(
        `message ${i} has a list of parts as its content: join the texts of its parts, which is all that a LLaMA reads`,
      )
    if (typeof message?.role !== 'string' || typeof message.content !== 'string')
      throw invalid(`message ${i} is ${shown(message)}`)
  }
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
