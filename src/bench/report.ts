// The shape of a benchmark's report as JSON. Rates are computed with the median time.
import type { Device, DType, LlamaSizes } from '../native/types.ts'
import type { Bound } from './counts.ts'

export interface BenchReport {
  machine?: {
    /** The processor's name, or the GPU's. */
    name: string
    device: Device
    threads: number
    dtype: DType
    /** Device and instruction set, such as 'cpu avx512_bf16'. */
    backend: string
    node: string
    version: string
  }
  model?: LlamaSizes & {
    /** The path that was given, or the name of a shape with random weights. */
    name: string
    random: boolean
    parameters: number
    weightBytes: number
  }
  peaks?: {
    arithmetic: { instruction: string; gflopPerSecond: number }[]
    readGigabytesPerSecond: number
    /** The instruction among those of `arithmetic` that matrix products in this dtype use. */
    instruction: string
  }
  ops?: OpReport[]
  /** The ops of training; those that run on weights alone have one row. */
  trainOps?: OpReport[]
  prefill?: PrefillReport
  decode?: DecodeReport[]
  scoring?: ScoringReport
  train?: TrainReport[]
}

interface Micros {
  /** The median time of a run, followed by the 10th and the 90th percentile. */
  microseconds: number
  microsecondsP10: number
  microsecondsP90: number
}

export interface OpReport extends Micros, Bound {
  op: string
  /** The tokens that the op ran on. */
  rows: number
  /** Positions before the rows in the KV cache. */
  cache: number
  runs: number
  /** Arithmetic operations in a run. */
  flops: number
  bytes: number
  /** The part of `bytes` that lies in memory: weights, cached keys and values. */
  memoryBytes: number
  /** Whether memoryBytes were read from memory. So few that they lie in a cache have no share of memory's peak. */
  fromMemory: boolean
  gflopPerSecond: number
  gigabytesPerSecond: number
}

export interface PrefillReport extends Micros, Bound {
  tokens: number
  runs: number
  flops: number
  tokensPerSecond: number
  gflopPerSecond: number
}

/** The times of a training step of one pack. */
export interface TrainReport extends Micros, Bound {
  /** All weights, or adapters of all linear maps. */
  method: 'full' | 'lora'
  tokens: number
  runs: number
  /** Arithmetic operations that a step needs; what is computed again for want of memory is not counted. */
  flops: number
  tokensPerSecond: number
  gflopPerSecond: number
  /** What training takes of memory by formula, of the device's. */
  memoryBytes: number
  /** By which the process's resident memory has grown; null on a GPU. */
  residentBytes: number | null
}

/** The times of one step, which runs a token for each sequence. */
export interface DecodeReport extends Micros, Bound {
  sequences: number
  steps: number
  /** Positions that a sequence has before the first step that is timed. */
  positions: number
  /** Arithmetic operations in the middle one of the timed steps; the bytes below are those that it reads. */
  flops: number
  weightBytes: number
  kvBytes: number
  tokensPerSecond: number
  gigabytesPerSecond: number
}

/** The times of scoring prompts with some continuations each. A prompt is run once for all of its continuations. */
export interface ScoringReport extends Micros {
  prompts: number
  continuations: number
  promptTokens: number
  continuationTokens: number
  runs: number
  /** Tokens that the model ran, followed by those that it would run if each continuation came with its prompt. */
  tokensRun: number
  tokensUnshared: number
  promptsPerSecond: number
  /** tokensRun divided by the time. */
  tokensPerSecond: number
}
