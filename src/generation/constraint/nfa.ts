// A grammar as states over the bytes of UTF-8. A rule is a part of them that states call and that returns to them.
import { type Message, MtLlamaError, message } from '../../errors.ts'
import { type ByteRanges, type Characters, utf8Ranges } from './characters.ts'
import { FiniteTexts } from './finite.ts'
import type { Grammar, Rule } from './grammar.ts'

/** States of a grammar: a repetition has as many as its part has times its bound. */
export const maxStates = 50_000
/** A deeper grammar could overflow the stack of the functions that read it. */
const maxDepth = 1000
/** Ways from one state to another by a byte: a set of characters may have hundreds. */
const maxSteps = 500_000

interface State {
  /** Triples: a byte from the first to the second leads to the third. */
  bytes: number[]
  /** States that are reached without a byte. */
  free: number[]
  /** Pairs: the rule's first state, and where it returns to. */
  calls: number[]
}

export interface Nfa {
  readonly states: readonly State[]
  readonly start: number
  /** The last state of the whole grammar. */
  readonly end: number
  /** The last states of rules. */
  readonly returns: ReadonlySet<number>
}

/**
 * @param name what the caller knows the grammar by, for messages
 * @throws INVALID_ARGUMENT where no finite text is of the grammar, and where it has too many states
 */
export function nfaOf(grammar: Grammar, name: Message): Nfa {
  const { states, start, end, returns } = new Builder(grammar, name)
  return { states, start, end, returns }
}

/** It knows the grammar, which may be as large as the states and is not needed for longer. */
class Builder implements Nfa {
  readonly states: State[] = []
  readonly start: number
  readonly end: number
  readonly returns = new Set<number>()
  private readonly name: Message
  private readonly finite: FiniteTexts
  private readonly rules = new Map<Rule, { start: number; end: number }>()
  private readonly unmade: Rule[] = []
  /** How sets of characters are spelt, which many repetitions of one share. */
  private readonly spellings = new Map<Characters, ByteRanges[]>()
  private steps = 0
  private depth = 0

  constructor(grammar: Grammar, name: Message) {
    this.name = name
    this.finite = new FiniteTexts(grammar)
    if (!this.finite.has(grammar))
      throw new MtLlamaError('INVALID_ARGUMENT', message`${name} lets no text be: none matches it`)
    this.start = this.add()
    this.end = this.build(grammar, this.start)
    for (let rule = this.unmade.pop(); rule !== undefined; rule = this.unmade.pop()) {
      const { start, end } = this.rules.get(rule)!
      this.link(this.build(rule.grammar, start), end)
    }
  }

  /** Adds the part from a state on; returns the state after it. */
  private build(part: Grammar, from: number): number {
    if (++this.depth > maxDepth)
      throw new MtLlamaError('INVALID_ARGUMENT', message`${this.name} is nested too deep`)
    const end = this.buildKind(part, from)
    this.depth--
    return end
  }

  private buildKind(part: Grammar, from: number): number {
    switch (part.kind) {
      case 'characters':
        return this.characters(part.set, from)
      case 'sequence':
        return part.parts.reduce((at, inner) => this.build(inner, at), from)
      case 'choice': {
        const end = this.add()
        for (const inner of part.parts)
          if (this.finite.has(inner)) this.link(this.build(inner, this.after(from)), end)
        return end
      }
      case 'repeat':
        return this.repeat(part.part, part.min, part.max, from)
      case 'list':
        return this.list(part, from)
      case 'rule':
        return this.call(part.rule, from)
    }
  }

  private characters(set: Characters, from: number): number {
    const end = this.add()
    // Spellings that end alike share the states of their ends.
    const ends = new Map<string, number>()
    const spellings = this.spellings.get(set) ?? utf8Ranges(set)
    this.spellings.set(set, spellings)
    this.steps += spellings.length
    if (this.steps > maxSteps) throw tooLarge(this.name, message`${maxSteps} ways between states`)
    const { bytes } = this.states[from]!
    for (const ranges of spellings) {
      const [first] = ranges
      let to = end
      for (let i = ranges.length - 1; i > 0; i--) {
        const [low, high] = ranges[i]!
        const key = `${low} ${high} ${to}`
        const before = ends.get(key) ?? this.add()
        if (!ends.has(key)) this.states[before]!.bytes.push(low, high, to)
        ends.set(key, before)
        to = before
      }
      bytes.push(first![0], first![1], to)
    }
    return end
  }

  private repeat(part: Grammar, min: number, max: number, from: number): number {
    let at = from
    for (let i = 0; i < min; i++) at = this.build(part, this.after(at))
    if (!this.finite.has(part)) return at
    if (max === Number.POSITIVE_INFINITY) {
      const loop = this.after(at)
      this.link(this.build(part, this.after(loop)), loop)
      return this.after(loop)
    }
    const end = this.add()
    for (let i = min; i < max; i++) {
      this.link(at, end)
      at = this.build(part, this.after(at))
    }
    this.link(at, end)
    return end
  }

  private list({ items, separator, more }: Grammar & { kind: 'list' }, from: number): number {
    // Two states between items: none has come yet, or some has.
    let none: number | undefined = this.after(from)
    let some: number | undefined
    const enter = (): number => {
      const entry = this.add()
      if (none !== undefined) this.link(none, entry)
      if (some !== undefined) this.link(this.build(separator, this.after(some)), entry)
      return entry
    }
    for (const { part, optional } of items) {
      if (!this.finite.has(part)) continue
      const after = this.build(part, enter())
      if (optional && some !== undefined) this.link(some, after)
      if (!optional) none = undefined
      some = after
    }
    const end = this.add()
    if (more && this.finite.has(more)) {
      const loop = this.add()
      if (some !== undefined) this.link(some, loop)
      some = loop
      this.link(this.build(more, enter()), loop)
    }
    for (const state of [none, some]) if (state !== undefined) this.link(state, end)
    return end
  }

  private call(rule: Rule, from: number): number {
    let made = this.rules.get(rule)
    if (!made) {
      made = { start: this.add(), end: this.add() }
      this.rules.set(rule, made)
      this.returns.add(made.end)
      this.unmade.push(rule)
    }
    const after = this.add()
    this.states[from]!.calls.push(made.start, after)
    return after
  }

  private after(from: number): number {
    const state = this.add()
    this.link(from, state)
    return state
  }

  private link(from: number, to: number): void {
    this.states[from]!.free.push(to)
  }

  private add(): number {
    if (this.states.length >= maxStates) throw tooLarge(this.name)
    this.states.push({ bytes: [], free: [], calls: [] })
    return this.states.length - 1
  }
}

/** The error of a grammar that takes too many states. */
export function tooLarge(name: Message, what = message`${maxStates} states`): MtLlamaError {
  return new MtLlamaError(
    'INVALID_ARGUMENT',
    message`${name} takes more than ${what}; give it lower bounds of repetition, or fewer parts`,
  )
}
