// Protocol release: the released evaluation scripts, bug for bug. Every item is answered by greedy generation; classes are
// looked for in the text.
import { copa } from '../../tasks/built-in/copa.ts'
import type { ExtractiveQaFields } from '../../tasks/built-in/extractive-qa.ts'
import { marc2, marc5 } from '../../tasks/built-in/marc.ts'
import { mlqaLanguages } from '../../tasks/built-in/mlqa.ts'
import { mnli, mnliMismatched } from '../../tasks/built-in/mnli.ts'
import { openbookqa } from '../../tasks/built-in/openbookqa.ts'
import { pawsx } from '../../tasks/built-in/pawsx.ts'
import { rte } from '../../tasks/built-in/rte.ts'
import { squad } from '../../tasks/built-in/squad.ts'
import { sst2 } from '../../tasks/built-in/sst2.ts'
import { tydiqaLanguages } from '../../tasks/built-in/tydiqa.ts'
import { wic } from '../../tasks/built-in/wic.ts'
import { winogrande } from '../../tasks/built-in/winogrande.ts'
import { xcopa } from '../../tasks/built-in/xcopa.ts'
import { xnli } from '../../tasks/built-in/xnli.ts'
import { xquadLanguages } from '../../tasks/built-in/xquad.ts'
import { xstorycloze } from '../../tasks/built-in/xstorycloze.ts'
import { xwinograd } from '../../tasks/built-in/xwinograd.ts'
import type { LanguageSet } from '../../tasks/language-set.ts'
import type { AnswerTask, ChoiceTask, Fields, Item } from '../../tasks/task.ts'
import type { Tokenizer } from '../../tokenizer/tokenizer.ts'
import { answered } from '../answering.ts'
import { type FormOfTask, type GenerateAsk, type Protocol, protocolOf } from '../protocol.ts'
import * as sets from './classification.ts'
import { maxQaTokens, releaseAnswer, releaseQaPrompt, withoutInput } from './extractive-qa.ts'
import { afterInput, extractClass } from './labels.ts'
import { decodeRelease, encodeReleasePrompt, maxNewTokens, releaseTokens, tokenNotes } from './tokens.ts'

/** What all forms share: at most 64 new tokens, one id that ends a text, and no text that does. */
const generation = {
  maxTokens: maxNewTokens,
  stop: [],
  stopIds: (tokenizer: Tokenizer) => [releaseTokens(tokenizer).stop],
}

export const release: Protocol = {
  ...protocolOf('release', [
    classified(sst2, sets.sst2),
    classified(openbookqa, sets.openbookqa),
    classified(copa, sets.copa),
    classified(winogrande, sets.winogrande),
    classified(wic, sets.wic),
    classified(mnli, sets.mnli),
    classified(mnliMismatched, sets.mnli),
    classified(rte, sets.rte),
    ...inLanguages(xnli, sets.xnli),
    ...inLanguages(xcopa, sets.copa),
    ...inLanguages(xwinograd, sets.winogrande),
    ...inLanguages(xstorycloze, sets.xstorycloze),
    ...inLanguages(pawsx, sets.pawsx),
    ...inLanguages(marc2, sets.marc2),
    ...inLanguages(marc5, sets.marc5),
    questions(squad),
    ...[xquadLanguages, mlqaLanguages, tydiqaLanguages].flatMap(({ tasks }) =>
      [...tasks.values()].map(questions),
    ),
  ]),
  tokenNotes,
}

/** Puts a task whose answers are searched for a class. Its prompts are never cut. */
function classified<F extends Fields>(task: ChoiceTask<F>, set: sets.Classification<F>): FormOfTask {
  const asks = ({ id, fields, gold }: Item<F, number>): GenerateAsk[] => [
    {
      ...{ kind: 'generate', id, prompt: set.prompt(fields), choices: set.classes(fields) },
      gold: set.classOfGold?.[gold] ?? gold,
    },
  ]
  return {
    task,
    form: {
      ...generation,
      kind: 'generate',
      // The items of a task have its own fields.
      asks: asks as (item: Item) => GenerateAsk[],
      judge: ({ choices, gold }, { generated }) => {
        const { label, failed } = extractClass(generated, choices!, set.table)
        const scores = { acc: Number(label === gold) }
        return { prediction: label, scores, ...(failed && { failed }) }
      },
      metrics: ['acc'],
      headline: ['acc'],
      encode: (prompt, tokenizer) => encodeReleasePrompt(prompt, tokenizer),
      decode: (prompt, newTokens, tokenizer) => afterInput(...decoded(prompt, newTokens, tokenizer)),
    },
  }
}

function inLanguages<F extends Fields>(
  { tasks }: LanguageSet<ChoiceTask<F>>,
  set: sets.Classification<F>,
): FormOfTask[] {
  return [...tasks.values()].map(task => classified(task, set))
}

function questions(task: AnswerTask<ExtractiveQaFields>): FormOfTask {
  return answered(task, {
    ...generation,
    prompt: releaseQaPrompt,
    answer: releaseAnswer,
    decimals: 2,
    encode: (prompt, tokenizer) => encodeReleasePrompt(prompt, tokenizer, maxQaTokens),
    decode: (prompt, newTokens, tokenizer) => withoutInput(...decoded(prompt, newTokens, tokenizer)),
  })
}

/** The texts of input and output, which the scripts compare: the output's ids are the prompt's and the new ones. */
function decoded(
  prompt: readonly number[],
  newTokens: readonly number[],
  tokenizer: Tokenizer,
): [input: string, output: string] {
  return [decodeRelease(prompt, tokenizer), decodeRelease([...prompt, ...newTokens], tokenizer)]
}
