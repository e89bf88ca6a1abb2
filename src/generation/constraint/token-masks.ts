// Which tokens lead on from each state of a grammar: the masks of one grammar over one vocabulary.
import type { Slices } from '../../calls/slices.ts'
import type { Automaton } from './automaton.ts'
import type { Stacks } from './stacks.ts'
import type { TokenTrie } from './token-trie.ts'

/** Bytes of masks after which they are to be made anew. */
const roomyBytes = 1 << 25

/** A place in a text: a state of the automaton, and what it is made of again once states were forgotten. */
export interface TextState {
  state: number
  places: readonly number[]
  /** Those of the places; where the automaton has others, `state` means nothing any more. */
  stacks: Stacks
}

export class TokenMasks {
  readonly trie: TokenTrie
  private readonly automaton: Automaton
  private masks = new Map<number, Int32Array>()

  constructor(automaton: Automaton, trie: TokenTrie) {
    this.automaton = automaton
    this.trie = trie
  }

  start(): TextState {
    return this.at(this.automaton.start(this.trie.bytes.leadingSpaces))
  }

  /** The state after a token; undefined where it does not lead on. */
  after(from: TextState, token: number): TextState | undefined {
    const bytes = this.trie.bytes.of(token)
    if (!bytes) return undefined
    const state = this.automaton.after(this.stateOf(from), bytes)
    return state === 0 ? undefined : this.at(state)
  }

  isComplete(at: TextState): boolean {
    return this.automaton.isComplete(this.stateOf(at))
  }

  /** Whether any byte leads on. */
  goesOn(at: TextState): boolean {
    return this.automaton.goesOn(this.stateOf(at))
  }

  /**
   * The tokens that lead on, one bit each: bit id % 32 of word id / 32. It is not to be changed.
   * @throws INVALID_ARGUMENT where the grammar is too complex
   */
  *of(at: TextState): Slices<Int32Array> {
    if (this.masks.size * maskWords(this.trie.vocabSize) * 4 > roomyBytes) this.forget()
    const state = this.stateOf(at)
    const known = this.masks.get(state)
    if (known) return known
    const mask = new Int32Array(maskWords(this.trie.vocabSize))
    const { bytes } = this.trie
    // Of a text that has not begun: tokens of which it would lose more than is known here cannot come first.
    const isFirst = at.places[0]! < 0
    try {
      yield* this.trie.visitAllowed(this.automaton, state, id => {
        if (!isFirst || !bytes.losesMore(id)) setBit(mask, id)
      })
    } catch (error) {
      // Other texts of the grammar, which are fine, find room again.
      this.forget()
      throw error
    }
    this.masks.set(state, mask)
    // At once, so that of the grammars of many texts no more than one takes much memory.
    if (this.automaton.isFull) this.forget()
    return mask
  }

  private forget(): void {
    this.automaton.clear()
    this.masks = new Map()
  }

  private at(state: number): TextState {
    return { state, places: this.automaton.placesOf(state), stacks: this.automaton.stacks }
  }

  private stateOf({ state, places, stacks }: TextState): number {
    if (this.automaton.isFull) this.forget()
    return stacks === this.automaton.stacks ? state : this.automaton.stateBy(places, stacks)
  }
}

export function maskWords(vocabSize: number): number {
  return Math.ceil(vocabSize / 32)
}

export function setBit(mask: Int32Array, id: number): void {
  mask[id >>> 5]! |= 1 << (id & 31)
}

export function clearBit(mask: Int32Array, id: number): void {
  mask[id >>> 5]! &= ~(1 << (id & 31))
}

export function hasBit(mask: Int32Array, id: number): boolean {
  return ((mask[id >>> 5]! >>> (id & 31)) & 1) === 1
}
