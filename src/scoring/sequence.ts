// One sequence of tokens of which the tail is to be scored: the unit the planner works on.

export interface Sequence {
  ids: Int32Array
  /** ids[first ..] are scored; at least 1, for something must come before. */
  first: number
  /** The request it belongs to, an index within the call. */
  request: number
  /** The continuation of that request. */
  continuation: number
}

/** Tokens the model must run for a sequence on its own: nothing is predicted from the last one. */
export function computedLength(sequence: Sequence): number {
  return sequence.ids.length - 1
}
