// What predictions of choices tell beside their accuracy: the area under the ROC curve, and which answer most of them are.
import { aggregated, type Scores, statisticOf } from '../metrics/aggregation.ts'
import type { Figure } from '../metrics/mean.ts'
import { printedPercent } from '../metrics/percent.ts'
import type { SampleRecord, TaskResult, TemplateResult } from './results.ts'

/** The answer that most predictions of a task are. Predictions that are not finite or name no choice do not count. */
export interface Commonest {
  /** The choice; 'choice 1' where questions have choices of their own, of which the first is taken so often. */
  answer: string
  /** Its share of the predictions. */
  share: number
  /** For what share of their questions it is right. */
  right: number
  predictions: number
}

/** The name of the metric in results. */
export const auc = 'auc'

/** Adds up the predictions of choices. */
export class ChoiceTally {
  readonly #scores = { scores: [] as number[], partners: [] as number[] }
  #isOfTwo = true
  readonly #answers: { predicted: number; right: number }[] = []
  #predictions = 0
  /** The choices of all questions; null where they differ. */
  #choices: readonly string[] | null | undefined

  add(record: SampleRecord): void {
    const scores = ofTwo([record])
    if (scores) {
      this.#scores.scores.push(...scores.scores)
      this.#scores.partners.push(...scores.partners)
    } else this.#isOfTwo = false
    if (record.kind === 'roll' || !record.choices || record.choices.length < 2) return
    if (typeof record.prediction !== 'number' || record.failed) return
    this.#choices = sameChoices(this.#choices, record.choices)
    this.#predictions++
    this.#at(record.prediction).predicted++
    for (const gold of golds(record)) this.#at(gold).right++
  }

  /** The area under the ROC curve; undefined unless every question has two choices and an accuracy, and each choice is right somewhere. */
  async auc(): Promise<Figure | undefined> {
    return this.#isOfTwo && isDefined(this.#scores) ? aggregated('auc', this.#scores) : undefined
  }

  /** undefined where nothing was chosen. */
  commonest(): Commonest | undefined {
    if (this.#predictions === 0) return undefined
    const answers = Array.from(this.#answers, answer => answer ?? { predicted: 0, right: 0 })
    const most = Math.max(...answers.map(({ predicted }) => predicted))
    const place = answers.findIndex(({ predicted }) => predicted === most)
    return {
      answer: this.#choices?.[place] ?? `choice ${place + 1}`,
      share: most / this.#predictions,
      right: answers[place]!.right / this.#predictions,
      predictions: this.#predictions,
    }
  }

  #at(choice: number): { predicted: number; right: number } {
    this.#answers[choice] ??= { predicted: 0, right: 0 }
    return this.#answers[choice]
  }
}

/**
 * The scores that auc is made of: by how much the second of two choices is likelier than the first, paired with 1 where it is
 * right. Samples that are not finite are left out.
 * @returns undefined where a record is no question of two choices, of which one is right, with an accuracy
 */
export function ofTwo(records: readonly SampleRecord[]): Scores | undefined {
  const all = { scores: [] as number[], partners: [] as number[] }
  for (const record of records) {
    // It stands beside the accuracy: a task whose metrics are others has those alone.
    if (record.kind !== 'rank' || record.choices.length !== 2 || record.scores.acc === undefined)
      return undefined
    const right = golds(record)
    if (right.length !== 1) return undefined
    const [first, second] = record.logLikelihoods
    if (typeof first !== 'number' || typeof second !== 'number') continue
    all.scores.push(second - first)
    all.partners.push(right[0] as number)
  }
  return all
}

/** Whether these scores have an area under the ROC curve. */
export function isDefined(scores: Scores): boolean {
  return !Number.isNaN(statisticOf('auc', scores)())
}

function golds(record: Exclude<SampleRecord, { kind: 'roll' }>): readonly number[] {
  if (record.kind === 'rank') return record.golds ?? [record.gold]
  return typeof record.gold === 'number' ? [record.gold] : []
}

function sameChoices(
  before: readonly string[] | null | undefined,
  choices: readonly string[],
): readonly string[] | null {
  if (before === undefined) return choices
  const isSame = before?.length === choices.length && before.every((choice, i) => choice === choices[i])
  return isSame ? before : null
}

/** The share of predictions from which one answer counts as all that a model says. */
const collapseShare = 0.9

/** Below so many predictions, chance gives such shares too. */
const minPredictions = 10

/** A sentence for each task, or template of it, of whose predictions one answer is more than 90 %. */
export function collapseWarnings(tasks: readonly TaskResult[]): string[] {
  return tasks.flatMap(({ title, templates, commonest, metrics, decimals }) =>
    templates
      ? templates.flatMap(one => warning(`${title}, template ${JSON.stringify(one.template)}`, one, decimals))
      : warning(title, { metrics, ...(commonest && { commonest }) }, decimals),
  )
}

function warning(
  title: string,
  { commonest, metrics }: Pick<TemplateResult, 'commonest' | 'metrics'>,
  decimals: 1 | 2,
): string[] {
  if (!commonest || commonest.share <= collapseShare || commonest.predictions < minPredictions) return []
  const { answer, share, right, predictions } = commonest
  const percent = (value: number) => printedPercent(value, decimals)
  const area = metrics[auc]
  return [
    `${title}: ${percent(share)} % of ${predictions} predictions are ${JSON.stringify(answer)}, which is right for ${percent(right)} %; ` +
      (area
        ? `the accuracy tells little, AUC (${percent(area.value)}) does not depend on how likely an answer is by itself.`
        : 'the accuracy tells little.'),
  ]
}
