// The MLQA metric (mlqa_evaluation_v1.py): SQuAD's, with each language's articles and Unicode punctuation.
import { MtLlamaError } from '../errors.ts'
import { type AnswerMetric, bestOverGolds } from './answer-scores.ts'
import { allMlqaPunctuation, mlqaPunctuation } from './mlqa-punctuation.ts'
import { wholeWords, words } from './python-text.ts'

/** The articles that each language drops before comparing; undefined where it drops none. */
const articles = {
  en: wholeWords('a', 'an', 'the'),
  es: wholeWords('un', 'una', 'unos', 'unas', 'el', 'la', 'los', 'las'),
  vi: wholeWords('của', 'là', 'cái', 'chiếc', 'những'),
  de: wholeWords(
    ...['ein', 'eine', 'einen', 'einem', 'eines', 'einer'],
    ...['der', 'die', 'das', 'den', 'dem', 'des'],
  ),
  // The article is dropped inside words too: the official pattern has no word boundary.
  ar: /ال/g,
  hi: undefined,
  zh: undefined,
} satisfies Record<string, RegExp | undefined>

export type MlqaLanguage = keyof typeof articles

/** The metric of one language. @throws INVALID_ARGUMENT for a language MLQA does not have */
export function mlqaMetric(language: string): AnswerMetric {
  if (!Object.hasOwn(articles, language)) {
    const known = Object.keys(articles).join(', ')
    throw new MtLlamaError('INVALID_ARGUMENT', `MLQA has no language "${language}"; it has ${known}.`)
  }
  return (prediction, golds) =>
    bestOverGolds(prediction, golds, text => normaliseMlqa(text, language as MlqaLanguage))
}

/** Lower-cases, drops punctuation, drops articles, then puts single spaces between tokens, in this order. */
export function normaliseMlqa(text: string, language: MlqaLanguage): string {
  const bare = text.toLowerCase().replace(allMlqaPunctuation, '')
  const pattern = articles[language]
  const kept = pattern ? bare.replace(pattern, ' ') : bare
  return (language === 'zh' ? chineseTokens(kept) : words(kept)).join(' ')
}

/** Cuts a text into its Han characters (U+4E00 to U+9FA5), its punctuation marks and its other words. */
function chineseTokens(text: string): string[] {
  const tokens: string[] = []
  let run = ''
  for (const character of text) {
    if ((character >= '\u4e00' && character <= '\u9fa5') || mlqaPunctuation.test(character)) {
      tokens.push(...words(run), character)
      run = ''
    } else run += character
  }
  return [...tokens, ...words(run)]
}
