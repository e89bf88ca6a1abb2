// Conversations as prompts, and what a generation over one is run with.
import { checkOptions } from '../calls/options.ts'
import { reading } from '../calls/reading.ts'
import type { Checkpoint } from '../checkpoint/checkpoint.ts'
import { MtLlamaError, message } from '../errors.ts'
import { type GenerateSettings, generateSettings } from '../generation/settings.ts'
import type { Tokenizer } from '../tokenizer/tokenizer.ts'
import {
  type ChatMessage,
  checkMessages,
  releaseStop,
  renderChatTemplate,
  renderRelease,
} from './chat-template.ts'
import { type ChatOptions, type ChatTemplate, chatOptionNames, templateOf } from './options.ts'

/** What a template is rendered with. */
export interface ChatModel {
  checkpoint: Pick<Checkpoint, 'path' | 'chatTemplate' | 'chatTemplateFile'>
  tokenizer: Tokenizer | undefined
}

/** @throws INVALID_ARGUMENT, CHAT_TEMPLATE */
export function chatPrompt(
  { checkpoint, tokenizer }: ChatModel,
  messages: readonly ChatMessage[],
  template: ChatTemplate,
  addGenerationPrompt: boolean,
): string {
  const own = reading('messages', () => {
    checkMessages(messages)
    return [...messages]
  })
  if (template === 'release') return renderRelease(own, addGenerationPrompt)
  const { chatTemplate, chatTemplateFile, path } = checkpoint
  if (chatTemplate === undefined)
    throw new MtLlamaError(
      'CHAT_TEMPLATE',
      message`${path} has no chat template; ${{ kind: 'option', name: 'template', value: 'release' }} takes the Human / Assistant form`,
    )
  return renderChatTemplate(chatTemplate, own, {
    namedTokens: tokenizer?.namedTokens ?? new Map(),
    addGenerationPrompt,
    file: chatTemplateFile,
  })
}

/** New tokens an answer may get by default. */
const chatTokens = 512

/** @throws INVALID_ARGUMENT, TOKEN_OUT_OF_RANGE */
export function chatSettings(
  options: ChatOptions,
  stopIds: readonly number[],
  vocabSize: number,
): GenerateSettings {
  checkOptions(options, chatOptionNames)
  const settings = generateSettings(options, { stopIds, maxTokens: chatTokens }, vocabSize)
  if (templateOf(options) === 'release') return { ...settings, stop: [...settings.stop, releaseStop] }
  // A checkpoint's template writes its own BOS; the released form is plain text.
  const { encoding } = settings
  return { ...settings, encoding: { ...encoding, addBos: encoding.addBos ?? false } }
}
