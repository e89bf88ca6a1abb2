// How tables print a figure of a task, or of a mean over languages.

import type { Aggregation } from '../metrics/aggregation.ts'
import { printedScore } from '../metrics/percent.ts'
import type { LanguageMean, TaskResult } from './results.ts'

/** Shares in percent, perplexities and bits as they are. @param value the figure, or what is said of its certainty */
export function printedFigure(result: TaskResult | LanguageMean, metric: string, value: number): string {
  return printedScore(value, aggregationOf(result, metric), result.decimals)
}

export function aggregationOf(result: TaskResult | LanguageMean, metric: string): Aggregation | undefined {
  return 'aggregations' in result ? result.aggregations?.[metric] : undefined
}
