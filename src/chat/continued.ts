// Renders a conversation up to the end of its last message, for an answer that goes on with it.
import { MtLlamaError } from '../errors.ts'
import { strip } from '../templates/text.ts'
import type { ChatMessage } from './chat-template.ts'

/** Stands at the end of the last message while the template runs. Templates may strip a message of white space. */
const mark = 'CONTINUE_HERE_MARK '

/**
 * What continue_final_message of transformers' apply_chat_template gives: nothing of what the template puts after the
 * message, and no white space at its end where the template strips messages.
 * @param messages one at least
 * @param render renders a conversation without a generation prompt
 * @throws CHAT_TEMPLATE where the template does not print the message as it is, and what render throws
 */
export function renderContinued(
  messages: readonly ChatMessage[],
  render: (messages: readonly ChatMessage[]) => string,
): string {
  const last = messages.at(-1)!
  const text = render([...messages.slice(0, -1), { ...last, content: last.content + mark }])
  const end = text.lastIndexOf(mark.trimEnd())
  if (end < 0 || !text.includes(strip(last.content, 'both')))
    throw new MtLlamaError(
      'CHAT_TEMPLATE',
      'the chat template changes the text of the last message, which the answer is to go on with',
    )
  const before = text.slice(0, end)
  return text.startsWith(mark, end) ? before : strip(before, 'right')
}
