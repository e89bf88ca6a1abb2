// MARC, Amazon's reviews in six languages, as two sets: recommended or not (marc-2), and the number of stars (marc-5). Test set
// (5,000 a language).
import type { Row } from '../../data/row.ts'
import { languageSet, languageSource } from '../language-set.ts'
import type { ChoiceTask, DataSource, Item } from '../task.ts'

export type MarcFields = { review_title: string; review_body: string; stars: number }

const languages = ['en', 'es', 'fr', 'de', 'ja', 'zh']

/** Class 0: 1 or 2 stars, 1: 4 or 5 stars. Reviews of 3 stars are no part of it. */
export const marc2 = languageSet({
  name: 'marc-2',
  title: 'MARC-2',
  languages,
  task: (language): ChoiceTask<MarcFields> => {
    const data = source(language)
    return {
      name: `marc-2_${language}`,
      title: `MARC-2-${language}`,
      data: { ...data, keep: row => data.keep(row) && stars(row) !== 3 },
      item: row => {
        const item = starsItem(row)
        return { ...item, gold: item.fields.stars > 3 ? 1 : 0 }
      },
    }
  },
})

/** Class n: n + 1 stars. */
export const marc5 = languageSet({
  name: 'marc-5',
  title: 'MARC-5',
  languages,
  task: (language): ChoiceTask<MarcFields> => ({
    name: `marc-5_${language}`,
    title: `MARC-5-${language}`,
    data: source(language),
    item: starsItem,
  }),
})

function source(language: string): Required<DataSource> {
  return languageSource('marc', language, ['test', 'validation'], [`dataset_${language}_test`])
}

function starsItem(row: Row): Item<MarcFields, number> {
  const [review_title, review_body] = [row.text('review_title'), row.text('review_body')]
  const id = row.has('review_id') ? row.text('review_id') : row.id()
  return { id, fields: { review_title, review_body, stars: stars(row) }, gold: stars(row) - 1 }
}

function stars(row: Row): number {
  return row.label('stars', [['1'], ['2'], ['3'], ['4'], ['5']]) + 1
}
