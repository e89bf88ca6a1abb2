// Qwen2, Qwen3 and a windowed Mistral in GGUF files; rows of Qwen's heads are not permuted there. The golden checkpoints of
// transformers under ggml's names give the golden logits, and converted back the same tensors; so do they through a conversion.
import assert from 'node:assert/strict'
import { closeSync, openSync, readSync } from 'node:fs'
import { join } from 'node:path'
import { convert } from '../src/checkpoint/convert/convert.ts'
import { readGguf } from '../src/checkpoint/gguf/gguf.ts'
import { openCheckpoint } from '../src/checkpoint/open.ts'
import { loadModel } from '../src/index.ts'
import { type FileTensor, type GgufValue, ggufBytes, withFolder, writeFiles } from './checkpoint-files.ts'
import { assertSameTensors } from './convert-files.ts'
import { goldenCases, logitTolerance } from './golden-hf.ts'
import { sharedMissing } from './shared.ts'
import { skip } from './skip.ts'

/** Names as gguf-py 0.19 maps them (get_tensor_name_map). */
const ggmlParts: [hf: string, ggml: string][] = [
  ['model.embed_tokens', 'token_embd'],
  ['model.norm', 'output_norm'],
  ['model.layers.', 'blk.'],
  ['input_layernorm', 'attn_norm'],
  ['post_attention_layernorm', 'ffn_norm'],
  ['self_attn.o_proj', 'attn_output'],
  ['self_attn.q_norm', 'attn_q_norm'],
  ['self_attn.k_norm', 'attn_k_norm'],
  ['self_attn.q_proj', 'attn_q'],
  ['self_attn.k_proj', 'attn_k'],
  ['self_attn.v_proj', 'attn_v'],
  ['mlp.gate_proj', 'ffn_gate'],
  ['mlp.up_proj', 'ffn_up'],
  ['mlp.down_proj', 'ffn_down'],
]

describe('Qwen in GGUF files', () => {
  for (const architecture of ['qwen2', 'qwen3']) {
    it(`gives the golden logits of ${architecture}, and the same tensors when it is converted`, async function () {
      if (sharedMissing) return skip(this, sharedMissing)
      const golden = goldenCases().find(({ name }) => name === architecture)!
      const source = await openCheckpoint(golden.path)
      await withFolder(async dir => {
        writeFiles(dir, { 'x.gguf': await asGguf(golden.path, architecture) })
        const file = join(dir, 'x.gguf')
        const opened = await openCheckpoint(file)
        assert.deepEqual(opened.warnings, [])
        // The metadata has an epsilon of float32, and no ids of a tokenizer.
        const { bosTokenId, eosTokenIds, rmsNormEps, ...config } = source.config
        assert.equal(opened.config.rmsNormEps, Math.fround(rmsNormEps))
        assert.deepEqual({ ...opened.config, ...config }, opened.config)
        await using model = await loadModel(file, { dtype: 'float32', device: 'cpu' })
        for (const { ids, logits, label } of golden.sequences())
          assertNear((await model.logits(ids)).slice(-logits.length), logits, label)
        await convert(opened, join(dir, 'out'))
        const converted = await openCheckpoint(join(dir, 'out'))
        assert.deepEqual({ ...converted.config, ...config }, converted.config)
        const bytes = ({ tensors }: typeof source) =>
          tensors.map(({ name, parts }) => [name, ...parts.map(readPart)])
        assert.deepEqual(bytes(converted), bytes(source))
      })
    })
  }
})

describe('sister architectures from a Hugging Face directory to GGUF and back', () => {
  for (const architecture of ['qwen2', 'qwen3', 'mistral-window']) {
    it(`give the same logits all the way, the golden ones: ${architecture}`, async function () {
      if (sharedMissing) return skip(this, sharedMissing)
      const golden = goldenCases().find(({ name }) => name === architecture)!
      await withFolder(async dir => {
        const [file, back] = [join(dir, 'x.gguf'), join(dir, 'back')]
        await convert(await openCheckpoint(golden.path), file)
        await convert(await openCheckpoint(file), back)
        const load = (path: string) => loadModel(path, { dtype: 'float32', device: 'cpu' })
        await using source = await load(golden.path)
        await using written = await load(file)
        await using returned = await load(back)
        for (const { ids, logits, label } of golden.sequences()) {
          const own = await source.logits(ids)
          assertNear(own.slice(-logits.length), logits, label)
          assert.deepEqual(await written.logits(ids), own, `${label}, in the GGUF file`)
          assert.deepEqual(await returned.logits(ids), own, `${label}, in the directory again`)
        }
      })
    })
  }

  for (const architecture of ['qwen2', 'qwen3']) {
    it(`have the tensors that gguf-py names for ${architecture}, as they are`, async function () {
      if (sharedMissing) return skip(this, sharedMissing)
      const golden = goldenCases().find(({ name }) => name === architecture)!
      await withFolder(async dir => {
        const [file, expected] = [join(dir, 'x.gguf'), join(dir, 'expected.gguf')]
        await convert(await openCheckpoint(golden.path), file, { dtype: 'float32' })
        writeFiles(dir, { 'expected.gguf': await asGguf(golden.path, architecture) })
        const names = async (path: string) => (await readGguf(path)).tensors.map(({ name }) => name).sort()
        assert.deepEqual(await names(file), await names(expected))
        await assertSameTensors(await openCheckpoint(expected), await openCheckpoint(file))
      })
    })
  }
})

function assertNear(own: Float32Array, logits: Float32Array, label: string): void {
  const largest = logits.reduce((m, x) => Math.max(m, Math.abs(x)), 0)
  const worst = logits.reduce((m, x, i) => Math.max(m, Math.abs(x - own[i]!)), 0)
  assert.ok(worst <= logitTolerance * largest, `${label}: off by ${worst / largest} of the largest`)
}

async function asGguf(path: string, name: string): Promise<Buffer> {
  const { config, tensors } = await openCheckpoint(path)
  const metadata: Record<string, GgufValue> = {
    'general.architecture': name,
    [`${name}.context_length`]: config.contextLength,
    [`${name}.embedding_length`]: config.hiddenSize,
    [`${name}.block_count`]: config.layers,
    [`${name}.feed_forward_length`]: config.intermediateSize,
    [`${name}.attention.head_count`]: config.heads,
    [`${name}.attention.head_count_kv`]: config.kvHeads,
    [`${name}.attention.key_length`]: config.headDim,
    [`${name}.attention.value_length`]: config.headDim,
    [`${name}.attention.layer_norm_rms_epsilon`]: config.rmsNormEps,
    [`${name}.rope.freq_base`]: config.ropeTheta,
  }
  const stored = new Map<string, FileTensor>()
  for (const { name, shape, parts } of tensors) {
    const ggml = ggmlParts.reduce((own, [hf, part]) => own.replace(hf, part), name)
    stored.set(ggml, { type: parts[0]!.type, shape, data: readPart(parts[0]!) })
  }
  return ggufBytes(metadata, stored)
}

function readPart({ file, offset, bytes }: { file: string; offset: number; bytes: number }): Buffer {
  const data = Buffer.alloc(bytes)
  const handle = openSync(file, 'r')
  readSync(handle, data, 0, bytes, offset)
  closeSync(handle)
  return data
}
