// What the planner is run with; tests of determinism run others.

export interface PlannerOptions {
  /** Tokens a pack should have; a longer sequence makes a pack of its own. */
  packTokens: number
  /** Whether requests share prefixes. */
  share: boolean
}

export const defaultPlanner: PlannerOptions = { packTokens: 2048, share: true }
