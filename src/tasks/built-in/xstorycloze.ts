// XStoryCloze: which of two sentences ends a story of four? In eleven languages; evaluation set (1,511 a language).
import type { Row } from '../../data/row.ts'
import { languageSet, languageSource } from '../language-set.ts'
import type { ChoiceTask, Item } from '../task.ts'

export type StoryClozeFields = {
  /** The four sentences, with spaces between them. */
  context: string
  sentence_quiz1: string
  sentence_quiz2: string
  answer_right_ending: number
}

export const xstorycloze = languageSet({
  name: 'xstorycloze',
  title: 'XStoryCloze',
  languages: ['en', 'ru', 'zh', 'es', 'ar', 'hi', 'id', 'te', 'sw', 'eu', 'my'],
  task: (language): ChoiceTask<StoryClozeFields> => ({
    name: `xstorycloze_${language}`,
    title: `XStoryCloze-${language}`,
    data: languageSource('xstorycloze', language, ['eval', 'test']),
    item: storyItem,
  }),
})

/** Reads the hub's four sentences, or the release's context, which holds them all. */
function storyItem(row: Row): Item<StoryClozeFields, number> {
  const gold = row.label('answer_right_ending', [['1'], ['2']])
  const context = row.has('context')
    ? row.text('context')
    : [1, 2, 3, 4].map(n => row.text(`input_sentence_${n}`)).join(' ')
  const [sentence_quiz1, sentence_quiz2] = [row.text('sentence_quiz1'), row.text('sentence_quiz2')]
  return {
    id: row.has('story_id') ? row.text('story_id') : row.id(),
    fields: { context, sentence_quiz1, sentence_quiz2, answer_right_ending: gold + 1 },
    gold,
  }
}
