// MNLI: does a premise imply a hypothesis? Validation sets: matched (9,815), of the training texts' genres, and
// mismatched (9,832), of others.
import type { Row } from '../../data/row.ts'
import type { ChoiceTask, Item } from '../task.ts'

/** Labels as the hub numbers them: 0 entailment, 1 neutral, 2 contradiction. */
export type NliFields = { premise: string; hypothesis: string; label: number }

export const mnli: ChoiceTask<NliFields> = {
  name: 'mnli',
  title: 'MNLI',
  data: { folder: 'mnli', stems: ['validation_matched', 'dev_matched', 'validation'] },
  item: nliItem,
}

export const mnliMismatched: ChoiceTask<NliFields> = {
  name: 'mnli_mismatched',
  title: 'MNLI-mm',
  data: { folder: 'mnli', stems: ['validation_mismatched', 'dev_mismatched'] },
  item: nliItem,
}

/** Reads the hub's names of fields, or GLUE's own (sentence1, sentence2, gold_label). */
export function nliItem(row: Row): Item<NliFields, number> {
  const [premise, hypothesis] = [row.text('premise', 'sentence1'), row.text('hypothesis', 'sentence2')]
  const label = row.label(
    ['label', 'gold_label'],
    [
      ['0', 'entailment'],
      ['1', 'neutral'],
      ['2', 'contradiction'],
    ],
  )
  return { id: row.id(), fields: { premise, hypothesis, label }, gold: label }
}
