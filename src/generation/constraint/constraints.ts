// The constraints of a model's calls. What was found of a grammar serves later calls with the same one.
import { optionName } from '../../calls/options.ts'
import type { Slices } from '../../calls/slices.ts'
import { MtLlamaError, message } from '../../errors.ts'
import type { Tokenizer } from '../../tokenizer/tokenizer.ts'
import { Automaton } from './automaton.ts'
import type { ReadConstraint } from './option.ts'
import { TokenMasks } from './token-masks.ts'
import { TokenTrie } from './token-trie.ts'

/** Grammars that are kept, each with up to 64 MiB of states and masks. */
const maxKept = 8

export class Constraints {
  private readonly tokenizer: Tokenizer | undefined
  private readonly vocabSize: number
  private trie: TokenTrie | undefined
  /** The work on it, which all calls that wait for it do together. */
  private growing: Slices<TokenTrie> | undefined
  /** The least recently used first. */
  private readonly automata = new Map<string, Automaton>()
  private readonly masks = new WeakMap<Automaton, TokenMasks>()

  constructor(tokenizer: Tokenizer | undefined, vocabSize: number) {
    this.tokenizer = tokenizer
    this.vocabSize = vocabSize
  }

  /** @throws TOKENIZER where the model has none */
  automaton({ key, nfa }: ReadConstraint): Automaton {
    const name = message`${optionName('constraint')}`
    if (!this.tokenizer)
      throw new MtLlamaError(
        'TOKENIZER',
        message`${name} needs texts, but the checkpoint has no tokenizer. Leave it out`,
      )
    const automaton = this.automata.get(key) ?? new Automaton(nfa, name)
    this.automata.delete(key)
    this.automata.set(key, automaton)
    if (this.automata.size > maxKept) this.automata.delete(this.automata.keys().next().value!)
    return automaton
  }

  /** The masks of an automaton. The first time the vocabulary is read. */
  *masksOf(automaton: Automaton): Slices<TokenMasks> {
    const trie = yield* this.vocabulary()
    let masks = this.masks.get(automaton)
    if (!masks) {
      masks = new TokenMasks(automaton, trie)
      this.masks.set(automaton, masks)
    }
    return masks
  }

  private *vocabulary(): Slices<TokenTrie> {
    while (!this.trie) {
      this.growing ??= TokenTrie.of(this.tokenizer!, this.vocabSize)
      const step = this.growing.next()
      if (!step.done) yield
      else [this.trie, this.growing] = [step.value, undefined]
    }
    return this.trie
  }
}
