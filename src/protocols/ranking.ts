// Rank classification: the choice of the highest log-likelihood is the answer.
import { perByte, perCharacter, perToken, rank } from '../metrics/accuracy.ts'
import type { ChoiceTask, Fields, Item } from '../tasks/task.ts'
import type { FormOfTask, Outcome, RankAnswer, RankAsk } from './protocol.ts'

/** What a protocol prints of an item. */
export interface Choices {
  prompt: string
  /** In the order of the task's classes. */
  choices: readonly string[]
}

/** Puts a task's items as one ranking each, whose choices follow the prompt after one space. */
export function ranked<F extends Fields>(task: ChoiceTask<F>, print: (fields: F) => Choices): FormOfTask {
  const asks = ({ id, fields, gold }: Item<F, number>): RankAsk[] => [
    { kind: 'rank', id, ...print(fields), gold },
  ]
  return {
    task,
    form: {
      kind: 'rank',
      // The items of a task have its own fields.
      asks: asks as (item: Item) => RankAsk[],
      judge: judgeRanking,
      metrics: ['acc', 'acc_norm', 'acc_bytes', 'acc_per_token'],
      headline: ['acc'],
      delimiter: ' ',
    },
  }
}

/**
 * acc: the highest log-likelihood is the right choice's; ties go to the lowest index. The same of log-likelihoods divided:
 * acc_norm by characters and acc_bytes by bytes, as in lm-evaluation-harness, acc_per_token by tokens, as in OLMES. f1 is of
 * the answers of acc, where the ask says which choice is class 1.
 */
export function judgeRanking(
  { choices, gold, positive }: RankAsk,
  { logLikelihoods, tokens }: RankAnswer,
): Outcome {
  const { prediction, tied } = rank(logLikelihoods)
  const isRight = (scores: readonly number[]) => Number(rank(scores).prediction === gold)
  const scores = {
    acc: Number(prediction === gold),
    acc_norm: isRight(perCharacter(logLikelihoods, choices)),
    acc_bytes: isRight(perByte(logLikelihoods, choices)),
    acc_per_token: isRight(perToken(logLikelihoods, tokens)),
    ...(positive !== undefined && { f1: Number(prediction === positive) }),
  }
  const pairedWith = positive !== undefined && { pairedWith: { f1: Number(gold === positive) } }
  return { prediction, scores, ...pairedWith, ...(tied && { tied }) }
}
