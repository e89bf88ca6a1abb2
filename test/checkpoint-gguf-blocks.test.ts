// GGUF models of every block type: each must compute what the numbers compute that its blocks stand for by gguf-py.
import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { ggmlName } from '../src/checkpoint/gguf/gguf-llama.ts'
import { loadModel } from '../src/index.ts'
import { loadAddon } from '../src/native/addon.ts'
import { type FileTensor, ggufBytes, tinyMetadata, withFolder, writeFiles } from './checkpoint-files.ts'
import { Random } from './fuzz/random.ts'
import { carried } from './shared.ts'

/** Rows of one block of 256 values. */
const SIZE = 256
const VOCABULARY = 16

const metadata = {
  ...tinyMetadata,
  'llama.embedding_length': SIZE,
  'llama.feed_forward_length': SIZE,
  'llama.attention.head_count': 4,
  'llama.attention.layer_norm_rms_epsilon': 0.5 ** 20,
}

/** All matrices of one type, but for those that llama.cpp's mixtures store in another. */
const models: [name: string, type: string, others: Record<string, string>][] = [
  ...readdirSync(carried('gguf_blocks'))
    .filter(name => name.endsWith('.blocks.bin'))
    .map(name => name.split('.')[0]!)
    .map((type): (typeof models)[number] => [type, type, {}]),
  ['Q4_K_M', 'Q4_K', { token_embd: 'Q6_K', output: 'Q6_K', attn_v: 'Q6_K', ffn_down: 'Q6_K' }],
  ['Q3_K_L', 'Q3_K', { output: 'Q6_K', attn_v: 'Q5_K', attn_output: 'Q5_K', ffn_down: 'Q5_K' }],
  ['IQ4_XS with types of 32 values', 'IQ4_XS', { token_embd: 'Q8_0', attn_k: 'IQ4_NL', ffn_down: 'Q5_1' }],
]

describe('GGUF block types', () => {
  it('are all there', () => {
    const told = loadAddon()
      .storedTypes()
      .map(({ name }) => name)
    const golden = models.map(([name]) => name).filter(name => told.includes(name))
    assert.deepEqual([...golden, 'F32'].sort(), told.sort())
  })

  for (const [name, type, others] of models)
    it(`${name} gives the logits of its numbers, bit for bit`, async () => {
      const { blocks, values } = model(type, others)
      const got = await logits(blocks)
      const want = await logits(values)
      assert.ok(want.every(Number.isFinite))
      assert.ok(new Set(want).size >= 4, 'rows of four blocks have as many logits')
      assert.deepEqual(new Uint32Array(got.buffer), new Uint32Array(want.buffer))
    })
})

function logits(tensors: Map<string, FileTensor>): Promise<Float32Array> {
  return withFolder(async dir => {
    writeFiles(dir, { 'x.gguf': ggufBytes(metadata, tensors) })
    await using loaded = await loadModel(join(dir, 'x.gguf'), { dtype: 'float32' })
    return await loaded.logits([1, 2, 3])
  })
}

/** The same model twice: of blocks, and of the numbers they stand for. */
function model(type: string, others: Record<string, string>) {
  const random = new Random(1, 0)
  const blocks = new Map<string, FileTensor>()
  const values = new Map<string, FileTensor>()
  const add = (name: string, stored: FileTensor, numbers: Float32Array) => {
    blocks.set(name, stored)
    values.set(name, { type: 'F32', shape: stored.shape, data: new Uint8Array(numbers.buffer) })
  }
  for (const part of ['input_layernorm', 'post_attention_layernorm', 'norm']) {
    const name = ggmlName(`model.${part === 'norm' ? '' : 'layers.0.'}${part}.weight`)
    const numbers = Float32Array.from({ length: SIZE }, () => random.int(1, 9) / 8)
    add(name, { type: 'F32', shape: [SIZE], data: new Uint8Array(numbers.buffer) }, numbers)
  }
  for (const name of ['token_embd', 'output', ...parts.map(part => `blk.0.${part}`)]) {
    const rows = name.startsWith('blk') ? SIZE : VOCABULARY
    const own = others[name.replace('blk.0.', '')] ?? type
    const { data, numbers } = matrix(own, rows * SIZE, random)
    add(`${name}.weight`, { type: own, shape: [rows, SIZE], data }, numbers)
  }
  return { blocks, values }
}

const parts = ['attn_q', 'attn_k', 'attn_v', 'attn_output', 'ffn_gate', 'ffn_up', 'ffn_down']

/** Golden blocks in any order, of their first half: those have the scales of weights, the others hold any bytes. */
function matrix(type: string, length: number, random: Random): { data: Uint8Array; numbers: Float32Array } {
  const { blockValues, blockBytes } = loadAddon()
    .storedTypes()
    .find(({ name }) => name === type)!
  const bytes = readFileSync(carried('gguf_blocks', `${type}.blocks.bin`))
  const decoded = readFileSync(carried('gguf_blocks', `${type}.values.f32`))
  const golden = new Float32Array(
    decoded.buffer.slice(decoded.byteOffset, decoded.byteOffset + decoded.length),
  )
  const data = new Uint8Array((length / blockValues) * blockBytes)
  const numbers = new Float32Array(length)
  for (let block = 0; block < length / blockValues; block++) {
    const from = random.below(bytes.length / blockBytes / 2)
    data.set(bytes.subarray(from * blockBytes, (from + 1) * blockBytes), block * blockBytes)
    numbers.set(golden.subarray(from * blockValues, (from + 1) * blockValues), block * blockValues)
  }
  return { data, numbers }
}
