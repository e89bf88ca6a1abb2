// Protocol card: the prompts of the MT-LLaMA model card, without a conversation around them. Fields go in as they are, so
// SST-2's space at the end of a sentence gives two. Choices are ranked; answers are generated up to the first newline.
import { strip } from '../metrics/python-text.ts'
import { copa } from '../tasks/built-in/copa.ts'
import type { ExtractiveQaFields } from '../tasks/built-in/extractive-qa.ts'
import { mlqa } from '../tasks/built-in/mlqa.ts'
import { mnli, mnliMismatched, type NliFields } from '../tasks/built-in/mnli.ts'
import { openbookqa } from '../tasks/built-in/openbookqa.ts'
import { rte } from '../tasks/built-in/rte.ts'
import { squad } from '../tasks/built-in/squad.ts'
import { sst2 } from '../tasks/built-in/sst2.ts'
import { tydiqa } from '../tasks/built-in/tydiqa.ts'
import { wic } from '../tasks/built-in/wic.ts'
import { winogrande } from '../tasks/built-in/winogrande.ts'
import { xquad } from '../tasks/built-in/xquad.ts'
import type { AnswerTask, Item } from '../tasks/task.ts'
import { type FormOfTask, type GenerateAsk, protocolOf } from './protocol.ts'
import { type Choices, ranked } from './ranking.ts'

export const card = protocolOf('card', [
  ...[xquad, tydiqa, mlqa, squad].map(answered),
  ranked(sst2, ({ sentence }) => ({
    prompt: `${sentence} Based on this review, would the user recommend this product? No or Yes?`,
    choices: ['No', 'Yes'],
  })),
  ranked(openbookqa, ({ question_stem, choices: { text } }) => {
    const [a, b, c, d] = text
    return {
      prompt: `${question_stem} Which is the correct answer? - (A) ${a} - (B) ${b} - (C) ${c} - (D) ${d}`,
      choices: text,
    }
  }),
  ranked(copa, ({ premise, choice1, choice2, question }) => {
    const link = question === 'cause' ? 'This happened because...' : 'As a consequence...'
    return {
      prompt: `${premise} ${link} Help me pick the more plausible option: - ${choice1} - ${choice2}`,
      choices: [choice1, choice2],
    }
  }),
  ranked(winogrande, ({ sentence, option1, option2 }) => ({
    prompt: `${sentence} In the previous sentence, does _ refer to ${option1} or ${option2}?`,
    choices: [option1, option2],
  })),
  ranked(wic, ({ word, sentence1, sentence2 }) => ({
    prompt: `Does the word "${word}" have the same meaning in these two sentences? Yes, No? ${sentence1} ${sentence2}`,
    choices: ['No', 'Yes'],
  })),
  ranked(mnli, inference),
  ranked(mnliMismatched, inference),
  ranked(rte, ({ premise, hypothesis }) => ({
    prompt: `Given ${premise} Is it guaranteed true that "${hypothesis}"? Yes or no?`,
    // The card prints them so, one with a capital and one without.
    choices: ['Yes', 'no'],
  })),
])

function inference({ premise, hypothesis }: NliFields): Choices {
  return {
    prompt: `${premise} Question: Does this imply that ${hypothesis}? Please response with 'Yes', 'No', or 'Maybe'.`,
    choices: ['Yes', 'Maybe', 'No'],
  }
}

/** The prompt of extractive QA. A question's own mark stays, so there is "?." in most. */
export function extractiveQaPrompt(question: string, context: string): string {
  return `Answer the question according to the context. Question: ${question}. Context: ${context}. Answer:`
}

/** Puts the questions of an extractive QA task, whose answers are stripped and judged by the task's own metric. */
function answered(task: AnswerTask<ExtractiveQaFields>): FormOfTask {
  const asks = ({ id, fields, gold }: Item<ExtractiveQaFields, readonly string[]>): GenerateAsk[] => [
    { kind: 'generate', id, prompt: extractiveQaPrompt(fields.question, fields.context), gold },
  ]
  return {
    task,
    form: {
      kind: 'generate',
      // The items of a task have its own fields.
      asks: asks as (item: Item) => GenerateAsk[],
      judge: ({ gold }, { generated }) => {
        const prediction = strip(generated)
        const { exactMatch, f1 } = task.metric(prediction, gold as readonly string[])
        return { prediction, scores: { exact_match: exactMatch, f1 } }
      },
      metrics: ['exact_match', 'f1'],
      headline: ['f1', 'exact_match'],
      maxTokens: 64,
      stop: ['\n'],
    },
  }
}
