// Estimates what a call over many items will run, from its progress and the number of its items.

interface Planned {
  tokensDone: number
  /** Tokens of the items planned so far. */
  tokensPlanned: number
}

/**
 * The tokens that all items take, if the others are like those planned; undefined where nothing tells.
 * @param planned items planned so far
 * @param total all items; undefined while that is not known
 */
export function expectedTokens(
  { tokensDone, tokensPlanned }: Planned,
  planned: number,
  total: number | undefined,
): number | undefined {
  if (total === undefined || planned <= 0) return undefined
  return Math.max(tokensDone, Math.round((tokensPlanned * total) / planned))
}
