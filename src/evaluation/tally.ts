// Adds up a task's sample records to its metrics, and to those of each template.
import { type Aggregation, aggregated } from '../metrics/aggregation.ts'
import { type Figure, figureOf } from '../metrics/mean.ts'
import { auc, ChoiceTally, type Commonest } from './choices.ts'
import { isNotFinite } from './not-finite.ts'
import type { SampleRecord, TemplateResult } from './results.ts'

export class Tally {
  samples = 0
  ties = 0
  failed = 0
  truncated = 0
  notFinite = 0
  readonly #all = new Counted()
  readonly #templates = new Map<string, Counted>()
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
    this.#all.add(record)
    if (record.template === undefined) return
    const own = this.#templates.get(record.template) ?? new Counted()
    this.#templates.set(record.template, own)
    own.add(record)
  }

  /** There must be one sample at least, and no other until this is done. */
  async metrics(): Promise<Record<string, Figure>> {
    const figures = await this.#all.metrics(this.#aggregations)
    if (!this.#isPooled) return figures
    // Answers about one item by several templates do not vary independently: each template has errors of its own.
    const none = { standardError: null, bootstrapError: null, interval: null }
    // Nor do scores by one template compare with those by another, which may have other choices.
    const { [auc]: _, ...means } = figures
    return Object.fromEntries(Object.entries(means).map(([name, { value }]) => [name, { value, ...none }]))
  }

  /** The answer that most predictions are; undefined where nothing was chosen, and where templates have choices of their own. */
  commonest(): Commonest | undefined {
    return this.#isPooled ? undefined : this.#all.choices.commonest()
  }

  get #isPooled(): boolean {
    return this.#templates.size > 1
  }

  /** The results of templates in the order in which they first asked; none where the protocol has none. */
  async templates(): Promise<TemplateResult[]> {
    const results: TemplateResult[] = []
    for (const [template, own] of this.#templates) {
      const commonest = own.choices.commonest()
      const metrics = await own.metrics(this.#aggregations)
      results.push({ template, samples: own.samples, metrics, ...(commonest && { commonest }) })
    }
    return results
  }
}

/** Samples that figures are made of: all, or those of a template. */
class Counted {
  samples = 0
  readonly choices = new ChoiceTally()
  readonly #scores: Scores = new Map()

  add(record: SampleRecord): void {
    this.samples++
    this.choices.add(record)
    addScores(this.#scores, record)
  }

  async metrics(aggregations: Readonly<Record<string, Aggregation>>): Promise<Record<string, Figure>> {
    const area = await this.choices.auc()
    return { ...(await figuresOf(this.#scores, aggregations)), ...(area && { [auc]: area }) }
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
