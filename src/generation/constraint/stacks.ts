// The calls of rules that are open somewhere in a text, as numbers.

/** A stack without a call is 0; another one has the state that its last call returns to, and the rest. */
export class Stacks {
  private readonly returns: number[] = [-1]
  private readonly rests: number[] = [0]
  /** Stacks by rest * states + return. */
  private readonly ids = new Map<number, number>()
  private readonly states: number

  /** @param states how many states there are to return to */
  constructor(states: number) {
    this.states = states
  }

  get count(): number {
    return this.returns.length
  }

  /** The state that the last call returns to. */
  returnOf(stack: number): number {
    return this.returns[stack]!
  }

  /** The stack without its last call. */
  restOf(stack: number): number {
    return this.rests[stack]!
  }

  /** The stack with another call, which returns to a state. */
  pushed(rest: number, to: number): number {
    const key = rest * this.states + to
    const known = this.ids.get(key)
    if (known !== undefined) return known
    const id = this.returns.length
    this.returns.push(to)
    this.rests.push(rest)
    this.ids.set(key, id)
    return id
  }

  /**
   * The number that a stack of others has here.
   * @param known those that were found before, to which this one is added
   */
  taken(stack: number, from: Stacks, known: Map<number, number>): number {
    const open: number[] = []
    let at = stack
    for (; at !== 0 && !known.has(at); at = from.rests[at]!) open.push(at)
    let own = at === 0 ? 0 : known.get(at)!
    for (const other of open.reverse()) {
      own = this.pushed(own, from.returns[other]!)
      known.set(other, own)
    }
    return own
  }
}
