// What shared/golden/hf holds and how near a run must come to it: for the mocha test, and for the tests on GPUs, which
// run without Node on what write-golden.ts makes of it.
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { safetensorsArrays } from './safetensors-arrays.ts'
import { shared } from './shared.ts'

/** Formats and architectures that are not read (yet): the folder's own case.json says what they are. */
const notRead = /^(bin|meta-|gguf-mixed$|mistral-window$|qwen2$)/

/** Of golden/README.md: logits against the largest of the sequence; a log-probability; a margin either token may win. */
export const logitTolerance = 4e-5
export const logProbTolerance = 1e-4
export const smallMargin = 1e-3

/** Mean |difference| of the next token's log-probability, as multiples of the error of transformers in bfloat16. */
export const bounds = { bfloat16: 1.5, float16: 0.125 } as const

interface Case {
  name: string
  bf16_logprob_error_of_transformers: { mean: number; max: number }
}
interface ScoreCase {
  prompt: number[]
  continuations: number[][]
  tokenLogProbs: number[][]
  isGreedy: boolean[][]
  margin: number[][]
}
interface GreedyCase {
  prompt: number[]
  generated: number[]
  margin: number[]
}

/** A sequence with the logits [rows, vocab] of its last rows. */
export interface GoldenSequence {
  label: string
  ids: Int32Array
  logits: Float32Array
  vocab: number
}

export interface GoldenCase {
  name: string
  /** To be given to loadModel(). */
  path: string
  about: Case
  scores: ScoreCase[]
  greedy: GreedyCase[]
  sequences(): GoldenSequence[]
}

/** The cases that are read, by name. */
export function goldenCases(): GoldenCase[] {
  const root = shared('golden', 'hf')
  return readdirSync(root)
    .filter(name => !notRead.test(name))
    .sort()
    .map(name => {
      const folder = join(root, name)
      const gguf = join(folder, 'model.gguf')
      const read = <T>(part: string): T => JSON.parse(readFileSync(join(folder, part), 'utf8'))
      return {
        name,
        path: existsSync(gguf) ? gguf : folder,
        about: read<Case>('case.json'),
        scores: read<ScoreCase[]>('score.json'),
        greedy: read<GreedyCase[]>('greedy.json'),
        sequences: () => sequences(join(folder, 'expected.safetensors')),
      }
    })
}

function sequences(file: string): GoldenSequence[] {
  const arrays = safetensorsArrays(file)
  const found = [...arrays.keys()].filter(name => name.startsWith('ids.'))
  return found.map(name => {
    const ids = arrays.get(name)!.data as Int32Array
    const { data, shape } = arrays.get(name.replace('ids.', 'logits.'))!
    return { label: name, ids, logits: data as Float32Array, vocab: shape[1]! }
  })
}
