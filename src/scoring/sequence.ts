// One sequence of tokens of which the tail is to be scored: the unit the planner works on.

export interface Sequence {
  /** All tokens, or those after the segment. */
  ids: Int32Array
  /** ids[first ..] are scored; at least 1, for something must come before. */
  first: number
  /** The request it belongs to, an index within the call. */
  request: number
  /** The continuation of that request. */
  continuation: number
  /** Tokens before `ids` whose keys and values are kept. */
  segment?: Segment
  /** The sequence with the tokens of the segment. */
  whole?: Sequence
}

/** Rows of the session that keeps prefixes. */
export interface Segment {
  row: number
  length: number
}

/** Tokens the model must run for a sequence on its own: nothing is predicted from the last one. */
export function computedLength(sequence: Sequence): number {
  return sequence.ids.length - 1
}
