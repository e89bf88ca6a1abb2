// What a checkpoint on disk says, whatever its format: readers fill this in and nothing else looks at the files.
import type { LlamaShape, LlamaSizes, NativeTensor } from '../native/types.ts'
import type { JsonObject } from './json.ts'

/** RoPE as the files state it; `ropeFrequencies` in rope.ts turns it into numbers. */
export type RopeScaling =
  | { type: 'default' }
  | { type: 'linear'; factor: number }
  | {
      type: 'llama3'
      factor: number
      lowFreqFactor: number
      highFreqFactor: number
      originalContextLength: number
    }
  | {
      type: 'yarn'
      factor: number
      originalContextLength: number
      betaFast: number
      betaSlow: number
      /** Multiplies cos and sin; by default 0.1 ln(factor) + 1. */
      attentionFactor: number
      truncate: boolean
    }
  /** Divisors of the inverse frequencies as a tensor, [headDim / 2] (GGUF rope_freqs.weight). */
  | { type: 'factors'; factors: Float32Array }

/** The architectures that run, by transformers' names. */
export type Architecture = 'LlamaForCausalLM' | 'MistralForCausalLM' | 'Qwen2ForCausalLM' | 'Qwen3ForCausalLM'

/** The architecture's numbers. */
export interface LlamaConfig extends LlamaShape {
  architecture: Architecture
  rmsNormEps: number
  ropeTheta: number
  ropeScaling: RopeScaling
  /** [layers] how many positions a token sees, its own the last of them; [] where every layer sees the context. */
  windows: number[]
  bosTokenId: number | undefined
  /** Ids that end a generation. */
  eosTokenIds: number[]
}

/** The shape alone. */
export function shapeOf(config: LlamaShape): LlamaShape {
  const { tiedHead, qkvBias, headNorms, oBias, mlpBias } = config
  return { ...sizesOf(config), tiedHead, qkvBias, headNorms, oBias, mlpBias }
}

/** The sizes alone. */
export function sizesOf(config: LlamaSizes): LlamaSizes {
  const { vocabSize, hiddenSize, intermediateSize, layers, heads, kvHeads, headDim, contextLength } = config
  return { vocabSize, hiddenSize, intermediateSize, layers, heads, kvHeads, headDim, contextLength }
}

export interface Checkpoint {
  format: 'huggingface' | 'gguf' | 'meta'
  /** The path as the user gave it. */
  path: string
  /** Folder of the delta that was added to it. */
  delta?: string
  /** Folders of the adapters that were merged into it, in this order. */
  adapters?: readonly string[]
  config: LlamaConfig
  /** Where `config` is from, if that is a Hugging Face directory. */
  configSource?: ConfigSource | undefined
  /** Every tensor the forward pass reads, under Hugging Face's names, shapes checked against the config. */
  tensors: NativeTensor[]
  /** The dtype that 'auto' stands for: the one stored, or bfloat16 where the files are quantised. */
  autoDType: 'float32' | 'bfloat16' | 'float16'
  /** The stored types, for people: 'F16', 'Q4_1 + F32'. */
  storedTypes: string
  /** The place of the tokenizer, if there is one. */
  tokenizer: TokenizerSource | undefined
  /** Jinja source of the checkpoint's own chat template. */
  chatTemplate: string | undefined
  /** The file that holds it, for messages. */
  chatTemplateFile: string | undefined
  /** What sourceState() said of its files when it was opened; absent where they come later. */
  openedState?: string
  /** Worth telling the user: ignored tensors, added tokens beyond the embedding. */
  warnings: string[]
}

/** A Hugging Face directory and its config.json, fields without a meaning here too. */
export interface ConfigSource {
  folder: string
  json: JsonObject
}

/** Files that lie beside a tokenizer and change it; undefined where they are not there. */
export interface TokenizerSettingsFiles {
  /** tokenizer_config.json */
  configFile?: string | undefined
  /** special_tokens_map.json */
  specialTokensFile?: string | undefined
  /** added_tokens.json */
  addedTokensFile?: string | undefined
}

export type TokenizerSource =
  | ({ kind: 'tokenizer.json'; file: string } & TokenizerSettingsFiles)
  /** tokenizer.model of SentencePiece or, as of LLaMA 3, of tiktoken. */
  | ({ kind: 'tokenizer.model'; file: string } & TokenizerSettingsFiles)
  /** The metadata of a GGUF file: tokenizer.ggml.* keys without that prefix; arrays of numbers are typed arrays. */
  | { kind: 'gguf'; file: string; metadata: Map<string, unknown> }
