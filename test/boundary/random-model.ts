// A small random LLaMA as a Hugging Face folder, and as the addon's load() takes it; and packs to run through it.
import { mkdirSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { loadAddon } from '../../src/native/addon.ts'
import type {
  NativeConfig,
  NativeModel,
  NativePack,
  NativeSampling,
  NativeSession,
  NativeTensor,
} from '../../src/native/types.ts'

export interface RandomModel {
  folder: string
  config: NativeConfig
  tensors: NativeTensor[]
}

interface Size {
  layers?: number
  hiddenSize?: number
  intermediateSize?: number
  vocabSize?: number
  contextLength?: number
}

/** A size of many thin layers: large packs run for minutes on the reference device, and a cancelled job ends within a layer. */
export const deep: Size = { layers: 200 }

/** A size with which results of few tokens take gigabytes. */
export const largeVocabulary: Size = { vocabSize: 400_000, hiddenSize: 8, intermediateSize: 8, layers: 1 }

/**
 * What writeRandomModel(folder, size) has written: F32, tied head, 4 query heads on 2 key heads.
 * The same size gives the same weights.
 */
export function randomModel(folder: string, size: Size = {}): RandomModel {
  const { layers = 2, hiddenSize = 32, intermediateSize = 64, vocabSize = 96, contextLength = 512 } = size
  const heads = 4
  const kvHeads = 2
  const headDim = hiddenSize / heads
  const config: NativeConfig = {
    vocabSize,
    hiddenSize,
    intermediateSize,
    layers,
    heads,
    kvHeads,
    headDim,
    contextLength,
    rmsNormEps: 1e-5,
    ropeFrequencies: Float32Array.from({ length: headDim / 2 }, (_, i) => 10000 ** ((-2 * i) / headDim)),
    ropeAttentionFactor: 1,
    tiedHead: true,
    windows: new Int32Array(0),
    qkvBias: false,
    headNorms: false,
    oBias: false,
    mlpBias: false,
  }
  let offset = 8 + headerOf(config).length
  const file = path.join(folder, 'model.safetensors')
  const tensors = shapesOf(config).map(([name, shape]): NativeTensor => {
    const bytes = 4 * product(shape)
    offset += bytes
    return { name, shape, parts: [{ file, offset: offset - bytes, bytes, type: 'F32', shape }] }
  })
  return { folder, config, tensors }
}

/** Writes config.json and model.safetensors. */
export function writeRandomModel(folder: string, size: Size = {}): RandomModel {
  const model = randomModel(folder, size)
  const { config } = model
  const random = randomNumbers(1)
  const weights = shapesOf(config).map(([, shape]) => {
    const spread = 2 / Math.sqrt(shape[1] ?? 1)
    return Float32Array.from({ length: product(shape) }, () =>
      shape.length === 1 ? 1 : spread * (random() - 0.5),
    )
  })
  const header = headerOf(config)
  const length = Buffer.alloc(8)
  length.writeBigUInt64LE(BigInt(header.length))
  mkdirSync(folder, { recursive: true })
  const parts = [length, header, ...weights.map(values => Buffer.from(values.buffer))]
  writeFileSync(path.join(folder, 'model.safetensors'), Buffer.concat(parts))
  writeFileSync(
    path.join(folder, 'config.json'),
    JSON.stringify({
      architectures: ['LlamaForCausalLM'],
      model_type: 'llama',
      hidden_act: 'silu',
      vocab_size: config.vocabSize,
      hidden_size: config.hiddenSize,
      intermediate_size: config.intermediateSize,
      num_hidden_layers: config.layers,
      num_attention_heads: config.heads,
      num_key_value_heads: config.kvHeads,
      max_position_embeddings: config.contextLength,
      rms_norm_eps: config.rmsNormEps,
      rope_theta: 10000,
      tie_word_embeddings: true,
      torch_dtype: 'float32',
    }),
  )
  return model
}

/** The tensors' names and shapes, in the order of the file. */
function shapesOf(config: NativeConfig): [name: string, shape: number[]][] {
  return loadAddon()
    .parameters(config)
    .map(({ name, shape }) => [name, shape])
}

/** The JSON header of the safetensors file. */
function headerOf(config: NativeConfig): Buffer {
  let offset = 0
  const entries = shapesOf(config).map(([name, shape]) => {
    const start = offset
    offset += 4 * product(shape)
    return [name, { dtype: 'F32', shape, data_offsets: [start, offset] }]
  })
  return Buffer.from(JSON.stringify(Object.fromEntries(entries)))
}

function product(shape: number[]): number {
  return shape.reduce((a, b) => a * b)
}

/** Makes a pack of plain sequences of random ids, in which every next token is scored. */
export function randomPack(config: NativeConfig, sequences: number, length: number): NativePack {
  const random = randomNumbers(2)
  const tokens = sequences * length
  const within = Array.from({ length: tokens }, (_, row) => row % length)
  const rows = Array.from({ length: tokens }, (_, row) => row).filter(row => within[row]! < length - 1)
  const ids = Int32Array.from({ length: tokens }, () => Math.floor(random() * config.vocabSize))
  return {
    ids,
    positions: Int32Array.from(within),
    branchStart: Int32Array.from(within, (offset, row) => row - offset),
    trees: Int32Array.from(
      Array.from({ length: sequences }, (_, i) => [i * length, (i + 1) * length, 0]).flat(),
    ),
    rows: Int32Array.from(rows),
    targets: Int32Array.from(rows, row => ids[row + 1]!),
    topK: 0,
  }
}

export function newControl(): Int32Array<SharedArrayBuffer> {
  return new Int32Array(new SharedArrayBuffer(8))
}

/** Makes a generator of numbers in [0, 1), the same ones for the same seed (mulberry32). */
function randomNumbers(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296
  }
}

export const greedy: NativeSampling = { temperature: 0, topK: 0, topP: 1, minP: 0, seed: 0 }

/** A session with room for so many tokens. */
export async function openSession(model: NativeModel, rows: number): Promise<NativeSession> {
  const session = model.session()
  await session.resize(rows, new Int32Array(0), newControl())
  return session
}
