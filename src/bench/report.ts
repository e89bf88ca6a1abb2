// What a benchmark says, as programs get it. Rates are per second of the median time.
import type { Device, DType, LlamaSizes } from '../native/types.ts'
import type { Bound } from './counts.ts'

export interface BenchReport {
  machine?: {
    /** The processor's name, or the GPU's. */
    name: string
    device: Device
    threads: number
    dtype: DType
    /** 'cpu avx512_bf16', say. */
    backend: string
    node: string
    version: string
  }
  model?: LlamaSizes & {
    /** The path given, or the shape's name: then its weights are random. */
    name: string
    random: boolean
    parameters: number
    weightBytes: number
  }
  peaks?: {
    arithmetic: { instruction: string; gflopPerSecond: number }[]
    readGigabytesPerSecond: number
    /** Which of `arithmetic` products in the dtype go through. */
    instruction: string
  }
  ops?: OpReport[]
  prefill?: PrefillReport
  decode?: DecodeReport[]
  scoring?: ScoringReport
}

interface Micros {
  /** Median of a run; the 10th and 90th percentile. */
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
  /** Operations of a run. */
  flops: number
  bytes: number
  /** Those of `bytes` that come from memory: weights, cached keys and values. */
  memoryBytes: number
  /** Whether memoryBytes came from memory. If not, being few, they came from a cache, and no share of memory's peak is given. */
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

/** One step: a token for each sequence. */
export interface DecodeReport extends Micros, Bound {
  sequences: number
  steps: number
  /** Positions of a sequence before the first step that was timed. */
  positions: number
  /** Operations of the step in the middle. The bytes are what it reads. */
  flops: number
  weightBytes: number
  kvBytes: number
  tokensPerSecond: number
  gigabytesPerSecond: number
}

/** Prompts with some continuations each; a prompt is run once for all of its continuations. */
export interface ScoringReport extends Micros {
  prompts: number
  continuations: number
  promptTokens: number
  continuationTokens: number
  runs: number
  /** Tokens the model ran, and those it would run if each continuation came with its prompt. */
  tokensRun: number
  tokensUnshared: number
  promptsPerSecond: number
  /** Tokens of tokensRun in a second. */
  tokensPerSecond: number
}
