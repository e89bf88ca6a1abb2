// What a caller asks of a chat.
import { choiceOption, optionNames } from '../calls/options.ts'
import { type GenerateOptions, generateOptionNames } from '../generation/options.ts'

export type ChatTemplate = 'checkpoint' | 'release'

export interface ChatOptions extends GenerateOptions {
  /** New tokens an answer may get. @default 512 */
  maxTokens?: number
  /** Put BOS before the prompt. Default: false for the checkpoint's template, which writes its own; else as in generate(). */
  addBos?: boolean
  /**
   * 'checkpoint': the checkpoint's own chat template; CHAT_TEMPLATE where it has none. 'release': the Human / Assistant
   * form of MT-LLaMA's released scripts. @default 'checkpoint'
   */
  template?: ChatTemplate
}

export const chatOptionNames = [...generateOptionNames, 'template']

export interface ChatSessionOptions extends ChatOptions {
  /** A message of the system's at the start. @default none */
  system?: string
}

export const chatSessionOptionNames = [...chatOptionNames, 'system']

export interface ChatTemplateOptions {
  /** See ChatOptions. @default 'checkpoint' */
  template?: ChatOptions['template']
  /** End with the beginning of an answer. @default true */
  addGenerationPrompt?: boolean
}

export const chatTemplateOptionNames = optionNames<ChatTemplateOptions>({
  template: true,
  addGenerationPrompt: true,
})

/** @throws INVALID_ARGUMENT */
export function templateOf(options: Pick<ChatTemplateOptions, 'template'>): ChatTemplate {
  return choiceOption(options, 'template', ['checkpoint', 'release'], 'checkpoint')
}
