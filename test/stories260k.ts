// Converts shared/models/stories260K from llama2.c's format to a Hugging Face directory, for tests.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type FileTensor, safetensorsBytes } from './checkpoint-files.ts'
import { shared } from './shared.ts'

/** Writes config.json, model.safetensors and tokenizer.model into `dir`, which is made. */
export function writeStories260k(dir: string): void {
  mkdirSync(dir, { recursive: true })
  const checkpoint = readFileSync(shared('models', 'stories260K', 'stories260K.bin'))
  // llama2.c, run.c: seven int32 (a positive vocabulary: the head is the embedding), then float32 weights.
  const header = Array.from({ length: 7 }, (_, i) => checkpoint.readInt32LE(4 * i))
  const [dim, ffn, layers, heads, kvHeads, vocab, context] = header as [
    number,
    number,
    number,
    number,
    number,
    number,
    number,
  ]
  const headDim = dim / heads
  const kv = kvHeads * headDim
  let position = 28
  const take = (rows: number, cols: number): Float32Array[] =>
    Array.from({ length: rows }, () => {
      const row = new Float32Array(cols).map((_, i) => checkpoint.readFloatLE(position + 4 * i))
      position += 4 * cols
      return row
    })
  const perLayer = (rows: number, cols: number) => Array.from({ length: layers }, () => take(rows, cols))

  const tensors = new Map<string, Float32Array[]>()
  tensors.set('model.embed_tokens.weight', take(vocab, dim))
  const parts: [string, Float32Array[][]][] = [
    ['input_layernorm', perLayer(1, dim)],
    ['self_attn.q_proj', perLayer(dim, dim).map(rows => halvesFromPairs(rows, headDim))],
    ['self_attn.k_proj', perLayer(kv, dim).map(rows => halvesFromPairs(rows, headDim))],
    ['self_attn.v_proj', perLayer(kv, dim)],
    ['self_attn.o_proj', perLayer(dim, dim)],
    ['post_attention_layernorm', perLayer(1, dim)],
    ['mlp.gate_proj', perLayer(ffn, dim)],
    ['mlp.down_proj', perLayer(dim, ffn)],
    ['mlp.up_proj', perLayer(ffn, dim)],
  ]
  for (const [name, byLayer] of parts) {
    for (const [layer, rows] of byLayer.entries()) tensors.set(`model.layers.${layer}.${name}.weight`, rows)
  }
  tensors.set('model.norm.weight', take(1, dim))

  writeFileSync(
    join(dir, 'model.safetensors'),
    safetensorsBytes(new Map([...tensors].map(([name, rows]) => [name, fileTensor(rows)]))),
  )
  writeFileSync(join(dir, 'tokenizer.model'), sentencePieceModel(vocab))
  writeFileSync(
    join(dir, 'config.json'),
    JSON.stringify({
      architectures: ['LlamaForCausalLM'],
      model_type: 'llama',
      vocab_size: vocab,
      hidden_size: dim,
      intermediate_size: ffn,
      num_hidden_layers: layers,
      num_attention_heads: heads,
      num_key_value_heads: kvHeads,
      max_position_embeddings: context,
      rms_norm_eps: 1e-5,
      tie_word_embeddings: true,
      bos_token_id: 1,
      eos_token_id: 2,
      hidden_act: 'silu',
      torch_dtype: 'float32',
    }),
  )
}

/** llama2.c turns rows 2 i and 2 i + 1 of a head together, Hugging Face rows i and i + headDim / 2. */
function halvesFromPairs(rows: Float32Array[], headDim: number): Float32Array[] {
  return rows.map((_, row) => {
    const within = row % headDim
    const pair = within % (headDim / 2)
    return rows[row - within + 2 * pair + (within < headDim / 2 ? 0 : 1)]!
  })
}

/** The shape of a tensor; one of a single row is a vector. */
function fileTensor(rows: Float32Array[]): FileTensor {
  const cols = rows[0]!.length
  const data = Buffer.concat(rows.map(row => new Uint8Array(row.buffer)))
  return { type: 'F32', shape: rows.length === 1 ? [cols] : [rows.length, cols], data }
}

/** Makes SentencePiece's protobuf of tok512.bin. llama2.c stores pieces with spaces for U+2581 and newlines around <s>. */
function sentencePieceModel(vocab: number): Buffer {
  const bin = readFileSync(shared('models', 'stories260K', 'tok512.bin'))
  const normal = 1
  const unknown = 2
  const control = 3
  const byte = 6
  const pieces: Buffer[] = []
  let position = 4 // the longest token's length
  for (let id = 0; id < vocab; id++) {
    const score = bin.subarray(position, position + 4)
    const length = bin.readInt32LE(position + 4)
    const stored = bin.toString('utf8', position + 8, position + 8 + length)
    position += 8 + length
    const text = id === 1 || id === 2 ? stored.trim() : stored.replaceAll(' ', '\u2581')
    const type = id === 0 ? unknown : id <= 2 ? control : /^<0x[0-9A-F]{2}>$/.test(text) ? byte : normal
    pieces.push(
      field(1, Buffer.concat([field(1, Buffer.from(text)), Buffer.of((2 << 3) | 5), score, number(3, type)])),
    )
  }
  const bpe = 2
  const trainer = Buffer.concat([number(3, bpe), number(35, 1), number(40, 0), number(41, 1), number(42, 2)])
  const normalizer = Buffer.concat([
    field(1, Buffer.from('identity')),
    number(3, 1),
    number(4, 0),
    number(5, 1),
  ])
  return Buffer.concat([...pieces, field(2, trainer), field(3, normalizer)])
}

/** Makes a protobuf field of bytes. */
function field(id: number, bytes: Buffer): Buffer {
  return Buffer.concat([varint((id << 3) | 2), varint(bytes.length), bytes])
}

/** Makes a protobuf field of a small number. */
function number(id: number, value: number): Buffer {
  return Buffer.concat([varint(id << 3), varint(value)])
}

function varint(value: number): Buffer {
  const bytes: number[] = []
  for (let rest = value; ; rest >>>= 7) {
    bytes.push(rest > 127 ? (rest & 127) | 128 : rest)
    if (rest <= 127) return Buffer.from(bytes)
  }
}
