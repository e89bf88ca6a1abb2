// Adds up a task's sample records to its metrics, and to those of each template.
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
    return figuresOf(this.#scores)
  }

  /** The results of templates in the order in which they first asked; none where the protocol has none. */
  async templates(): Promise<TemplateResult[]> {
    const results: TemplateResult[] = []
    for (const [template, scores] of this.#templates) {
      const samples = [...scores.values()][0]!.length
      results.push({ template, samples, metrics: await figuresOf(scores) })
    }
    return results
  }
}

/** The scores of all samples by the metric's name. */
type Scores = Map<string, number[]>

function addScores(all: Scores, { scores }: SampleRecord): void {
  for (const [metric, score] of Object.entries(scores)) {
    const before = all.get(metric)
    if (before) before.push(score)
    else all.set(metric, [score])
  }
}

async function figuresOf(all: Scores): Promise<Record<string, Figure>> {
  const figures: Record<string, Figure> = {}
  for (const [metric, scores] of all) figures[metric] = await figureOf(scores)
  return figures
}
