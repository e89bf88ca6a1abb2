// A checkpoint -> GGUF file: tensors, metadata, tokenizer. bench/peers/check_convert.js holds the result against llama.cpp.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Checkpoint, LlamaConfig } from '../src/checkpoint/checkpoint.ts'
import { convert } from '../src/checkpoint/convert/convert.ts'
import { ggufTokenizer } from '../src/checkpoint/convert/tokenizer-gguf.ts'
import { readGguf } from '../src/checkpoint/gguf/gguf.ts'
import { tokenizerFiles } from '../src/checkpoint/gguf/gguf-tokenizer-json.ts'
import { openCheckpoint } from '../src/checkpoint/open.ts'
import { ropeFrequencies } from '../src/checkpoint/rope.ts'
import { loadAddon } from '../src/native/addon.ts'
import { newControl } from '../src/native/job.ts'
import { tokenizerFromGguf } from '../src/tokenizer/gguf.ts'
import { loadTokenizer } from '../src/tokenizer/load.ts'
import {
  openTiny,
  safetensorsBytes,
  tinyConfig,
  tinyTensors,
  withFolder,
  writeFiles,
} from './checkpoint-files.ts'
import { shared, sharedMissing } from './shared.ts'
import { skip } from './skip.ts'
import { defaultModel } from './tiny-model.ts'

describe('convert to GGUF: tensors and config', () => {
  const cases = [
    'mha-untied-f32',
    'gqa-tied-bf16',
    'headdim-mqa-f16',
    'biases',
    'odd-sizes',
    'sharded-bf16',
    'bin',
  ]
  cases.push('rope-llama3', 'rope-yarn', 'rope-linear', 'gguf-mixed', 'gguf-rope-freqs', 'meta-2')
  for (const name of cases) {
    it(`reads back the same numbers: ${name}`, async function () {
      if (sharedMissing) skip(this, sharedMissing)
      await withFolder(async folder => {
        const source = await openCheckpoint(shared('golden', 'hf', name))
        const file = join(folder, 'x.gguf')
        await convert(source, file, { dtype: 'float32' })
        const { config, tensors, warnings } = await openCheckpoint(file)
        assert.deepEqual(warnings, [])
        const { ropeScaling, ropeTheta, rmsNormEps, architecture, ...rest } = source.config
        for (const [key, value] of Object.entries(rest)) {
          if (!key.endsWith('okenId') && !key.endsWith('okenIds'))
            assert.deepEqual(config[key as keyof typeof config], value, key)
        }
        assert.equal(config.rmsNormEps, Math.fround(rmsNormEps))
        const { frequencies, attentionFactor } = ropeFrequencies(source.config)
        const found = ropeFrequencies(config)
        assert.ok(Math.abs(found.attentionFactor / attentionFactor - 1) < 1e-6)
        for (const [i, frequency] of frequencies.entries())
          assert.ok(Math.abs(found.frequencies[i]! / frequency - 1) < 2e-7, `${name}: frequency ${i}`)
        for (const [i, tensor] of source.tensors.entries()) {
          const read = (of: typeof tensor) =>
            loadAddon().readRows(of, config.headDim, 0, of.shape[0]!, 'F32', newControl())
          assert.deepEqual(await read(tensors[i]!), await read(tensor), tensor.name)
        }
      })
    })
  }

  const types: [dtype: 'float16' | 'bfloat16' | 'q8_0', matrix: string, fileType: number][] = [
    ['float16', 'F16', 1],
    ['bfloat16', 'BF16', 32],
    ['q8_0', 'Q8_0', 7],
  ]
  for (const [dtype, matrix, fileType] of types) {
    it(`writes matrices as ${dtype} and vectors as F32`, () =>
      withFolder(async folder => {
        await convert(await openBlocks(), join(folder, 'x'), { to: 'gguf', dtype })
        const { tensors, metadata } = await readGguf(join(folder, 'x'))
        // The rows of down, of 176 numbers, are no whole blocks.
        for (const { name, shape, type } of tensors)
          assert.equal(
            type,
            shape.length === 1 ? 'F32' : shape[1] === 176 && dtype === 'q8_0' ? 'F16' : matrix,
            name,
          )
        assert.equal(metadata.get('general.file_type'), fileType)
      }))
  }

  it('writes F16 where rows are no whole blocks of Q8_0', () =>
    withFolder(async folder => {
      writeFiles(folder, { 'config.json': tinyConfig, 'model.safetensors': safetensorsBytes(tinyTensors()) })
      const file = join(folder, 'x.gguf')
      await convert(await openCheckpoint(folder), file, { dtype: 'q8_0' })
      const types = (await readGguf(file)).tensors.map(({ shape, type }) => [shape.length, type].join())
      assert.deepEqual(new Set(types), new Set(['1,F32', '2,F16']))
    }))

  const refused: [name: string, options: object, message: RegExp][] = [
    [
      'q8_0 of a Hugging Face directory',
      { to: 'huggingface', dtype: 'q8_0' },
      /dtype is "q8_0"; a Hugging Face/,
    ],
    ['shards of a GGUF file', { maxShardBytes: 5 }, /a GGUF file has no shards/],
  ]
  for (const [name, options, message] of refused) {
    it(`refuses ${name}`, async () =>
      assert.rejects(convert(await openCheckpoint(defaultModel), '/tmp/none.gguf', options), {
        code: 'INVALID_ARGUMENT',
        message,
      }))
  }

  const unsaid: [name: string, path: string[], config: Partial<LlamaConfig>, message: RegExp][] = [
    [
      'scaled RoPE of a Qwen2',
      ['hf', 'qwen2'],
      { ropeScaling: { type: 'factors', factors: new Float32Array(8).fill(2) } },
      /^qwen2: llama\.cpp's qwen2 has no rope_freqs\.weight, which factors scaling needs; convert it to a Hugging Face/,
    ],
    [
      'biases of the output of attention in a Qwen3',
      ['sister', 'qwen3'],
      { qkvBias: true, oBias: true },
      /^qwen3: llama\.cpp's qwen3 has no biases but those of q, k and v, and this model has more/,
    ],
  ]
  for (const [name, path, config, message] of unsaid) {
    it(`refuses ${name}`, async function () {
      if (sharedMissing) skip(this, sharedMissing)
      const checkpoint = await openCheckpoint(shared('golden', ...path))
      const changed = { ...checkpoint, config: { ...checkpoint.config, ...config } }
      await assert.rejects(convert(changed, '/tmp/none.gguf'), { code: 'CHECKPOINT_UNSUPPORTED', message })
    })
  }

  it('leaves a file that is there as it is', () =>
    withFolder(async folder => {
      writeFiles(folder, { 'x.gguf': 'mine' })
      await assert.rejects(convert(await openCheckpoint(defaultModel), join(folder, 'x.gguf')), {
        code: 'OUTPUT',
        message: /x\.gguf: is there; give a new file/,
      })
      assert.equal(readFileSync(join(folder, 'x.gguf'), 'utf8'), 'mine')
    }))
})

describe('convert to GGUF: tokenizer', () => {
  before(function () {
    if (sharedMissing) skip(this, sharedMissing)
  })

  const tokenizers: [
    name: string,
    path: string[],
    kind: 'tokenizer.json' | 'tokenizer.model',
    keys: object,
  ][] = [
    [
      'LLaMA 1 and 2, pieces',
      ['tokenizers', 'llama', 'tokenizer.model'],
      'tokenizer.model',
      { model: 'llama' },
    ],
    [
      'LLaMA 1 and 2, merges',
      ['tokenizers', 'llama', 'tokenizer.json'],
      'tokenizer.json',
      { model: 'llama' },
    ],
    [
      'LLaMA 2, Metaspace',
      ['tokenizers', 'llama', 'tokenizer-metaspace.json'],
      'tokenizer.json',
      { model: 'llama' },
    ],
    [
      'LLaMA 3',
      ['tokenizers', 'llama3', 'tokenizer.json'],
      'tokenizer.json',
      { model: 'gpt2', pre: 'llama-bpe' },
    ],
    [
      'SmolLM2',
      ['models', 'smollm2-135m', 'tokenizer.json'],
      'tokenizer.json',
      { model: 'gpt2', pre: 'smollm' },
    ],
  ]
  for (const [name, path, kind, keys] of tokenizers) {
    it(`of ${name}: the ids of real text are the same`, async () => {
      const source = { kind, file: shared(...path) }
      const original = await loadTokenizer(source)
      const config = await configOf(original.vocabSize)
      const entries = await ggufTokenizer(source, config, 'x', [])
      const metadata = new Map(entries.map(([key, value]) => [key.replace('tokenizer.ggml.', ''), value]))
      for (const [key, value] of Object.entries(keys)) assert.equal(metadata.get(key), value)
      const written = tokenizerFromGguf('x.gguf', metadata)
      const text = readFileSync(shared('golden', 'prompts.jsonl'), 'utf8').slice(0, 200_000)
      assert.deepEqual(
        written.encode(text, { parseSpecial: false }),
        original.encode(text, { parseSpecial: false }),
      )
      assert.equal(written.addBos, original.addBos)
      if (original.addBos) assert.equal(written.bosTokenId, original.bosTokenId)
      assert.equal(written.eosTokenId, original.eosTokenId)
    })
  }

  it('has the keys that llama.cpp wrote for LLaMA 3', async () => {
    const { metadata } = await readGguf(shared('tokenizers', 'llama3', 'vocab.gguf'))
    const file = shared('tokenizers', 'llama3', 'tokenizer.json')
    const tokens = metadata.get('tokenizer.ggml.tokens') as string[]
    const config = await configOf(tokens.length)
    const keys = new Map(await ggufTokenizer({ kind: 'tokenizer.json', file }, config, 'x', []))
    for (const key of ['tokens', 'token_type', 'merges', 'model', 'pre', 'bos_token_id'])
      assert.deepEqual(keys.get(`tokenizer.ggml.${key}`), metadata.get(`tokenizer.ggml.${key}`), key)
  })

  const changes: [name: string, change: (json: Json) => void, message: RegExp][] = [
    [
      'another rule for words',
      json => {
        json.pre_tokenizer = { type: 'ByteLevel', add_prefix_space: true }
      },
      /pre_tokenizer cuts words by a rule whose name in llama\.cpp .* is not known here; known are gpt-2, smollm/,
    ],
    [
      'a normalizer',
      json => {
        json.normalizer = { type: 'NFC' }
      },
      /normalizer NFC is nothing that llama\.cpp does/,
    ],
    [
      'a token that takes white space',
      json => {
        json.added_tokens[0]!.rstrip = true
      },
      /would be .* by the rules of a GGUF file/,
    ],
  ]
  for (const [name, change, message] of changes) {
    it(`refuses ${name}`, () =>
      withFolder(async folder => {
        const json = JSON.parse(
          readFileSync(shared('models', 'smollm2-135m', 'tokenizer.json'), 'utf8'),
        ) as Json
        change(json)
        writeFiles(folder, { 'tokenizer.json': json })
        const config = await configOf(49_152)
        const file = join(folder, 'tokenizer.json')
        await assert.rejects(ggufTokenizer({ kind: 'tokenizer.json', file }, config, 'x', []), {
          code: 'TOKENIZER',
          message,
        })
      }))
  }

  const composing: [name: string, normalizer: object | null, pre: string, warns: boolean][] = [
    ['that composes characters, as Qwen', { type: 'NFC' }, 'qwen2', true],
    ['that composes them in a sequence', { type: 'Sequence', normalizers: [{ type: 'NFC' }] }, 'qwen2', true],
    ['with the words of Qwen alone', null, 'deepseek-r1-qwen', false],
    ['with an empty sequence', { type: 'Sequence', normalizers: [] }, 'deepseek-r1-qwen', false],
  ]
  for (const [name, normalizer, pre, warns] of composing) {
    it(`of one ${name}: ${pre}, read back and converted back with the same ids`, () =>
      withFolder(async folder => {
        const json = JSON.parse(
          readFileSync(shared('models', 'smollm2-135m', 'tokenizer.json'), 'utf8'),
        ) as Json
        json.normalizer = normalizer
        // As tokenizer.json of Qwen2.5 has it.
        const Regex =
          "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"
        json.pre_tokenizer = {
          type: 'Sequence',
          pretokenizers: [
            { type: 'Split', pattern: { Regex }, behavior: 'Isolated', invert: false },
            { type: 'ByteLevel', add_prefix_space: false, trim_offsets: false, use_regex: false },
          ],
        }
        writeFiles(folder, { 'tokenizer.json': json })
        const source = { kind: 'tokenizer.json', file: join(folder, 'tokenizer.json') } as const
        const config = await configOf(49_152)
        const warnings: string[] = []
        const keys = new Map(
          (await ggufTokenizer(source, config, 'x', warnings)).map(([key, value]) => [
            key.replace('tokenizer.ggml.', ''),
            value,
          ]),
        )
        assert.equal(keys.get('pre'), pre)
        assert.deepEqual(
          warnings.map(warning => /^tokenizer\.json: composes characters \(NFC\)/.test(warning)),
          warns ? [true] : [],
        )
        const original = await loadTokenizer(source)
        const written = tokenizerFromGguf('x.gguf', keys)
        const text = readFileSync(shared('golden', 'prompts.jsonl'), 'utf8').slice(0, 100_000)
        for (const words of [text, 'caf\u00e9 123 45', "I'LL  go\n\n now"])
          assert.deepEqual(written.encode(words), original.encode(words))
        const files = tokenizerFiles('x.gguf', keys, config, undefined)
        writeFiles(folder, { 'back.json': files['tokenizer.json'] })
        const back = await loadTokenizer({ kind: 'tokenizer.json', file: join(folder, 'back.json') })
        // The one of the two letters is composed of an e and an accent.
        for (const words of [text, 'cafe\u0301 123'])
          assert.deepEqual(back.encode(words), original.encode(words))
        const same = written.encode('cafe\u0301').join() === original.encode('cafe\u0301').join()
        assert.equal(same, !warns)
      }))
  }

  it('refuses merges that are not those of pieces', () =>
    withFolder(async folder => {
      const json = JSON.parse(readFileSync(shared('tokenizers', 'llama', 'tokenizer.json'), 'utf8'))
      json.model.merges.splice(1000, 1)
      writeFiles(folder, { 'tokenizer.json': json })
      const config = await configOf(32_000)
      const file = join(folder, 'tokenizer.json')
      await assert.rejects(ggufTokenizer({ kind: 'tokenizer.json', file }, config, 'x', []), {
        code: 'TOKENIZER',
        message:
          /model\.merges\[\d+\] is .*; llama\.cpp, which knows pieces and their scores alone, would have ".*"/,
      })
    }))

  it('refuses more tokens than the embedding has rows', async () => {
    const { config } = await openTiny({})
    await assert.rejects(
      ggufTokenizer(
        { kind: 'tokenizer.json', file: shared('tokenizers', 'llama', 'tokenizer.json') },
        config,
        'x',
        [],
      ),
      { code: 'TOKENIZER', message: /x: the tokenizer has 32000 tokens, the embedding 10 rows/ },
    )
  })
})

/** The embedded model, whose rows are whole blocks, without its tokenizer. */
async function openBlocks(): Promise<Checkpoint> {
  return { ...(await openCheckpoint(defaultModel)), tokenizer: undefined }
}

/** A config with so many tokens. */
async function configOf(vocabSize: number): Promise<LlamaConfig> {
  return { ...(await openTiny({})).config, vocabSize }
}

interface Json {
  pre_tokenizer: object
  normalizer: object | null
  added_tokens: { rstrip: boolean }[]
}
