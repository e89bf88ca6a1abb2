// The classification sets of the release: prompt, classes, and the table by which an answer becomes one of them.
import { stripStart } from '../../metrics/python-text.ts'
import type { CopaFields } from '../../tasks/built-in/copa.ts'
import type { MarcFields } from '../../tasks/built-in/marc.ts'
import type { NliFields } from '../../tasks/built-in/mnli.ts'
import type { OpenbookqaFields } from '../../tasks/built-in/openbookqa.ts'
import type { ParaphraseFields } from '../../tasks/built-in/pawsx.ts'
import type { RteFields } from '../../tasks/built-in/rte.ts'
import type { Sst2Fields } from '../../tasks/built-in/sst2.ts'
import type { WicFields } from '../../tasks/built-in/wic.ts'
import type { WinograndeFields } from '../../tasks/built-in/winogrande.ts'
import type { StoryClozeFields } from '../../tasks/built-in/xstorycloze.ts'
import {
  fourChoices,
  guarantee,
  implication,
  plausibility,
  recommendation,
  reference,
  sameMeaning,
} from '../wordings.ts'
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
  /** The class of each gold label. Absent where they have the same numbers. */
  classOfGold?: readonly number[]
}

const noYes = ['no.', 'yes.']
const noYesTable: LabelTable = [
  ['no', 0],
  ['yes', 1],
]

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

/** The release strips its TSV lines, hence the beginning of the sentence; the space at its end stays. */
export const sst2: Classification<Sst2Fields> = {
  prompt: ({ sentence }) => recommendation(stripStart(sentence), 'No or Yes?'),
  classes: () => noYes,
  table: recommendTable,
}

function review({ review_title, review_body }: MarcFields): string {
  return `Title: ${review_title} Product Review: ${review_body}`
}

export const marc2: Classification<MarcFields> = {
  prompt: fields => recommendation(review(fields), 'No or Yes?'),
  classes: () => noYes,
  table: recommendTable,
}

const fiveStars = ['not at all.', 'no.', 'maybe.', 'yes.', 'definitely.']

export const marc5: Classification<MarcFields> = {
  prompt: fields => wrapped(recommendation(review(fields), 'Not at all, No, Maybe, Yes, or Definitely?')),
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

export const wic: Classification<WicFields> = {
  prompt: fields => wrapped(sameMeaning(fields)),
  classes: () => noYes,
  table: noYesTable,
}

/** The release strips its TSV lines, hence the beginning of the first sentence. */
export const pawsx: Classification<ParaphraseFields> = {
  prompt: ({ sentence1, sentence2 }) =>
    `Sentence 1: ${stripStart(sentence1)} Sentence 2: ${sentence2} Question: Does Sentence 1 paraphrase Sentence 2? Yes or No?`,
  classes: () => noYes,
  table: noYesTable,
}

const yesNo = ['yes.', 'no.']

export const rte: Classification<RteFields> = {
  prompt: fields => wrapped(guarantee(fields)),
  classes: () => yesNo,
  table: [
    ['yes', 0],
    ['no', 1],
  ],
}

const maybeYesNo = ['maybe.', 'yes.', 'no.']

/** MNLI, matched and mismatched. */
export const mnli: Classification<NliFields> = {
  prompt: fields => wrapped(implication(fields)),
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
  // Entailment, neutral and contradiction are "yes", "maybe" and "no".
  classOfGold: [1, 0, 2],
}

/** The release strips its TSV lines, hence the beginning of the premise. */
export const xnli: Classification<NliFields> = {
  ...mnli,
  prompt: fields => mnli.prompt({ ...fields, premise: stripStart(fields.premise) }),
}

/** A letter counts wherever it stands in an answer, so the keys "(a)" to "(d)" are never reached. */
export const openbookqa: Classification<OpenbookqaFields> = {
  prompt: fields => wrapped(fourChoices(fields)),
  classes: ({ choices }) => choices.text,
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

/** COPA and XCOPA. A full stop follows the first choice, whether it has one or not. */
export const copa: Classification<CopaFields> = {
  prompt: ({ premise, question, choice1, choice2 }) =>
    wrapped(plausibility(premise, question, [`${choice1}.`, choice2])),
  classes: ({ choice1, choice2 }) => [choice1, choice2],
}

export const xstorycloze: Classification<StoryClozeFields> = {
  prompt: ({ context, sentence_quiz1, sentence_quiz2 }) =>
    wrapped(plausibility(context, 'effect', [sentence_quiz1, sentence_quiz2])),
  classes: ({ sentence_quiz1, sentence_quiz2 }) => [sentence_quiz1, sentence_quiz2],
}

/** Winogrande and XWinograd. */
export const winogrande: Classification<WinograndeFields> = {
  prompt: fields => wrapped(reference(fields)),
  classes: ({ option1, option2 }) => [option1, option2],
}
