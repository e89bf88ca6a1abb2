// Questions that are answered by a generated text, which the task's own metric compares with the gold answers.
import type { ExtractiveQaFields } from '../tasks/built-in/extractive-qa.ts'
import type { AnswerTask, Item } from '../tasks/task.ts'
import type { FormOfTask, GenerateAsk, GenerateForm } from './protocol.ts'

export interface Answering extends Omit<GenerateForm, 'kind' | 'asks' | 'judge' | 'metrics' | 'headline'> {
  prompt(fields: ExtractiveQaFields): string
  /** Finds the answer in the model's text. */
  answer(generated: string): string
}

/** Puts a task's questions as one generation each. */
export function answered(
  task: AnswerTask<ExtractiveQaFields>,
  { prompt, answer, ...form }: Answering,
): FormOfTask {
  const asks = ({ id, fields, gold }: Item<ExtractiveQaFields, readonly string[]>): GenerateAsk[] => [
    { kind: 'generate', id, prompt: prompt(fields), gold },
  ]
  return {
    task,
    form: {
      kind: 'generate',
      // The items of a task have its own fields.
      asks: asks as (item: Item) => GenerateAsk[],
      judge: ({ gold }, { generated }) => {
        const prediction = answer(generated)
        const { exactMatch, f1 } = task.metric(prediction, gold as readonly string[])
        return { prediction, scores: { exact_match: exactMatch, f1 } }
      },
      metrics: ['exact_match', 'f1'],
      headline: ['f1', 'exact_match'],
      ...form,
    },
  }
}
