// Reads test/golden/hf and, where they are there, shared/golden/hf and shared/golden/sister, and says how near a run must
// come: for the mocha test, and for the tests on GPUs, which run without Node on what write-golden.ts makes of them.
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import type { LoadOptions } from '../src/index.ts'
import { safetensorsArrays } from './safetensors-arrays.ts'
import { carried, shared, sharedMissing } from './shared.ts'

/**
 * The bound of a logit, as a share of the sequence's largest; of a log-probability; and the margin that either of two tokens
 * may win. Float64 arithmetic is off by 1.8e-5 and 3.2e-5.
 */
export const logitTolerance = 4e-5
export const logProbTolerance = 1e-4
export const smallMargin = 1e-3

/** Mean |difference| of the next token's log-probability, as multiples of the error of transformers in bfloat16. */
export const bounds = { bfloat16: 1.5, float16: 0.125 } as const

interface Case {
  /** Absent where nothing is expected of 16-bit floats. */
  bf16_logprob_error_of_transformers?: { mean: number; max: number }
}
interface ScoreCase {
  prompt: number[]
  continuations: number[][]
  tokenLogProbs: number[][]
  isGreedy: boolean[][]
  margin: number[][]
}
interface TextCase {
  text: string
  ids: number[]
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
  /** The path to give to loadModel(), with the options that say what is put on it. */
  path: string
  additions: Pick<LoadOptions, 'delta' | 'adapters'>
  about: Case
  scores: ScoreCase[]
  greedy: GreedyCase[]
  /** Texts with their ids by the tokenizers library or sentencepiece; none where the checkpoint has no tokenizer. */
  texts: TextCase[]
  sequences(): GoldenSequence[]
}

/** The cases that are read, those of this repository first, by name. */
export function goldenCases(): GoldenCase[] {
  const roots = [
    carried('hf'),
    ...(sharedMissing ? [] : [shared('golden', 'hf'), shared('golden', 'sister')]),
  ]
  return roots.flatMap(folders).map(folder => {
    const gguf = join(folder, 'model.gguf')
    return readCase(folder, existsSync(gguf) ? gguf : folder)
  })
}

/** Adapters and a delta, on bases that are cases or lie beside them. */
export function goldenAdditions(): GoldenCase[] {
  if (sharedMissing) return []
  const adapters = folders(shared('golden', 'lora')).map(folder => {
    const { base } = JSON.parse(readFileSync(join(folder, 'case.json'), 'utf8'))
    return readCase(folder, shared('golden', 'hf', base), { adapters: [folder] })
  })
  const delta = shared('golden', 'delta')
  return [
    ...adapters,
    {
      ...readCase(join(delta, 'target'), join(delta, 'base'), { delta: join(delta, 'delta') }),
      name: 'delta',
    },
  ]
}

function folders(root: string): string[] {
  return readdirSync(root)
    .sort()
    .map(name => join(root, name))
}

function readCase(folder: string, path: string, additions: GoldenCase['additions'] = {}): GoldenCase {
  const texts = join(folder, 'texts.json')
  const read = <T>(part: string): T => JSON.parse(readFileSync(join(folder, part), 'utf8'))
  return {
    name: basename(folder),
    path,
    additions,
    about: existsSync(join(folder, 'case.json')) ? read<Case>('case.json') : {},
    scores: read<ScoreCase[]>('score.json'),
    greedy: read<GreedyCase[]>('greedy.json'),
    texts: existsSync(texts) ? read<TextCase[]>('texts.json') : [],
    sequences: () => sequences(join(folder, 'expected.safetensors')),
  }
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
