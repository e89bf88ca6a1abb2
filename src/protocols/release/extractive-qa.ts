// Extractive question answering of the release: the context before the prompt, and the answer after the generation.
import { strip } from '../../metrics/python-text.ts'
import { extractiveQaPrompt } from '../card.ts'

/** A prompt with its first token has at most this many tokens; the rest is cut off, "Answer:" with it. */
export const maxQaTokens = 1024

/** Of all white space, the release splits contexts at these characters alone: no-break and ideographic spaces stay. */
const contextSpaces = /[ \t\r\n\u202f]+/

export interface QaFields {
  question: string
  context: string
}

/** The card's prompt, with single spaces between the words of the context. The question goes in raw. */
export function releaseQaPrompt({ question, context }: QaFields): string {
  const words = context.split(contextSpaces).filter(word => word !== '')
  return extractiveQaPrompt(question, words.join(' '))
}

/**
 * The answer that is scored: what is left of the decoded output once the decoded input is taken out wherever it stands,
 * without white space at its ends. An answer with "None" in it counts as empty, "Nonetheless" too.
 * @param decodedOutput the text of the prompt's ids and the generated ones, decoded as one
 */
export function releaseAnswer(decodedInput: string, decodedOutput: string): string {
  const answer = strip(decodedOutput.replaceAll(decodedInput, ''))
  return answer.includes('None') ? '' : answer
}
