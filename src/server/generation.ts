// New texts of a request: n of each prompt, told of as they grow.
import type { Constraint } from '../generation/constraint/option.ts'
import type { Continuation } from '../generation/continuation.ts'
import type { GeneratedText, GenerateResult } from '../generation/options.ts'
import type { Model } from '../model.ts'
import { EventQueue } from './event-queue.ts'
import type { Call } from './route.ts'
import { type Sampling, samplingOptions } from './sampling.ts'

/** A text that has ended or goes on. */
export type SoFar = Pick<GeneratedText, 'tokens' | 'logProbs' | 'topAlternatives'>

/** Told of a piece of text `index`, which is choice `index % n` of prompt `index / n`. */
export type OnText = (piece: string, index: number, text: SoFar) => void

interface Asked {
  sampling: Sampling
  maxTokens: number
  topLogProbs: number
  constraint?: Constraint | undefined
  /** Whether keys and values stay for a next turn. */
  keepsRows: boolean
  call: Call
}

/** All texts, those of a prompt one after the other. */
export async function generateTexts(
  model: Model,
  prompts: readonly Int32Array[],
  { sampling, maxTokens, topLogProbs, constraint, keepsRows, call }: Asked,
  told?: OnText,
): Promise<GeneratedText[]> {
  const n = sampling.n ?? 1
  const options = samplingOptions(sampling)
  // Greedy texts of a prompt are all the same, and generate() makes one of each: the prompt stands there as often.
  const isGreedy = options.temperature === 0
  const repeated = prompts.flatMap(ids => Array.from({ length: isGreedy ? n : 1 }, () => ids))
  const indexOf = ({ stream, choice }: Continuation) => (isGreedy ? stream : stream * n + choice)
  const results = await model.generateTold(
    repeated,
    {
      ...options,
      maxTokens,
      n: isGreedy ? 1 : n,
      topLogProbs,
      addBos: false,
      ...call.work(),
      ...(constraint && { constraint }),
    },
    { keepsRows, onText: (piece, text) => told?.(piece, indexOf(text), text) },
  )
  return results.flatMap((result: GenerateResult): GeneratedText[] => result.choices ?? [result])
}

/** What came to a text since it was told of before, and how it has ended. */
export interface Growth {
  index: number
  piece: string
  /** The new tokens. */
  part: SoFar
  finish: 'stop' | 'length' | null
}

/**
 * The growth of all texts as it comes; the last of each says how it has ended.
 * @param begin begins the work, which tells of pieces
 */
export function growing(begin: (told: OnText) => Promise<GeneratedText[]>): {
  growths: AsyncGenerator<Growth, void, undefined>
  ended: Promise<GeneratedText[]>
} {
  const queue = new EventQueue<Growth>()
  const told = new Map<number, { tokens: number; length: number }>()
  const tell = (piece: string, index: number, text: SoFar, finish: Growth['finish']) => {
    const { tokens, length } = told.get(index) ?? { tokens: 0, length: 0 }
    told.set(index, { tokens: text.tokens.length, length: length + piece.length })
    const part = {
      tokens: text.tokens.slice(tokens),
      logProbs: text.logProbs.slice(tokens),
      topAlternatives: text.topAlternatives?.slice(tokens) ?? [],
    }
    queue.push({ index, piece, part, finish })
  }
  const ended = begin((piece, index, text) => tell(piece, index, text, null)).then(texts => {
    // What did not come piece by piece comes at once.
    for (const [index, text] of texts.entries())
      tell(text.text.slice(told.get(index)?.length ?? 0), index, text, finishOf(text))
    return texts
  })
  queue.endWith(ended)
  return { growths: queue.read(), ended }
}

/** A text that fills the context has no more room, as one has that fills max_tokens. */
export function finishOf({ finishReason }: GeneratedText): 'stop' | 'length' {
  return finishReason === 'stop' ? 'stop' : 'length'
}
