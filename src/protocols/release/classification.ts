// The classification sets of the release: prompt, classes, and the table by which an answer becomes one of them.
import { stripStart } from '../../metrics/python-text.ts'
import type { LabelTable } from './labels.ts'
import { wrapped } from './wrapper.ts'

/** What a set asks about an item with these fields. */
export interface Classification<Fields> {
  /** The whole prompt, wrapped where the set's prompts are. */
  prompt(fields: Fields): string
  /** The text of each class, in the order of the classes. */
  classes(fields: Fields): readonly string[]
  /** Absent where the classes are an item's own two options: the one that is more like the answer is taken. */
  table?: LabelTable
}

const noYes = ['no.', 'yes.']
const noYesTable: LabelTable = [
  ['no', 0],
  ['yes', 1],
]

const recommend = 'Based on this review, would the user recommend this product?'
/** Numbers and stars come before words. Three stars are in neither class. */
const recommendTable: LabelTable = [
  ['1', 0],
  ['2', 0],
  ['4', 1],
  ['5', 1],
  ['★', 0],
  ['★★', 0],
  ['★★★★', 1],
  ['★★★★★', 1],
  ['no', 0],
  ['yes', 1],
]

/** Class 0: no, 1: yes. The release strips its TSV lines, hence the beginning of the sentence. */
export const sst2: Classification<{ sentence: string }> = {
  prompt: ({ sentence }) => `${stripStart(sentence)} ${recommend} No or Yes?`,
  classes: () => noYes,
  table: recommendTable,
}

export interface ReviewFields {
  title: string
  body: string
}

function review({ title, body }: ReviewFields): string {
  return `Title: ${title} Product Review: ${body} ${recommend}`
}

/** Class 0: 1 or 2 stars, 1: 4 or 5 stars. Reviews of 3 stars are not asked about. */
export const marc2: Classification<ReviewFields> = {
  prompt: fields => `${review(fields)} No or Yes?`,
  classes: () => noYes,
  table: recommendTable,
}

const fiveStars = ['not at all.', 'no.', 'maybe.', 'yes.', 'definitely.']

/** Class n: n + 1 stars. */
export const marc5: Classification<ReviewFields> = {
  prompt: fields => wrapped(`${review(fields)} Not at all, No, Maybe, Yes, or Definitely?`),
  classes: () => fiveStars,
  table: [
    ['1', 0],
    ['2', 1],
    ['3', 2],
    ['4', 3],
    ['5', 4],
    ['★', 0],
    ['★★', 1],
    ['★★★', 2],
    ['★★★★', 3],
    ['★★★★★', 4],
    ['not at all', 0],
    ['no', 1],
    ['maybe', 2],
    ['yes', 3],
    ['definitely', 4],
  ],
}

export interface WicFields {
  word: string
  sentence1: string
  sentence2: string
}

/** Class 0: no, 1: yes. */
export const wic: Classification<WicFields> = {
  prompt: ({ word, sentence1, sentence2 }) =>
    wrapped(
      `Does the word "${word}" have the same meaning in these two sentences? Yes, No? ${sentence1} ${sentence2}`,
    ),
  classes: () => noYes,
  table: noYesTable,
}

export interface SentencePair {
  sentence1: string
  sentence2: string
}

/** Class 0: no, 1: yes. The release strips its TSV lines, hence the beginning of the first sentence. */
export const pawsx: Classification<SentencePair> = {
  prompt: ({ sentence1, sentence2 }) =>
    `Sentence 1: ${stripStart(sentence1)} Sentence 2: ${sentence2} Question: Does Sentence 1 paraphrase Sentence 2? Yes or No?`,
  classes: () => noYes,
  table: noYesTable,
}

export interface EntailmentFields {
  premise: string
  hypothesis: string
}

const yesNo = ['yes.', 'no.']

/** Class 0: entailment, 1: not entailment. */
export const rte: Classification<EntailmentFields> = {
  prompt: ({ premise, hypothesis }) =>
    wrapped(`Given ${premise} Is it guaranteed true that "${hypothesis}"? Yes or no?`),
  classes: () => yesNo,
  table: [
    ['yes', 0],
    ['no', 1],
  ],
}

const maybeYesNo = ['maybe.', 'yes.', 'no.']

/** MNLI, matched and mismatched. Class 0: neutral, 1: entailment, 2: contradiction. */
export const mnli: Classification<EntailmentFields> = {
  prompt: ({ premise, hypothesis }) =>
    wrapped(
      `${premise} Question: Does this imply that ${hypothesis}? Please response with 'Yes', 'No', or 'Maybe'.`,
    ),
  classes: () => maybeYesNo,
  table: [
    ['maybe', 0],
    ['yes', 1],
    ['no', 2],
    ['a', 0],
    ['b', 1],
    ['c', 2],
    ['inconclusive', 0],
    ['true', 1],
    ['false', 2],
  ],
}

/** The classes of MNLI. The release strips its TSV lines, hence the beginning of the premise. */
export const xnli: Classification<EntailmentFields> = {
  ...mnli,
  prompt: fields => mnli.prompt({ ...fields, premise: stripStart(fields.premise) }),
}

export interface FourChoiceFields {
  stem: string
  choices: readonly string[]
}

/** A letter counts wherever it stands in an answer, so the keys "(a)" to "(d)" are never reached. */
export const openbookqa: Classification<FourChoiceFields> = {
  prompt: ({ stem, choices: [a, b, c, d] }) =>
    wrapped(`${stem} Which is the correct answer? - (A) ${a} - (B) ${b} - (C) ${c} - (D) ${d}`),
  classes: ({ choices }) => choices,
  table: [
    ['1.', 0],
    ['2.', 1],
    ['3.', 2],
    ['4.', 3],
    ['a', 0],
    ['b', 1],
    ['c', 2],
    ['d', 3],
    ['(a)', 0],
    ['(b)', 1],
    ['(c)', 2],
    ['(d)', 3],
  ],
}

export interface CopaFields {
  premise: string
  choice1: string
  choice2: string
  question: 'cause' | 'effect'
}

const links = { cause: 'This happened because...', effect: 'As a consequence...' }
const pick = 'Help me pick the more plausible option:'

/** COPA and XCOPA. A full stop follows the first choice, whether it has one or not. */
export const copa: Classification<CopaFields> = {
  prompt: ({ premise, choice1, choice2, question }) =>
    wrapped(`${premise} ${links[question]} ${pick} - ${choice1}. - ${choice2}`),
  classes: ({ choice1, choice2 }) => [choice1, choice2],
}

export interface StoryFields {
  context: string
  ending1: string
  ending2: string
}

export const xstorycloze: Classification<StoryFields> = {
  prompt: ({ context, ending1, ending2 }) =>
    wrapped(`${context} ${links.effect} ${pick} - ${ending1} - ${ending2}`),
  classes: ({ ending1, ending2 }) => [ending1, ending2],
}

export interface BlankFields {
  /** Has an underscore for the blank. */
  sentence: string
  option1: string
  option2: string
}

/** Winogrande and XWinograd. */
export const winogrande: Classification<BlankFields> = {
  prompt: ({ sentence, option1, option2 }) =>
    wrapped(`${sentence} In the previous sentence, does _ refer to ${option1} or ${option2}?`),
  classes: ({ option1, option2 }) => [option1, option2],
}
