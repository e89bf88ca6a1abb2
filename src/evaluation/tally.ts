// Adds up a task's sample records to its metrics, and to those of each template.
import { type Aggregation, aggregated } from '../metrics/aggregation.ts'
import { type Figure, figureOf } from '../metrics/mean.ts'
import { isNotFinite } from './not-finite.ts'
import type { SampleRecord, TemplateResult } from './results.ts'

export class Tally {
  samples = 0
  ties = 0
  failed = 0
  truncated = 0
  notFinite = 0
  readonly #scores: Scores = new Map()
  readonly #templates = new Map<string, Scores>()
  readonly #aggregations: Readonly<Record<string, Aggregation>>

  /** @param aggregations how metrics are made of scores that are no means */
  constructor(aggregations: Readonly<Record<string, Aggregation>> = {}) {
    this.#aggregations = aggregations
  }

  add(record: SampleRecord): void {
    this.samples++
    if (record.tied) this.ties++
    if (record.failed) this.failed++
    if (record.truncatedTokens > 0) this.truncated++
    if (isNotFinite(record)) this.notFinite++
    addScores(this.#scores, record)
    if (record.template === undefined) return
    const own: Scores = this.#templates.get(record.template) ?? new Map()
    this.#templates.set(record.template, own)
    addScores(own, record)
  }

  /** There must be one sample at least, and no other until this is done. */
  async metrics(): Promise<Record<string, Figure>> {
    const figures = await figuresOf(this.#scores, this.#aggregations)
    // Answers about one item by several templates do not vary independently: each template has errors of its own.
    const none = { standardError: null, bootstrapError: null, interval: null }
    const isPooled = this.#templates.size > 1
    return isPooled
      ? Object.fromEntries(Object.entries(figures).map(([name, { value }]) => [name, { value, ...none }]))
      : figures
  }

  /** The results of templates in the order in which they first asked; none where the protocol has none. */
  async templates(): Promise<TemplateResult[]> {
    const results: TemplateResult[] = []
    for (const [template, scores] of this.#templates) {
      const samples = [...scores.values()][0]!.scores.length
      results.push({ template, samples, metrics: await figuresOf(scores, this.#aggregations) })
    }
    return results
  }
}

/** The scores of all samples by the metric's name, with the numbers that they are paired with, where there are some. */
type Scores = Map<string, { scores: number[]; partners: number[] }>

function addScores(all: Scores, { scores, pairedWith }: SampleRecord): void {
  for (const [metric, score] of Object.entries(scores)) {
    const own = all.get(metric) ?? { scores: [], partners: [] }
    all.set(metric, own)
    own.scores.push(score)
    const partner = pairedWith?.[metric]
    if (partner !== undefined) own.partners.push(partner)
  }
}

async function figuresOf(
  all: Scores,
  aggregations: Readonly<Record<string, Aggregation>>,
): Promise<Record<string, Figure>> {
  const figures: Record<string, Figure> = {}
  for (const [metric, { scores, partners }] of all) {
    const aggregation = aggregations[metric]
    figures[metric] = aggregation
      ? await aggregated(aggregation, { scores, partners })
      : await figureOf(scores)
  }
  return figures
}
