// Extractive question answering of the release: the context before the prompt, and the answer after the generation.
import { strip } from '../../metrics/python-text.ts'
import type { ExtractiveQaFields } from '../../tasks/built-in/extractive-qa.ts'
import { extractiveQaPrompt } from '../wordings.ts'

/** A prompt with its first token has at most this many tokens; the rest is cut off, "Answer:" with it. */
export const maxQaTokens = 1024

/** Of all white space, the release splits contexts at these characters alone: no-break and ideographic spaces stay. */
const contextSpaces = /[ \t\r\n\u202f]+/

/** The card's prompt, with single spaces between the words of the context. The question goes in raw. */
export function releaseQaPrompt({
  question,
  context,
}: Pick<ExtractiveQaFields, 'question' | 'context'>): string {
  const words = context.split(contextSpaces).filter(word => word !== '')
  return extractiveQaPrompt(question, words.join(' '))
}

/** What was generated: the decoded output without the decoded input, which is taken out wherever it stands. */
export function withoutInput(decodedInput: string, decodedOutput: string): string {
  return decodedOutput.replaceAll(decodedInput, '')
}

/** The answer that is scored: stripped, and empty where it holds "None", as "Nonetheless" does too. */
export function releaseAnswer(generated: string): string {
  const answer = strip(generated)
  return answer.includes('None') ? '' : answer
}
