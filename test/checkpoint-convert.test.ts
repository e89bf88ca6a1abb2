// A checkpoint -> Hugging Face directory: tensors, config, tokenizer.
// bench/peers/check_convert.py holds the result against transformers.
import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Checkpoint } from '../src/checkpoint/checkpoint.ts'
import { type ConvertOptions, convert } from '../src/checkpoint/convert/convert.ts'
import { readGguf } from '../src/checkpoint/gguf/gguf.ts'
import { tokenizerFiles } from '../src/checkpoint/gguf/gguf-tokenizer-json.ts'
import { openCheckpoint } from '../src/checkpoint/open.ts'
import { loadAddon } from '../src/native/addon.ts'
import { newControl } from '../src/native/job.ts'
import { loadTokenizer } from '../src/tokenizer/load.ts'
import { readPieces } from '../src/tokenizer/sentencepiece.ts'
import {
  type FileTensor,
  safetensorsBytes,
  tinyConfig,
  tinyTensors,
  withFolder,
  writeFiles,
} from './checkpoint-files.ts'
import { assertSameTensors, convertFile, floats, tinyGguf } from './convert-files.ts'
import { shared, sharedMissing } from './shared.ts'
import { skip } from './skip.ts'
import { defaultModel } from './tiny-model.ts'

/** Converts the bytes of a GGUF file and hands over the folder. */
function withConverted(
  gguf: Uint8Array,
  options: ConvertOptions,
  body: (dir: string) => Promise<void> | void,
): Promise<void> {
  return withFolder(async folder => {
    writeFiles(folder, { 'x.gguf': gguf })
    await convertFile(join(folder, 'x.gguf'), join(folder, 'out'), options)
    assert.deepEqual(readdirSync(folder), ['out', 'x.gguf'])
    await body(join(folder, 'out'))
  })
}

function readJson(...path: string[]): Record<string, unknown> {
  return JSON.parse(readFileSync(join(...path), 'utf8'))
}

/** A checkpoint of shared/golden/hf. */
function openGolden(name: string): Promise<Checkpoint> {
  return openCheckpoint(shared('golden', 'hf', name))
}

/** A tensor of a folder as float32. */
async function readTensor(dir: string, name: string): Promise<{ type: string; values: number[] }> {
  const { tensors } = await openCheckpoint(dir)
  const tensor = tensors.find(tensor => tensor.name === name)!
  const bytes = await loadAddon().readRows(tensor, 1, 0, tensor.shape[0]!, 'F32', newControl())
  return { type: tensor.parts[0]!.type, values: [...new Float32Array(bytes.buffer)] }
}

describe('convert: tensors', () => {
  const q = 'model.layers.0.self_attn.q_proj'

  it("undoes llama.cpp's permutation of q and k, rows and biases", () => {
    const rows = floats(...Array.from({ length: 64 }, (_, i) => Math.floor(i / 8)))
    const bias = (data?: Uint8Array): FileTensor => ({ type: 'F32', shape: [8], ...(data && { data }) })
    const gguf = tinyGguf({
      'blk.0.attn_q.weight': { type: 'F32', shape: [8, 8], data: rows },
      'blk.0.attn_q.bias': bias(floats(0, 1, 2, 3, 4, 5, 6, 7)),
      'blk.0.attn_k.bias': bias(),
      'blk.0.attn_v.bias': bias(floats(0, 1, 2, 3, 4, 5, 6, 7)),
      'blk.0.attn_output.bias': bias(),
    })
    // Two heads of 4: pairs (0, 1), (2, 3) become halves (0, 2), (1, 3).
    const order = [0, 2, 1, 3, 4, 6, 5, 7]
    return withConverted(gguf, {}, async dir => {
      assert.deepEqual(
        (await readTensor(dir, `${q}.weight`)).values,
        order.flatMap(row => Array(8).fill(row)),
      )
      assert.deepEqual((await readTensor(dir, `${q}.bias`)).values, order)
      const v = await readTensor(dir, 'model.layers.0.self_attn.v_proj.bias')
      assert.deepEqual(v.values, [0, 1, 2, 3, 4, 5, 6, 7])
    })
  })

  const half = new Uint8Array(Uint16Array.of(0x3c00, 0, 0, 0, 0, 0, 0, 0xc000).buffer) // 1 ... -2
  const dtypes: [options: ConvertOptions, norm: string, output: string, dtype: string][] = [
    [{}, 'F16', 'F32', 'float32'],
    [{ dtype: 'bfloat16' }, 'BF16', 'BF16', 'bfloat16'],
    [{ dtype: 'float16' }, 'F16', 'F16', 'float16'],
    [{ dtype: 'float32' }, 'F32', 'F32', 'float32'],
  ]
  for (const [options, norm, output, dtype] of dtypes) {
    it(`writes ${options.dtype ?? 'the stored dtypes'}`, () => {
      const gguf = tinyGguf({ 'output_norm.weight': { type: 'F16', shape: [8], data: half } })
      return withConverted(gguf, options, async dir => {
        const values = [1, 0, 0, 0, 0, 0, 0, -2]
        assert.deepEqual(await readTensor(dir, 'model.norm.weight'), { type: norm, values })
        assert.equal((await readTensor(dir, 'lm_head.weight')).type, output)
        assert.equal(readJson(dir, 'config.json').torch_dtype, dtype)
      })
    })
  }

  it('cuts large models into shards with an index', () =>
    withConverted(tinyGguf(), { maxShardBytes: 600 }, async dir => {
      const shards = readdirSync(dir).filter(name => name.endsWith('.safetensors'))
      assert.ok(shards.length > 3)
      const index = readJson(dir, 'model.safetensors.index.json')
      assert.deepEqual([...new Set(Object.values(index.weight_map as object))].toSorted(), shards)
      const { tensors } = await openCheckpoint(dir)
      const total = tensors.reduce((sum, tensor) => sum + tensor.parts[0]!.bytes, 0)
      assert.deepEqual(index.metadata, { total_size: total })
    }))

  it('reports progress up to the whole', async () => {
    const seen: number[] = []
    await withConverted(tinyGguf(), { onProgress: (done, total) => seen.push(done / total) }, () => {})
    assert.equal(seen.at(-1), 1)
    assert.deepEqual(seen, seen.toSorted())
  })
})

describe('convert: every format to a Hugging Face directory', () => {
  // Golden checkpoints of the formats; those of architectures beside LLaMA have tests of their own.
  const cases = [
    'gqa-tied-bf16',
    'headdim-mqa-f16',
    'biases',
    'sharded-bf16',
    'bin',
    'bin-legacy',
    'bin-sharded',
  ]
  cases.push('rope-llama3', 'rope-yarn', 'rope-linear', 'gguf-mixed', 'gguf-rope-freqs')
  for (const name of cases) {
    it(`keeps tensors and config: ${name}`, async function () {
      if (sharedMissing) skip(this, sharedMissing)
      await withFolder(async folder => {
        const source = await openGolden(name)
        await convert(source, join(folder, 'out'), { maxShardBytes: 30_000 })
        const converted = await openCheckpoint(join(folder, 'out'))
        if (!name.startsWith('gguf')) {
          assert.deepEqual(converted.config, source.config)
          await assertSameTensors(source, converted)
        }
        assert.equal(converted.autoDType, source.autoDType)
        await convert(source, join(folder, 'exact'), { dtype: 'float32' })
        await assertSameTensors(source, await openCheckpoint(join(folder, 'exact')))
      })
    })
  }

  it('copies the files of the tokenizer as they are', () =>
    withFolder(async folder => {
      const source = await openCheckpoint(defaultModel)
      await convert(source, join(folder, 'out'))
      for (const name of ['tokenizer.json', 'tokenizer_config.json'])
        assert.deepEqual(
          readFileSync(join(folder, 'out', name)),
          readFileSync(join(defaultModel, name)),
          name,
        )
    }))
})

describe('convert: config', () => {
  it('writes what opening reads', () => {
    const more = {
      'llama.rope.scaling.type': 'yarn',
      'llama.rope.scaling.factor': 4,
      'llama.rope.freq_base': 5e5,
    }
    const special = {
      'tokenizer.ggml.bos_token_id': 1,
      'tokenizer.ggml.eos_token_id': 2,
      'tokenizer.ggml.eot_token_id': 3,
    }
    const gguf = tinyGguf({}, { ...more, ...special })
    return withFolder(async folder => {
      writeFiles(folder, { 'x.gguf': gguf })
      await convertFile(join(folder, 'x.gguf'), join(folder, 'out'))
      const before = await openCheckpoint(join(folder, 'x.gguf'))
      const after = await openCheckpoint(join(folder, 'out'))
      assert.deepEqual(after.config, { ...before.config, rmsNormEps: 1e-5 })
      assert.deepEqual(after.warnings, [])
      assert.deepEqual(readJson(folder, 'out', 'generation_config.json'), {
        bos_token_id: 1,
        eos_token_id: [2, 3],
      })
    })
  })

  it('writes rope_freqs as llama3 scaling where it is that', async function () {
    if (sharedMissing) skip(this, sharedMissing)
    await withConverted(readFileSync(shared('golden', 'hf', 'gguf-rope-freqs', 'model.gguf')), {}, dir => {
      assert.deepEqual(readJson(dir, 'config.json').rope_scaling, {
        rope_type: 'llama3',
        factor: 8,
        low_freq_factor: 1,
        high_freq_factor: 4,
        original_max_position_embeddings: 64,
      })
    })
  })
})

describe('convert: config of a Hugging Face directory', () => {
  type Fields = Record<string, unknown>
  const unknown = {
    pad_token_id: 3,
    initializer_range: 0.02,
    id2label: { 0: 'a', 1: 'b' },
    auto_map: { AutoModel: 'x.Y' },
    'some.own-field': [1, null, { deep: true }],
  }
  // The fields of config.json, the dtype asked for, and those that differ in what is written.
  const rows: [name: string, fields: Fields, dtype: ConvertOptions['dtype'], changed: Fields][] = [
    ['keeps every field', { ...unknown, torch_dtype: 'float32' }, undefined, {}],
    ['changes torch_dtype', { ...unknown, torch_dtype: 'float32' }, 'float16', { torch_dtype: 'float16' }],
    ['changes dtype, as transformers 5 has it', { dtype: 'float32' }, 'bfloat16', { dtype: 'bfloat16' }],
    [
      'changes both',
      { dtype: 'float32', torch_dtype: 'float32' },
      'float16',
      { dtype: 'float16', torch_dtype: 'float16' },
    ],
    ['adds torch_dtype where none is', unknown, undefined, { torch_dtype: 'float32' }],
    [
      'keeps the style of RoPE',
      { rope_parameters: { rope_type: 'linear', factor: 2, rope_theta: 5e5 }, dtype: 'float32' },
      undefined,
      {},
    ],
    [
      'unties a head that differs from the embedding',
      { tie_word_embeddings: true, dtype: 'float32' },
      undefined,
      { tie_word_embeddings: false },
    ],
  ]
  for (const [name, fields, dtype, changed] of rows) {
    it(name, () =>
      withFolder(async folder => {
        const tensors = tinyTensors()
        tensors.get('lm_head.weight')!.data = floats(...Array(tinyConfig.vocab_size * 8).fill(0.5))
        const generation = '{"eos_token_id": 2, "temperature": 0.6, "own": [1]}'
        const config = { ...tinyConfig, ...fields }
        writeFiles(join(folder, 'from'), {
          'config.json': config,
          'model.safetensors': safetensorsBytes(tensors),
          'generation_config.json': generation,
        })
        const source = await openCheckpoint(join(folder, 'from'))
        await convert(source, join(folder, 'out'), dtype ? { dtype } : {})
        assert.deepEqual(readJson(folder, 'out', 'config.json'), { ...config, ...changed })
        assert.equal(readFileSync(join(folder, 'out', 'generation_config.json'), 'utf8'), generation)
        assert.deepEqual((await openCheckpoint(join(folder, 'out'))).config, source.config)
      }),
    )
  }
})

describe('convert: tokenizer', () => {
  before(function () {
    if (sharedMissing) skip(this, sharedMissing)
  })

  interface GoldenRow {
    text: string
    ids: number[]
    decoded: string
  }

  /** Holds the files against rows that the tokenizers library made of the original tokenizer.json. */
  async function checkRows(files: Record<string, object>, name: string, rows: string): Promise<void> {
    await withFolder(async dir => {
      writeFiles(dir, files)
      const file = join(dir, 'tokenizer.json')
      const tokenizer = await loadTokenizer({
        kind: 'tokenizer.json',
        file,
        configFile: join(dir, 'tokenizer_config.json'),
      })
      const lines = readFileSync(shared('tokenizers', name, rows), 'utf8')
        .trim()
        .split('\n')
      assert.ok(lines.length > 300)
      for (const line of lines) {
        const { text, ids, decoded } = JSON.parse(line) as GoldenRow
        assert.deepEqual(tokenizer.encode(text), ids, `ids of ${JSON.stringify(text)}`)
        assert.equal(
          tokenizer.decode(ids, { skipSpecialTokens: false }),
          decoded,
          `text of ${JSON.stringify(text)}`,
        )
      }
    })
  }

  it('of SmolLM2', async () => {
    const { tokenizer, config, chatTemplate } = await openCheckpoint(
      shared('models', 'smollm2-135m', 'model-q4_1.gguf'),
    )
    assert.ok(tokenizer?.kind === 'gguf')
    const files = tokenizerFiles('x.gguf', tokenizer.metadata, config, chatTemplate)
    await checkRows(files, 'smollm2', 'tokenizer_json.jsonl')
    const original = readJson(shared('models', 'smollm2-135m', 'tokenizer_config.json'))
    assert.deepEqual(
      { ...files['tokenizer_config.json'], ...original, tokenizer_class: 'PreTrainedTokenizerFast' },
      files['tokenizer_config.json'],
    )
  })

  it('of LLaMA 3', async () => {
    const { metadata } = await readGguf(shared('tokenizers', 'llama3', 'vocab.gguf'))
    const prefix = 'tokenizer.ggml.'
    const vocabulary = new Map([...metadata].map(([key, value]) => [key.replace(prefix, ''), value]))
    const { config } = await openCheckpoint(shared('golden', 'hf', 'mha-untied-f32'))
    const files = tokenizerFiles('x.gguf', vocabulary, config, undefined)
    await checkRows(files, 'llama3', 'tokenizer_json.jsonl')
  })

  it('of LLaMA 1 and 2, merges and all', async () => {
    const pieces = readPieces('x', readFileSync(shared('tokenizers', 'llama', 'tokenizer.model')))
    const vocabulary = new Map<string, unknown>([
      ['model', 'llama'],
      ['tokens', pieces.map(piece => piece.text)],
      ['scores', Float32Array.from(pieces, piece => piece.score)],
      ['token_type', Int32Array.from(pieces, piece => piece.type)],
      ['bos_token_id', 1],
      ['eos_token_id', 2],
      ['unknown_token_id', 0],
    ])
    const { config } = await openCheckpoint(shared('golden', 'hf', 'mha-untied-f32'))
    const files = tokenizerFiles('x.gguf', vocabulary, config, undefined)
    await checkRows(files, 'llama', 'tokenizer_json.jsonl')
    const original = readJson(shared('tokenizers', 'llama', 'tokenizer.json'))
    const { vocab, merges, ...model1 } = original.model as { vocab: object; merges: (string | string[])[] }
    const written = files['tokenizer.json'] as typeof original
    const { vocab: ourVocab, merges: ourMerges, ...model2 } = written.model as typeof original
    assert.deepEqual(ourVocab, vocab)
    assert.deepEqual(
      ourMerges,
      merges.map(merge => (typeof merge === 'string' ? merge.split(' ') : merge)),
    )
    assert.deepEqual(model2, model1)
    for (const part of ['added_tokens', 'normalizer', 'pre_tokenizer', 'post_processor', 'decoder']) {
      assert.deepEqual(written[part], original[part], part)
    }
  })

  const refused: [name: string, metadata: [string, unknown][], message: RegExp][] = [
    [
      'another model',
      [
        ['model', 'bert'],
        ['tokens', ['a']],
      ],
      /x\.gguf, tokenizer\.ggml: "model" is "bert"; gpt2 and llama/,
    ],
    ['no tokens', [['model', 'gpt2']], /no "tokens"; expected a list of texts/],
    [
      'an unknown rule for words',
      [
        ['model', 'gpt2'],
        ['tokens', ['a']],
        ['pre', 'none'],
      ],
      /"pre" is "none"; known are gpt-2/,
    ],
    [
      'a merge that is none',
      [
        ['model', 'gpt2'],
        ['tokens', ['a']],
        ['pre', 'gpt-2'],
        ['merges', ['a']],
      ],
      /the merge "a" is no pair/,
    ],
    [
      'no scores',
      [
        ['model', 'llama'],
        ['tokens', ['a']],
      ],
      /no "scores"; expected 1 numbers/,
    ],
    [
      'a token given twice',
      [
        ['model', 'llama'],
        ['tokens', ['a', 'b', 'a']],
      ],
      /the token "a" comes twice/,
    ],
  ]
  for (const [name, entries, message] of refused) {
    it(`refuses ${name}`, async () => {
      const { config } = await openCheckpoint(shared('golden', 'hf', 'mha-untied-f32'))
      assert.throws(() => tokenizerFiles('x.gguf', new Map(entries), config, undefined), {
        code: 'TOKENIZER',
        message,
      })
    })
  }
})
