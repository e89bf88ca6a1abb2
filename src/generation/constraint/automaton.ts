// A grammar as a deterministic automaton over bytes, whose states are made as texts come to them.
import { type Message, MtLlamaError, message } from '../../errors.ts'
import type { Nfa } from './nfa.ts'
import { Stacks } from './stacks.ts'

/** The state that no text of the grammar comes to. */
export const dead = 0

/** Places that a state may have: a grammar whose texts can be read in more ways at once is refused. */
const maxPlaces = 1 << 14
/** What a stack of open calls takes, about, in bytes. */
const bytesOfStack = 64
/** Bytes of states after which they are to be made anew. */
const roomyBytes = 1 << 25
/** Bytes of states that a way through the vocabulary may come to, as it cannot begin anew in between. */
const maxBytes = 1 << 27

/**
 * A place is a state of the grammar and the calls that are open there, as one number: state + states * stack. A state of the
 * automaton is a set of places.
 * The place -n, by itself, is the start of a text that loses up to n spaces at its front.
 */
export class Automaton {
  /** The class of each byte: bytes of one class go the same way everywhere. */
  readonly classes: Uint8Array
  readonly classCount: number
  /** Work done so far, in places: grows with time. */
  work = 0
  private readonly nfa: Nfa
  private readonly name: Message
  /** A byte of each class. */
  private readonly examples: number[] = []
  private readonly end: number
  private ownStacks: Stacks
  private places: (readonly number[])[] = []
  private ids = new Map<string, number>()
  private ends: boolean[] = []
  private next = new Int32Array(0)
  private bytesOfStates = 0

  /** @param name what the caller knows the grammar by, for messages */
  constructor(nfa: Nfa, name: Message) {
    this.nfa = nfa
    this.name = name
    this.end = nfa.end
    this.ownStacks = new Stacks(nfa.states.length)
    const cuts = new Uint8Array(257)
    // A space has a class of its own: texts may lose those at their front.
    for (const cut of [0, 0x20, 0x21]) cuts[cut] = 1
    for (const { bytes } of nfa.states)
      for (let i = 0; i < bytes.length; i += 3) cuts[bytes[i]!] = cuts[bytes[i + 1]! + 1] = 1
    this.classes = new Uint8Array(256)
    for (let byte = 0; byte < 256; byte++) {
      if (cuts[byte] === 1) this.examples.push(byte)
      this.classes[byte] = this.examples.length - 1
    }
    this.classCount = this.examples.length
    this.clear()
  }

  /** The state of a text with no byte yet, which will lose so many spaces at its front if it has them. */
  start(leadingSpaces: number): number {
    return this.stateOf(leadingSpaces > 0 ? [-leadingSpaces] : this.closure([this.nfa.start]))
  }

  /** The state after a byte of a class. */
  step(state: number, byteClass: number): number {
    const at = state * this.classCount + byteClass
    const known = this.next[at]!
    if (known >= 0) return known
    const to = this.find(this.places[state]!, byteClass)
    this.next[at] = to
    return to
  }

  /** The state after bytes. */
  after(state: number, bytes: Uint8Array): number {
    let at = state
    for (let i = 0; i < bytes.length && at !== dead; i++) at = this.step(at, this.classes[bytes[i]!]!)
    return at
  }

  /** Whether a text that ends here is of the grammar. */
  isComplete(state: number): boolean {
    return this.ends[state]!
  }

  /** Whether a text can go on from here. */
  goesOn(state: number): boolean {
    return this.places[state]!.some(place => place !== this.end)
  }

  /** States take so much memory that they should be made anew. */
  get isFull(): boolean {
    return this.bytes > roomyBytes
  }

  private get bytes(): number {
    return this.bytesOfStates + bytesOfStack * this.ownStacks.count
  }

  /** The stacks of the places, others after clear(). */
  get stacks(): Stacks {
    return this.ownStacks
  }

  /** What to come back to a state by, once clear() has been called. */
  placesOf(state: number): readonly number[] {
    return this.places[state]!
  }

  /** The state of places with the stacks of a time before clear(). */
  stateBy(places: readonly number[], stacks: Stacks): number {
    const count = this.nfa.states.length
    const known = new Map<number, number>()
    const own = places.map(place => {
      // The start of a text has no stack.
      if (place < 0) return place
      const at = place % count
      return at + count * this.ownStacks.taken((place - at) / count, stacks, known)
    })
    return this.stateOf(own.sort((a, b) => a - b))
  }

  private stateOf(places: readonly number[]): number {
    const key = places.join()
    const known = this.ids.get(key)
    if (known !== undefined) return known
    this.bytesOfStates += 16 * places.length + 4 * this.classCount
    if (this.bytes > maxBytes) throw this.tooComplex()
    const id = this.places.length
    this.places.push(places)
    this.ids.set(key, id)
    const ownStart = places[0]! < 0 ? this.closure([this.nfa.start]) : places
    this.ends.push(ownStart.includes(this.end))
    if (this.next.length < (id + 1) * this.classCount) {
      const grown = new Int32Array(2 * Math.max(64 * this.classCount, this.next.length)).fill(-1)
      grown.set(this.next)
      this.next = grown
    }
    return id
  }

  /** Forgets all states; their numbers mean nothing any more. */
  clear(): void {
    this.places = []
    this.ids = new Map()
    this.ends = []
    this.next = new Int32Array(0)
    this.bytesOfStates = 0
    this.ownStacks = new Stacks(this.nfa.states.length)
    this.stateOf([])
    this.next.fill(dead, 0, this.classCount)
  }

  private find(places: readonly number[], byteClass: number): number {
    if (places[0]! < 0) {
      const isSpace = byteClass === this.classes[0x20]
      return isSpace ? this.start(-places[0]! - 1) : this.step(this.start(0), byteClass)
    }
    this.work += places.length
    const byte = this.examples[byteClass]!
    const count = this.nfa.states.length
    const reached: number[] = []
    for (const place of places) {
      const of = place % count
      const { bytes } = this.nfa.states[of]!
      for (let i = 0; i < bytes.length; i += 3)
        if (bytes[i]! <= byte && byte <= bytes[i + 1]!) reached.push(place - of + bytes[i + 2]!)
    }
    return this.stateOf(this.closure(reached))
  }

  /** All places that are reached from some without a byte, of which those stay that bytes lead on from, or that are the end. */
  private closure(from: readonly number[]): number[] {
    const { states, returns } = this.nfa
    const stacks = this.ownStacks
    const count = states.length
    const seen = new Set(from)
    const open = [...seen]
    const kept: number[] = []
    const reach = (place: number) => {
      if (seen.has(place)) return
      seen.add(place)
      open.push(place)
    }
    for (let place = open.pop(); place !== undefined; place = open.pop()) {
      this.work++
      const at = place % count
      const stack = (place - at) / count
      const { bytes, free, calls } = states[at]!
      if (bytes.length > 0 || place === this.end) kept.push(place)
      for (const to of free) reach(place - at + to)
      for (let i = 0; i < calls.length; i += 2) reach(calls[i]! + count * stacks.pushed(stack, calls[i + 1]!))
      if (returns.has(at)) reach(stacks.returnOf(stack) + count * stacks.restOf(stack))
      if (seen.size > maxPlaces) throw this.tooComplex()
    }
    return kept.sort((a, b) => a - b)
  }

  /** The error where states have too many places. */
  tooComplex(): MtLlamaError {
    return new MtLlamaError(
      'INVALID_ARGUMENT',
      message`${this.name} can be read in too many ways at once; make it simpler`,
    )
  }
}
