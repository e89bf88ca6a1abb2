// Computes exact match and F1 of an answer against several gold answers, given how a text is normalised.
import { words } from './python-text.ts'

/** Scores of one answer, each from 0 to 1. */
export interface AnswerScores {
  exactMatch: number
  f1: number
}

/** Scores a predicted text against the gold texts of one question; there must be one at least. */
export type AnswerMetric = (prediction: string, golds: readonly string[]) => AnswerScores

/** The best exact match over the gold answers and the best F1, which may come from different ones. */
export function bestOverGolds(
  prediction: string,
  golds: readonly string[],
  normalise: (text: string) => string,
): AnswerScores {
  const best = { exactMatch: 0, f1: 0 }
  const predicted = normalise(prediction)
  for (const gold of golds) {
    const wanted = normalise(gold)
    if (predicted === wanted) best.exactMatch = 1
    best.f1 = Math.max(best.f1, tokenF1(words(predicted), words(wanted)))
  }
  return best
}

/** Harmonic mean of precision and recall over token multisets; 0 where nothing is shared, two empty texts included. */
function tokenF1(predicted: string[], wanted: string[]): number {
  const left = new Map<string, number>()
  for (const token of wanted) left.set(token, (left.get(token) ?? 0) + 1)
  let shared = 0
  for (const token of predicted) {
    const count = left.get(token) ?? 0
    if (count === 0) continue
    shared++
    left.set(token, count - 1)
  }
  if (shared === 0) return 0
  const precision = shared / predicted.length
  const recall = shared / wanted.length
  return (2 * precision * recall) / (precision + recall)
}
