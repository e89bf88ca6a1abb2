// The turns of a prompt: they make a plain text, or the messages of a conversation (api/utils.py of lm-evaluation-harness).
import type { ChatMessage } from '../../chat/chat-template.ts'
import { pythonSpaces } from '../../data/white-space.ts'

export interface Turn {
  role: 'system' | 'user' | 'assistant'
  content: string
  /** Follows the content in a plain text. */
  delimiter: string
}

export function plainText(turns: readonly Turn[]): string {
  return turns.map(({ content, delimiter }) => content + delimiter).join('')
}

/**
 * The messages of a conversation: shots are messages of their own, or else all turns after the system's make one message
 * of the user's; an assistant's turn at the end is the beginning of the answer and stays by itself.
 */
export function asMessages(turns: readonly Turn[], isMultiturn: boolean): ChatMessage[] {
  const message = ({ role, content }: ChatMessage): ChatMessage => ({ role, content })
  if (isMultiturn) return turns.map(message)
  const start = turns[0]?.role === 'system' ? 1 : 0
  const end = turns.at(-1)?.role === 'assistant' ? turns.length - 1 : turns.length
  const asked = turns.slice(start, end)
  const content = plainText(asked.slice(0, -1)) + (asked.at(-1)?.content ?? '')
  return [...turns.slice(0, start), { role: 'user', content }, ...turns.slice(end)].map(message)
}

/** Joins two texts, with the delimiter between them unless one is empty or there is white space already. */
export function joined(before: string, after: string, delimiter: string): string {
  return needsDelimiter(before, after) ? before + delimiter + after : before + after
}

/** Whether neither text is empty, and no white space is where they meet. */
export function needsDelimiter(before: string, after: string): boolean {
  return before !== '' && after !== '' && !endsWithSpace(before) && !pythonSpaces.test(after[0]!)
}

export function endsWithSpace(text: string): boolean {
  return text !== '' && pythonSpaces.test(text.at(-1)!)
}
