// The tokens of a vocabulary as a tree of their bytes, in which an automaton finds those that may come.
import type { Slices } from '../../calls/slices.ts'
import type { TokenBytes } from '../../tokenizer/token-bytes.ts'
import type { Tokenizer } from '../../tokenizer/tokenizer.ts'
import type { Automaton } from './automaton.ts'
import { dead } from './automaton.ts'

/** Tokens or nodes that a slice of work handles. */
const perSlice = 1 << 13
/** Places of states that a way through the vocabulary may look at: it takes a second or two, for which others wait. */
const maxWork = 1 << 22

/** A tree while tokens are added to it. Node 0 is the root; the children of a node are a list. */
class GrowingTree {
  readonly bytes: number[] = [0]
  /** Of each node its first child, and the next child of its parent; 0 where there is none. */
  readonly first: number[] = [0]
  readonly next: number[] = [0]
  readonly tokens: (number[] | undefined)[] = [undefined]
  /** Nodes by parent * 256 + byte. */
  private readonly children = new Map<number, number>()

  add(token: Uint8Array, id: number): void {
    let node = 0
    for (const byte of token) {
      const key = node * 256 + byte
      let child = this.children.get(key)
      if (child === undefined) {
        child = this.bytes.length
        this.bytes.push(byte)
        this.next.push(this.first[node]!)
        this.first[node] = child
        this.first.push(0)
        this.tokens.push(undefined)
        this.children.set(key, child)
      }
      node = child
    }
    this.tokens[node] ??= []
    this.tokens[node]!.push(id)
  }
}

/** After each node come its descendants, then its next sibling. */
export class TokenTrie {
  /** What a token adds to a text; undefined for one that no text is made of. */
  readonly bytes: TokenBytes
  readonly vocabSize: number
  private readonly nodeBytes: Uint8Array
  private readonly depths: Uint32Array
  /** The node after the last descendant of each. */
  private readonly ends: Uint32Array
  /** The tokens that end at each node lie in `tokens` from here on, up to those of the next node. */
  private readonly tokenStarts: Uint32Array
  private readonly tokens: Int32Array

  private constructor(bytes: TokenBytes, vocabSize: number, nodes: number, tokens: number) {
    this.bytes = bytes
    this.vocabSize = vocabSize
    this.nodeBytes = new Uint8Array(nodes)
    this.depths = new Uint32Array(nodes)
    this.ends = new Uint32Array(nodes)
    this.tokenStarts = new Uint32Array(nodes + 1)
    this.tokens = new Int32Array(tokens)
  }

  /** @param vocabSize the model's, which may be larger or smaller than the tokenizer's */
  static *of(tokenizer: Tokenizer, vocabSize: number): Slices<TokenTrie> {
    const tree = new GrowingTree()
    const bytes = tokenizer.tokenBytes()
    let count = 0
    for (let id = 0; id < Math.min(vocabSize, tokenizer.vocabSize); id++) {
      if (id % perSlice === perSlice - 1) yield
      const token = bytes.of(id)
      if (!token) continue
      tree.add(token, id)
      count++
    }
    const trie = new TokenTrie(bytes, vocabSize, tree.bytes.length - 1, count)
    yield* trie.take(tree)
    return trie
  }

  private *take({ bytes, first, next, tokens }: GrowingTree): Slices<void> {
    let at = 0
    let token = 0
    const path: number[] = []
    const places: number[] = []
    for (let node = first[0]!; node !== 0; ) {
      if (at % perSlice === perSlice - 1) yield
      path.push(node)
      places.push(at)
      this.nodeBytes[at] = bytes[node]!
      this.depths[at] = path.length
      this.tokenStarts[at] = token
      for (const id of tokens[node] ?? []) this.tokens[token++] = id
      at++
      node = first[node]!
      while (node === 0 && path.length > 0) {
        this.ends[places.pop()!] = at
        node = next[path.pop()!]!
      }
    }
    this.tokenStarts[at] = token
  }

  /**
   * Calls visit() for each token that leads on from a state of the automaton.
   * @throws INVALID_ARGUMENT where the grammar is too complex
   */
  *visitAllowed(automaton: Automaton, state: number, visit: (id: number) => void): Slices<void> {
    const states: number[] = [state]
    const most = automaton.work + maxWork
    for (let node = this.walk(automaton, states, 0, visit); node < this.nodeBytes.length; ) {
      if (automaton.work > most) throw automaton.tooComplex()
      yield
      node = this.walk(automaton, states, node, visit)
    }
  }

  /**
   * A slice of visitAllowed().
   * @param states of the automaton, by the depth of the nodes that lead to `from`
   * @returns the node to go on from
   */
  private walk(automaton: Automaton, states: number[], from: number, visit: (id: number) => void): number {
    const { nodeBytes, depths, ends, tokenStarts, tokens } = this
    const { classes } = automaton
    const enough = automaton.work + perSlice
    let node = from
    for (let nodes = 0; node < nodeBytes.length && nodes < perSlice && automaton.work < enough; nodes++) {
      const depth = depths[node]!
      const to = automaton.step(states[depth - 1]!, classes[nodeBytes[node]!]!)
      if (to === dead) {
        node = ends[node]!
        continue
      }
      states[depth] = to
      for (let i = tokenStarts[node]!; i < tokenStarts[node + 1]!; i++) visit(tokens[i]!)
      node++
    }
    return node
  }
}
