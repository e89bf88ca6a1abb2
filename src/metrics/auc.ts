// The area under the ROC curve: how well a number tells two classes apart, wherever the threshold between them is set.

/**
 * The probability that a sample of class 1 has a higher number than one of class 0, a tie counting half: the statistic of
 * Mann and Whitney over the number of such pairs (J. A. Hanley and B. J. McNeil, The meaning and use of the area under a ROC
 * curve, 1982), as scikit-learn's roc_auc_score() has it.
 * @param scores a finite number for each sample
 * @param classes 0 or 1 for each sample
 * @returns the area over the samples at some places, which may come more than once; NaN where they lack a class
 */
export function areaUnderRoc(
  scores: readonly number[],
  classes: readonly number[],
): (drawn: Int32Array) => number {
  const rising = Float64Array.from(new Set(scores)).sort()
  const places = new Map(Array.from(rising, (score, place) => [score, place]))
  // Equal scores share a place, so that a set of samples is counted and never sorted.
  const placeOf = Int32Array.from(scores, score => places.get(score)!)
  const counts = [new Float64Array(rising.length), new Float64Array(rising.length)] as const
  return drawn => {
    const [zeros, ones] = counts
    zeros.fill(0)
    ones.fill(0)
    for (const i of drawn) counts[classes[i] as 0 | 1][placeOf[i]!]!++
    let [pairs, below, all] = [0, 0, 0]
    for (let place = 0; place < rising.length; place++) {
      pairs += ones[place]! * (below + zeros[place]! / 2)
      below += zeros[place]!
      all += ones[place]!
    }
    return pairs / (below * all)
  }
}
