// The SQuAD v1.1 metric (evaluate-v1.1.py): exact match and F1 after normalising English text.
import { type AnswerScores, bestOverGolds } from './answer-scores.ts'
import { wholeWords, words } from './python-text.ts'

const punctuation = /[!-/:-@[-`{-~]/g
const articles = wholeWords('a', 'an', 'the')

/** The official scores; two texts that normalise to nothing have exact match 1 and F1 0. */
export function squadMetric(prediction: string, golds: readonly string[]): AnswerScores {
  return bestOverGolds(prediction, golds, normaliseSquad)
}

/** Lower-cases, drops ASCII punctuation, drops articles, then leaves single spaces, in this order. */
export function normaliseSquad(text: string): string {
  return words(text.toLowerCase().replace(punctuation, '').replace(articles, ' ')).join(' ')
}
