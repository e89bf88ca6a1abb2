// What is asked about an item, in the words that the model card and the released scripts share.
import type { CopaFields } from '../tasks/built-in/copa.ts'
import type { NliFields } from '../tasks/built-in/mnli.ts'
import type { OpenbookqaFields } from '../tasks/built-in/openbookqa.ts'
import type { RteFields } from '../tasks/built-in/rte.ts'
import type { WicFields } from '../tasks/built-in/wic.ts'
import type { WinograndeFields } from '../tasks/built-in/winogrande.ts'

type Asked<Fields, Names extends keyof Fields> = Readonly<Pick<Fields, Names>>

/** A question's own mark stays, so there is "?." in most. */
export function extractiveQaPrompt(question: string, context: string): string {
  return `Answer the question according to the context. Question: ${question}. Context: ${context}. Answer:`
}

/** @param answers how the possible answers are named: 'No or Yes?' */
export function recommendation(review: string, answers: string): string {
  return `${review} Based on this review, would the user recommend this product? ${answers}`
}

export function fourChoices({
  question_stem,
  choices: {
    text: [a, b, c, d],
  },
}: Asked<OpenbookqaFields, 'question_stem' | 'choices'>): string {
  return `${question_stem} Which is the correct answer? - (A) ${a} - (B) ${b} - (C) ${c} - (D) ${d}`
}

const links = { cause: 'This happened because...', effect: 'As a consequence...' }

export function plausibility(
  premise: string,
  question: CopaFields['question'],
  [first, second]: readonly [string, string],
): string {
  return `${premise} ${links[question]} Help me pick the more plausible option: - ${first} - ${second}`
}

export function reference({
  sentence,
  option1,
  option2,
}: Asked<WinograndeFields, 'sentence' | 'option1' | 'option2'>): string {
  return `${sentence} In the previous sentence, does _ refer to ${option1} or ${option2}?`
}

export function sameMeaning({
  word,
  sentence1,
  sentence2,
}: Asked<WicFields, 'word' | 'sentence1' | 'sentence2'>): string {
  return `Does the word "${word}" have the same meaning in these two sentences? Yes, No? ${sentence1} ${sentence2}`
}

export function implication({ premise, hypothesis }: Asked<NliFields, 'premise' | 'hypothesis'>): string {
  return `${premise} Question: Does this imply that ${hypothesis}? Please response with 'Yes', 'No', or 'Maybe'.`
}

export function guarantee({ premise, hypothesis }: Asked<RteFields, 'premise' | 'hypothesis'>): string {
  return `Given ${premise} Is it guaranteed true that "${hypothesis}"? Yes or no?`
}
