// How a run puts its tasks beside what their protocol says: as conversations by the checkpoint's chat template, after an
// instruction, and with the scores of choices alone (PMI).
import type { ChatMessage } from '../chat/chat-template.ts'
import { renderContinued } from '../chat/continued.ts'
import { MtLlamaError, message } from '../errors.ts'
import { withMutualInfo } from '../protocols/mutual-info.ts'
import type { Conversation, Protocol } from '../protocols/protocol.ts'
import type { Settings } from './results.ts'
import type { Scorer } from './scorer.ts'
import type { Work } from './work.ts'

export interface Prompting {
  /** Whether rankings have acc_mutual_info too. */
  pmi: boolean
  /** Whether prompts of task files are put by the checkpoint's chat template. */
  chatTemplate: boolean
  /** Whether shots are messages of their own there. */
  fewshotAsMultiturn: boolean
  /** Stands before the description of each task file, as the system's message in a chat. */
  systemInstruction: string | undefined
}

export interface Prompted {
  protocol: Protocol
  /** What a reader of the results must know of the prompts, once these are made. */
  notes(): readonly string[]
}

/** The settings that a prompting makes; none where all is as the tasks say. */
export function promptingSettings(prompting: Prompting): Partial<Settings> {
  const { pmi, chatTemplate, fewshotAsMultiturn, systemInstruction } = prompting
  return {
    ...(pmi && { pmi }),
    ...(chatTemplate && { chatTemplate }),
    ...(fewshotAsMultiturn && { fewshotAsMultiturn }),
    ...(systemInstruction !== undefined && { systemInstruction }),
  }
}

/**
 * The protocol with its forms put so.
 * @param model renders chats; without one, prompts are plain texts, by which data is checked before a model is there
 * @throws INVALID_ARGUMENT for options that contradict each other or the model; form() throws it for a task that says itself
 *   how it is put. Rendering throws CHAT_TEMPLATE
 */
export function prompted(protocol: Protocol, prompting: Prompting, model?: Scorer): Prompted {
  const { pmi, chatTemplate, fewshotAsMultiturn, systemInstruction } = prompting
  if (fewshotAsMultiturn && !chatTemplate)
    throw new MtLlamaError(
      'INVALID_ARGUMENT',
      message`${option('fewshotAsMultiturn')} says how shots are put in a chat, so it needs ${option('chatTemplate')}.`,
    )
  const chat = chatTemplate && model ? new Chat(model, fewshotAsMultiturn) : undefined
  const isPlain = !chatTemplate && systemInstruction === undefined
  const put = isPlain ? protocol : inConversation(protocol, { instruction: systemInstruction ?? '', chat })
  return {
    protocol: pmi ? withMutualInfo(put) : put,
    notes: () => (chat?.isWithoutSystem ? [withoutSystem] : []),
  }
}

/** @throws INVALID_ARGUMENT where PMI is asked for and nothing is ranked */
export function checkPmi(work: readonly Work[], { pmi }: Prompting): void {
  if (!pmi || work.some(({ form }) => form.kind === 'rank' && form.isUnconditionalAsked)) return
  throw new MtLlamaError(
    'INVALID_ARGUMENT',
    message`${option('pmi')} compares choices, and none of the tasks ranks some: ${work.map(({ task }) => task.name).join(', ')}.`,
  )
}

const withoutSystem =
  'The chat template refuses a message of the system: instruction and description are left out of prompts, as in lm-evaluation-harness.'

function option(name: string) {
  return { kind: 'option', name } as const
}

function inConversation(protocol: Protocol, conversation: Conversation): Protocol {
  return {
    ...protocol,
    form(task) {
      const form = protocol.form(task)
      if (!form) return undefined
      if (form.inConversation) return form.inConversation(conversation)
      throw new MtLlamaError(
        'INVALID_ARGUMENT',
        message`protocol ${protocol.name} says itself how ${task.title} ("${task.name}") is put; ${option('chatTemplate')} and ${option('systemInstruction')} are for task files and defineTask()`,
      )
    },
  }
}

class Chat {
  readonly isMultiturn: boolean
  /** Whether the template has refused a message of the system. */
  isWithoutSystem = false
  readonly #apply: NonNullable<Scorer['applyChatTemplate']>

  constructor(model: Scorer, isMultiturn: boolean) {
    if (!model.applyChatTemplate)
      throw new MtLlamaError(
        'INVALID_ARGUMENT',
        message`${model.info.path} cannot render chats, which ${option('chatTemplate')} asks for`,
      )
    this.#apply = model.applyChatTemplate.bind(model)
    this.isMultiturn = isMultiturn
  }

  render(messages: readonly ChatMessage[]): string {
    try {
      return this.#render(messages)
    } catch (error) {
      if (!(error instanceof MtLlamaError) || error.code !== 'CHAT_TEMPLATE') throw error
      const others = messages.filter(({ role }) => role !== 'system')
      if (others.length === messages.length) throw error
      const text = this.#render(others)
      this.isWithoutSystem = true
      return text
    }
  }

  #render(messages: readonly ChatMessage[]): string {
    if (messages.at(-1)?.role !== 'assistant') return this.#apply(messages, { addGenerationPrompt: true })
    return renderContinued(messages, marked => this.#apply(marked, { addGenerationPrompt: false }))
  }
}
