// Probabilities among a few continuations, corrected by what the model would say of texts that say nothing.

export type Calibration = 'none' | 'pmi' | 'contextual'

/**
 * The texts whose answers a calibration divides by: for 'pmi' the empty one, so that only the template is left, the domain
 * of Holtzman et al. 2021; for 'contextual' those of Zhao et al. 2021.
 */
export const contentFreeTexts: Readonly<Record<Calibration, readonly string[]>> = {
  none: [],
  pmi: [''],
  contextual: ['N/A', '', '[MASK]'],
}

/**
 * Logs of probabilities that sum to 1 and are as the values' exponentials to each other.
 * @param values [n] natural logs
 */
export function logSoftmax(values: readonly number[]): number[] {
  const max = Math.max(...values)
  const sum = values.reduce((total, value) => total + Math.exp(value - max), 0)
  return values.map(value => value - max - Math.log(sum))
}

/**
 * ln of the mean of probabilities over texts.
 * @param logProbs [texts][continuations] natural logs
 * @returns [continuations]
 */
export function logMeans(logProbs: readonly (readonly number[])[]): number[] {
  return logProbs[0]!.map((_, continuation) => {
    const values = logProbs.map(ofText => ofText[continuation]!)
    const max = Math.max(...values)
    return max + Math.log(values.reduce((sum, value) => sum + Math.exp(value - max), 0) / values.length)
  })
}
