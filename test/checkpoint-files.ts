// Builds checkpoint files for tests: safetensors, GGUF, and a tiny LLaMA in both.
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import type { Checkpoint } from '../src/checkpoint/checkpoint.ts'
import { openCheckpoint } from '../src/checkpoint/open.ts'

export interface FileTensor {
  /** The name of the type in safetensors or in ggml. */
  type: string
  shape: number[]
  /** The tensor's bytes; zeros if absent. */
  data?: Uint8Array
}

/** Bytes of an element in the types of safetensors that ggml does not have. */
const elementBytes: Record<string, number> = { I64: 8, BOOL: 1 }

/** Runs `body` with a new empty folder, which is removed afterwards. */
export async function withFolder<T>(body: (dir: string) => Promise<T>): Promise<T> {
  const dir = mkdtempSync(join(tmpdir(), 'mt-llama-test-'))
  try {
    return await body(dir)
  } finally {
    rmSync(dir, { recursive: true })
  }
}

export function safetensorsBytes(tensors: ReadonlyMap<string, FileTensor>): Buffer {
  const header: Record<string, object> = { __metadata__: { format: 'pt' } }
  const data: Uint8Array[] = []
  let end = 0
  for (const [name, tensor] of tensors) {
    const bytes = bytesOf(tensor)
    header[name] = { dtype: tensor.type, shape: tensor.shape, data_offsets: [end, end + bytes.length] }
    data.push(bytes)
    end += bytes.length
  }
  return safetensorsWithHeader(JSON.stringify(header), Buffer.concat(data))
}

/** Makes a file whose header is a given text, right or wrong. */
export function safetensorsWithHeader(header: string, data: Uint8Array = new Uint8Array()): Buffer {
  return Buffer.concat([u64(Buffer.byteLength(header)), Buffer.from(header), data])
}

/** A value with GGUF's id of its type. Arrays hold values of one type. */
export type GgufValue = number | string | boolean | string[] | Float32Array | Int32Array | { raw: Buffer }

/** Makes a GGUF file of version 3. Whole numbers become uint32, others float32; `raw` is a type id and a value as bytes. */
export function ggufBytes(
  metadata: Record<string, GgufValue>,
  tensors: ReadonlyMap<string, FileTensor>,
): Buffer {
  const alignment = typeof metadata['general.alignment'] === 'number' ? metadata['general.alignment'] : 32
  const parts = [Buffer.from('GGUF'), u32(3), u64(tensors.size), u64(Object.keys(metadata).length)]
  for (const [key, value] of Object.entries(metadata)) parts.push(text(key), ggufValue(value))
  const data: Uint8Array[] = []
  let offset = 0
  for (const [name, tensor] of tensors) {
    const bytes = bytesOf(tensor)
    const padded = Math.ceil(bytes.length / alignment) * alignment
    const dims = tensor.shape.toReversed()
    parts.push(text(name), u32(dims.length), ...dims.map(u64), u32(ggmlTypes[tensor.type]!.id), u64(offset))
    data.push(bytes, Buffer.alloc(padded - bytes.length))
    offset += padded
  }
  const header = Buffer.concat(parts)
  return Buffer.concat([header, Buffer.alloc(-header.length & (alignment - 1)), ...data])
}

/** GGMLQuantizationType and GGML_QUANT_SIZES of gguf-py's constants.py. */
const ggmlTypes: Record<string, { id: number; values: number; bytes: number }> = {
  F32: { id: 0, values: 1, bytes: 4 },
  F16: { id: 1, values: 1, bytes: 2 },
  Q4_0: { id: 2, values: 32, bytes: 18 },
  Q4_1: { id: 3, values: 32, bytes: 20 },
  Q5_0: { id: 6, values: 32, bytes: 22 },
  Q5_1: { id: 7, values: 32, bytes: 24 },
  Q8_0: { id: 8, values: 32, bytes: 34 },
  Q8_1: { id: 9, values: 32, bytes: 40 },
  Q2_K: { id: 10, values: 256, bytes: 84 },
  Q3_K: { id: 11, values: 256, bytes: 110 },
  Q4_K: { id: 12, values: 256, bytes: 144 },
  Q5_K: { id: 13, values: 256, bytes: 176 },
  Q6_K: { id: 14, values: 256, bytes: 210 },
  Q8_K: { id: 15, values: 256, bytes: 292 },
  IQ2_XXS: { id: 16, values: 256, bytes: 66 },
  IQ2_XS: { id: 17, values: 256, bytes: 74 },
  IQ3_XXS: { id: 18, values: 256, bytes: 98 },
  IQ1_S: { id: 19, values: 256, bytes: 50 },
  IQ4_NL: { id: 20, values: 32, bytes: 18 },
  IQ3_S: { id: 21, values: 256, bytes: 110 },
  IQ2_S: { id: 22, values: 256, bytes: 82 },
  IQ4_XS: { id: 23, values: 256, bytes: 136 },
  I8: { id: 24, values: 1, bytes: 1 },
  I32: { id: 26, values: 1, bytes: 4 },
  F64: { id: 28, values: 1, bytes: 8 },
  IQ1_M: { id: 29, values: 256, bytes: 56 },
  BF16: { id: 30, values: 1, bytes: 2 },
  TQ1_0: { id: 34, values: 256, bytes: 54 },
  TQ2_0: { id: 35, values: 256, bytes: 66 },
  MXFP4: { id: 39, values: 32, bytes: 17 },
  NVFP4: { id: 40, values: 64, bytes: 36 },
}

function ggufValue(value: GgufValue): Buffer {
  if (typeof value === 'number') {
    return Number.isInteger(value) ? Buffer.concat([u32(4), u32(value)]) : Buffer.concat([u32(6), f32(value)])
  }
  if (typeof value === 'string') return Buffer.concat([u32(8), text(value)])
  if (typeof value === 'boolean') return Buffer.concat([u32(7), Buffer.of(value ? 1 : 0)])
  if (Array.isArray(value)) return Buffer.concat([u32(9), u32(8), u64(value.length), ...value.map(text)])
  if ('raw' in value) return value.raw
  const type = value instanceof Float32Array ? 6 : 5
  return Buffer.concat([u32(9), u32(type), u64(value.length), new Uint8Array(value.buffer)])
}

function bytesOf({ type, shape, data }: FileTensor): Uint8Array {
  const elements = shape.reduce((a, b) => a * b, 1)
  const block = ggmlTypes[type]
  return (
    data ??
    new Uint8Array(
      block === undefined ? elements * elementBytes[type]! : (elements / block.values) * block.bytes,
    )
  )
}

export function u32(n: number): Buffer {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32LE(n)
  return bytes
}

export function u64(n: number | bigint): Buffer {
  const bytes = Buffer.alloc(8)
  bytes.writeBigUInt64LE(BigInt(n))
  return bytes
}

function f32(n: number): Buffer {
  const bytes = Buffer.alloc(4)
  bytes.writeFloatLE(n)
  return bytes
}

function text(value: string): Buffer {
  return Buffer.concat([u64(Buffer.byteLength(value)), Buffer.from(value)])
}

/** The config of a LLaMA with one layer, two heads of 4 and a vocabulary of 10. */
export const tinyConfig = {
  architectures: ['LlamaForCausalLM'],
  vocab_size: 10,
  hidden_size: 8,
  intermediate_size: 12,
  num_hidden_layers: 1,
  num_attention_heads: 2,
  max_position_embeddings: 32,
} as const

/** The metadata of a GGUF with the sizes of `tinyTensors`. */
export const tinyMetadata: Record<string, GgufValue> = {
  'general.architecture': 'llama',
  'llama.context_length': 32,
  'llama.embedding_length': 8,
  'llama.block_count': 1,
  'llama.feed_forward_length': 12,
  'llama.attention.head_count': 2,
}

/** The tensors of tinyConfig under Hugging Face's names. */
export function tinyTensors(type = 'F32'): Map<string, FileTensor> {
  const layer = (name: string, ...shape: number[]): [string, FileTensor] => [
    `model.layers.0.${name}.weight`,
    { type, shape },
  ]
  return new Map([
    ['model.embed_tokens.weight', { type, shape: [10, 8] }],
    layer('input_layernorm', 8),
    layer('self_attn.q_proj', 8, 8),
    layer('self_attn.k_proj', 8, 8),
    layer('self_attn.v_proj', 8, 8),
    layer('self_attn.o_proj', 8, 8),
    layer('post_attention_layernorm', 8),
    layer('mlp.gate_proj', 12, 8),
    layer('mlp.up_proj', 12, 8),
    layer('mlp.down_proj', 8, 12),
    ['model.norm.weight', { type, shape: [8] }],
    ['lm_head.weight', { type, shape: [10, 8] }],
  ])
}

/** Writes a folder's files; objects become JSON. */
export function writeFiles(dir: string, files: Record<string, object | string | Uint8Array>): void {
  for (const [name, content] of Object.entries(files)) {
    const raw = typeof content === 'string' || content instanceof Uint8Array
    mkdirSync(dirname(join(dir, name)), { recursive: true })
    writeFileSync(join(dir, name), raw ? content : JSON.stringify(content))
  }
}

/** Opens a tiny checkpoint whose config.json has these fields too; undefined takes a field away. */
export function openTiny(
  config: object,
  tensors: ReadonlyMap<string, FileTensor> = tinyTensors(),
  files: Record<string, object | string> = {},
): Promise<Checkpoint> {
  return withFolder(async dir => {
    const weights = safetensorsBytes(tensors)
    writeFiles(dir, { 'config.json': { ...tinyConfig, ...config }, 'model.safetensors': weights, ...files })
    return openCheckpoint(dir)
  })
}
