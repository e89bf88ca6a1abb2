// What a loaded model says of itself.

import { type Checkpoint, sizesOf } from '../checkpoint/checkpoint.ts'
import { parameterCount } from '../checkpoint/tensors.ts'
import type { Device, DType, LlamaSizes, NativeModel } from '../native/types.ts'
import type { Tokenizer } from '../tokenizer/tokenizer.ts'

export interface ModelInfo extends LlamaSizes {
  /** As given to loadModel(). */
  path: string
  /** What was put on it: see LoadOptions. */
  delta: string | undefined
  adapters: readonly string[]
  format: Checkpoint['format']
  architecture: string
  /** Tells checkpoints apart by their numbers and tokenizer, wherever they lie: see fingerprint(). */
  fingerprint: string
  /** Numbers in all weights; a tied head counts once. */
  parameters: number
  /** What the weights are computed in. */
  dtype: DType
  /** What the files hold: 'BF16', 'Q4_1 + F32'. */
  storedTypes: string
  device: Device
  /** The device's own name for what it does: 'cpu avx512_bf16'. */
  backend: string
  /** Threads that compute on the processor; 1 where a GPU does the work. */
  threads: number
  /** Bytes of weights on the device. */
  weightBytes: number
  /** The tokenizer's kind; undefined: the model takes ids only. */
  tokenizer: Tokenizer['kind'] | undefined
  /** Whether scoring and generation put BOS before a text unless told otherwise. */
  addBos: boolean
  bosTokenId: number | undefined
  /** Ids that end a generation: the checkpoint's (generation_config.json goes before config.json) and the tokenizer's EOS. */
  eosTokenIds: readonly number[]
  /** Whether the checkpoint has its own chat template. */
  hasChatTemplate: boolean
  /** What is worth knowing: ignored tensors, tokens that the embedding has no row for. */
  warnings: readonly string[]
}

export interface ModelParts {
  native: NativeModel
  checkpoint: Checkpoint
  fingerprint: string
  tokenizer: Tokenizer | undefined
  dtype: DType
  device: Device
  threads: number
  warnings: readonly string[]
  /** Tokens a pack should have: there is memory for them. */
  packTokens: number
  /** Bytes for keys and values of generations. */
  kvBytes: number
}

export function modelInfo(
  parts: ModelParts,
  bosTokenId: number | undefined,
  eosTokenIds: number[],
): ModelInfo {
  const { native, checkpoint, fingerprint, tokenizer, dtype, device, threads, warnings } = parts
  const { path, delta, adapters = [], format, config, tensors, storedTypes, chatTemplate } = checkpoint
  return {
    ...{ path, delta, adapters, format, architecture: config.architecture, fingerprint },
    parameters: parameterCount(tensors),
    ...sizesOf(config),
    ...{ dtype, storedTypes, device, backend: native.backend, threads, weightBytes: native.weightBytes },
    tokenizer: tokenizer?.kind,
    addBos: tokenizer?.addBos ?? false,
    ...{ bosTokenId, eosTokenIds },
    hasChatTemplate: chatTemplate !== undefined,
    warnings,
  }
}
