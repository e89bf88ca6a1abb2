// Hugging Face directories: files, shards, tensors, and the golden checkpoints.
import assert from 'node:assert/strict'
import { chmodSync, mkdirSync, readFileSync, symlinkSync } from 'node:fs'
import { basename, join } from 'node:path'
import type { Checkpoint, LlamaConfig } from '../src/checkpoint/checkpoint.ts'
import { nativeConfig, vocabularyWarning } from '../src/checkpoint/native-config.ts'
import { openCheckpoint } from '../src/checkpoint/open.ts'
import type { ErrorCode } from '../src/errors.ts'
import { loadModel } from '../src/index.ts'
import {
  type FileTensor,
  openTiny,
  safetensorsBytes,
  tinyConfig,
  tinyTensors,
  withFolder,
  writeFiles,
} from './checkpoint-files.ts'
import { shared, sharedMissing } from './shared.ts'
import { skip } from './skip.ts'

function without(...names: string[]): Map<string, FileTensor> {
  return new Map([...tinyTensors()].filter(([name]) => !names.includes(name)))
}

function withTensor(name: string, type: string, ...shape: number[]): Map<string, FileTensor> {
  return tinyTensors().set(name, { type, shape })
}

describe('Hugging Face checkpoints: files', () => {
  // The ids are those that transformers 5.24 sets as generation_config.eos_token_id of a model it loads.
  const ends: [config: object, generation: object | undefined, want: number[]][] = [
    [{}, undefined, []],
    [{}, {}, []],
    [{}, { eos_token_id: [3, 7] }, [3, 7]],
    [{ eos_token_id: 5 }, undefined, [5]],
    [{ eos_token_id: [5, 6] }, undefined, [5, 6]],
    [{ eos_token_id: 5 }, {}, []],
    [{ eos_token_id: 5 }, { eos_token_id: null }, []],
    [{ eos_token_id: 5 }, { eos_token_id: 7 }, [7]],
    [{ eos_token_id: [5, 6] }, { eos_token_id: [] }, []],
    [{ eos_token_id: null }, { eos_token_id: [3, 7] }, [3, 7]],
  ]
  for (const [config, generation, want] of ends) {
    const files = generation && { 'generation_config.json': generation }
    const name = `${JSON.stringify(config)} with ${generation ? JSON.stringify(generation) : 'no'} generation_config.json`
    it(`ends texts at [${want}] by config.json ${name}`, async () =>
      assert.deepEqual((await openTiny(config, tinyTensors(), files)).config.eosTokenIds, want))
  }

  it('generates to the ends that transformers takes where config.json names none', async function () {
    if (sharedMissing) skip(this, sharedMissing)
    await using model = await loadModel(shared('cases', 'eos-of-config-absent'), { dtype: 'float32' })
    const [text] = await model.generate([[103]], { maxTokens: 24 })
    assert.deepEqual(
      { tokens: [...text!.tokens], finishReason: text!.finishReason },
      { tokens: [192, 2, 166], finishReason: 'stop' },
    )
  })

  it('finds tokenizer.json before tokenizer.model, and tokenizer_config.json', async () => {
    const files = { 'tokenizer.json': '{}', 'tokenizer.model': '', 'tokenizer_config.json': '{}' }
    const { tokenizer } = await openTiny({}, tinyTensors(), files)
    assert.ok(tokenizer?.kind === 'tokenizer.json')
    assert.equal(basename(tokenizer.file), 'tokenizer.json')
    assert.equal(basename(tokenizer.configFile ?? ''), 'tokenizer_config.json')
    assert.equal(
      (await openTiny({}, tinyTensors(), { 'tokenizer.model': '' })).tokenizer?.kind,
      'tokenizer.model',
    )
    assert.equal((await openTiny({})).tokenizer, undefined)
  })

  it('finds the chat template in its own file, in tokenizer_config.json, and among named ones', async () => {
    const template = async (files: Record<string, object | string>) =>
      (await openTiny({}, tinyTensors(), files)).chatTemplate
    const config = { 'tokenizer_config.json': { chat_template: 'config' } }
    assert.equal(await template({ 'chat_template.jinja': 'file', ...config }), 'file')
    assert.equal(await template(config), 'config')
    const list = [
      { name: 'tools', template: 'a' },
      { name: 'default', template: 'b' },
    ]
    assert.equal(await template({ 'tokenizer_config.json': { chat_template: list } }), 'b')
    assert.equal(await template({}), undefined)
  })

  const named = [
    { name: 'tool_use', template: 'a' },
    { name: 'default', template: 'b' },
  ]
  const extra = 'additional_chat_templates'
  const templates: [
    title: string,
    files: Record<string, object | string>,
    found: string | undefined,
    warning?: RegExp,
  ][] = [
    [
      'an object of named ones',
      { 'tokenizer_config.json': { chat_template: { default: 'd', rag: 'r' } } },
      'd',
    ],
    ['null', { 'tokenizer_config.json': { chat_template: null } }, undefined],
    [
      'named ones without a default',
      { 'tokenizer_config.json': { chat_template: named.slice(0, 1) } },
      undefined,
      /^tokenizer_config\.json: no chat template is named "default", so none is used: \["tool_use"\]$/,
    ],
    [
      'what is no template',
      { 'tokenizer_config.json': { chat_template: 5 } },
      undefined,
      /^tokenizer_config\.json: "chat_template" is 5, which is no template/,
    ],
    ['a file beside named files', { 'chat_template.jinja': 'file', [`${extra}/rag.jinja`]: 'r' }, 'file'],
    [
      'a named file that is the default',
      { [`${extra}/default.jinja`]: 'f', 'tokenizer_config.json': { chat_template: 'c' } },
      'f',
    ],
    [
      'named files alone, which go before tokenizer_config.json',
      { [`${extra}/rag.jinja`]: 'r', 'tokenizer_config.json': { chat_template: 'c' } },
      undefined,
      /^additional_chat_templates: no chat template is named "default", so none is used: \["rag"\]$/,
    ],
  ]
  for (const [title, files, found, warning] of templates)
    it(`takes as chat template what transformers takes: ${title}`, async () => {
      const { chatTemplate, warnings } = await openTiny({}, tinyTensors(), files)
      assert.equal(chatTemplate, found)
      const said = warnings.filter(text => /chat.template/.test(text))
      assert.equal(said.length, warning ? 1 : 0, said.join())
      if (warning) assert.match(said[0]!, warning)
    })

  it('refuses a chat template that is too large to be one', async () => {
    const files = { 'chat_template.jinja': 'x'.repeat(2 ** 20 + 1) }
    await assert.rejects(openTiny({}, tinyTensors(), files), {
      code: 'CHECKPOINT_CORRUPT',
      message: 'chat_template.jinja: 1048577 bytes; at most 1048576 are read of a chat template',
    })
  })

  it('warns of a tokenizer larger than the embedding', async () => {
    const opened = await openTiny({})
    assert.equal(vocabularyWarning(opened, 10), undefined)
    assert.match(vocabularyWarning(opened, 11) ?? '', /the tokenizer has 11 tokens, the embedding 10 rows/)
  })

  it('refuses a folder without config.json, a missing path, a file of another kind, and several GGUFs', async () => {
    await withFolder(async dir => {
      await assert.rejects(openCheckpoint(dir), {
        code: 'CHECKPOINT_NOT_FOUND',
        message:
          /no checkpoint in this folder; expected a Hugging Face directory \(config\.json and safetensors or PyTorch's \.bin\) or Meta's params\.json and consolidated\.00\.pth or a \.gguf/,
      })
      await assert.rejects(openCheckpoint(join(dir, 'none')), {
        code: 'CHECKPOINT_NOT_FOUND',
        message: /none: no such/,
      })
      writeFiles(dir, { 'model.safetensors': '', 'a.gguf': '', 'b.gguf': '' })
      await assert.rejects(openCheckpoint(join(dir, 'model.safetensors')), {
        code: 'CHECKPOINT_UNSUPPORTED',
        message: /model\.safetensors: not a checkpoint; .*Give the folder that holds it/,
      })
      await assert.rejects(openCheckpoint(dir), {
        code: 'CHECKPOINT_UNSUPPORTED',
        message: /a\.gguf, b\.gguf; name one/,
      })
    })
  })

  it('says which file or folder may not be read', () => {
    const user = process.geteuid?.() ?? -1
    return withFolder(async dir => {
      writeFiles(dir, { 'config.json': tinyConfig, 'model.safetensors': safetensorsBytes(tinyTensors()) })
      chmodSync(dir, 0o755)
      for (const [path, mode] of [
        ['config.json', 0o644],
        ['model.safetensors', 0o644],
        ['.', 0o755],
      ] as const) {
        chmodSync(join(dir, path), 0)
        // Root may read everything; nobody may not.
        if (user === 0) process.seteuid?.(65534)
        try {
          await assert.rejects(openCheckpoint(dir), {
            code: 'FILE_READ',
            message: `${join(dir, path)}: cannot be read (EACCES: permission denied, ${path === '.' ? 'scandir' : 'open'} '${join(dir, path)}')`,
          })
        } finally {
          if (user === 0) process.seteuid?.(0)
        }
        chmodSync(join(dir, path), mode)
      }
    })
  })

  it('refuses a folder with no weights', () =>
    withFolder(async dir => {
      writeFiles(dir, { 'config.json': tinyConfig })
      await assert.rejects(openCheckpoint(dir), {
        code: 'CHECKPOINT_NOT_FOUND',
        message:
          /has config\.json, but none of model\.safetensors, model\.safetensors\.index\.json, pytorch_model\.bin, pytorch_model\.bin\.index\.json$/,
      })
    }))

  it('refuses a folder in the place of the weights', () =>
    withFolder(async dir => {
      writeFiles(dir, { 'config.json': tinyConfig })
      mkdirSync(join(dir, 'model.safetensors'))
      await assert.rejects(openCheckpoint(dir), {
        code: 'CHECKPOINT_CORRUPT',
        message: /model.safetensors: a folder; expected a file$/,
      })
    }))

  it('follows links, as the cache of the hub uses them', () =>
    withFolder(async dir => {
      writeFiles(dir, { blob: safetensorsBytes(tinyTensors()), 'config.json': tinyConfig })
      symlinkSync(join(dir, 'blob'), join(dir, 'model.safetensors'))
      assert.equal((await openCheckpoint(dir)).tensors.length, 12)
    }))
})

describe('Hugging Face checkpoints: tensors', () => {
  const refused: [
    name: string,
    config: object,
    tensors: Map<string, FileTensor>,
    code: ErrorCode,
    message: RegExp,
  ][] = [
    [
      'a missing norm',
      {},
      without('model.norm.weight'),
      'TENSOR_MISSING',
      /model\.safetensors: no tensor "model\.norm\.weight", which every LLaMA has/,
    ],
    [
      'a missing layer',
      { num_hidden_layers: 2 },
      tinyTensors(),
      'TENSOR_MISSING',
      /no tensor "model\.layers\.1\.input_layernorm\.weight", which config\.json \(num_hidden_layers = 2\) asks for/,
    ],
    [
      'a missing head',
      {},
      without('lm_head.weight'),
      'TENSOR_MISSING',
      /no tensor "lm_head\.weight", which a head that is not tied/,
    ],
    [
      'missing biases',
      { attention_bias: true },
      tinyTensors(),
      'TENSOR_MISSING',
      /no tensor "model\.layers\.0\.self_attn\.q_proj\.bias"/,
    ],
    [
      'a wrong shape',
      {},
      withTensor('model.layers.0.mlp.up_proj.weight', 'F32', 12, 4),
      'TENSOR_SHAPE',
      /^model\.safetensors: "model\.layers\.0\.mlp\.up_proj\.weight" is \[12, 4\]; config\.json \(intermediate_size, hidden_size\) asks for \[12, 8\]\. Is it/,
    ],
    [
      'a wrong number of dimensions',
      {},
      withTensor('model.norm.weight', 'F32', 8, 1),
      'TENSOR_SHAPE',
      /"model\.norm\.weight" is \[8, 1\]; config\.json \(hidden_size\) asks for \[8\]/,
    ],
    ...['F64', 'I32', 'I8', 'BOOL'].map((type): (typeof refused)[number] => [
      `weights stored as ${type}`,
      {},
      withTensor('model.norm.weight', type, 8),
      'CHECKPOINT_UNSUPPORTED',
      new RegExp(
        `^model\\.safetensors: "model\\.norm\\.weight" is stored as ${type}; of a safetensors file F32, F16, BF16 are read$`,
      ),
    ]),
  ]
  for (const [name, config, tensors, code, message] of refused) {
    it(`refuses ${name}`, () => assert.rejects(openTiny(config, tensors), { code, message }))
  }

  it('passes over tables of RoPE, and warns of tensors nobody reads', async () => {
    const tensors = withTensor('model.layers.0.self_attn.rotary_emb.inv_freq', 'F32', 2)
    assert.deepEqual((await openTiny({}, tensors)).warnings, [])
    tensors.set('score.weight', { type: 'I64', shape: [2] })
    const { warnings } = await openTiny({}, tensors)
    assert.deepEqual(warnings, ['model.safetensors: not used (1): ["score.weight"]'])
  })

  it('ties the head to the embedding, whichever of the two is there', async () => {
    const tied = { tie_word_embeddings: true }
    for (const tensors of [tinyTensors(), without('lm_head.weight'), without('model.embed_tokens.weight')]) {
      const opened = await openTiny(tied, tensors)
      assert.ok(opened.config.tiedHead)
      assert.deepEqual(opened.warnings, [])
      assert.equal(opened.tensors[0]?.name, 'model.embed_tokens.weight')
      assert.ok(!opened.tensors.some(tensor => tensor.name === 'lm_head.weight'))
    }
    const tensors = tinyTensors()
    tensors.set('lm_head.weight', { type: 'F32', shape: [10, 8], data: new Uint8Array(320).fill(1) })
    const opened = await openTiny(tied, tensors)
    assert.ok(!opened.config.tiedHead)
    assert.match(opened.warnings.join(), /"tie_word_embeddings" is true, but lm_head\.weight differs/)
  })

  it("names the stored types and takes the largest share's for 'auto'", async () => {
    const tensors = tinyTensors('BF16').set('model.norm.weight', { type: 'F32', shape: [8] })
    const opened = await openTiny({}, tensors)
    assert.equal(opened.autoDType, 'bfloat16')
    assert.equal(opened.storedTypes, 'BF16 + F32')
    assert.equal((await openTiny({}, tinyTensors('F16'))).autoDType, 'float16')
  })
})

describe('Hugging Face checkpoints: golden', () => {
  before(function () {
    if (sharedMissing) skip(this, sharedMissing)
  })

  const opens: [name: string, want: Partial<LlamaConfig>, dtype: Checkpoint['autoDType']][] = [
    ['mha-untied-f32', { heads: 4, kvHeads: 4, headDim: 16, tiedHead: false }, 'float32'],
    [
      'gqa-tied-bf16',
      { heads: 6, kvHeads: 2, tiedHead: true, ropeTheta: 500000, rmsNormEps: 1e-5 },
      'bfloat16',
    ],
    ['headdim-mqa-f16', { heads: 4, kvHeads: 1, headDim: 32, hiddenSize: 64 }, 'float16'],
    ['biases', { qkvBias: true, oBias: true, mlpBias: true, heads: 3 }, 'float32'],
    ['odd-sizes', { hiddenSize: 40, vocabSize: 333, headDim: 8, layers: 3 }, 'float32'],
    ['sharded-bf16', { layers: 4 }, 'bfloat16'],
    ['bin', { layers: 2, tiedHead: false }, 'float16'],
    ['bin-legacy', { layers: 2, tiedHead: false }, 'float32'],
    ['bin-sharded', { layers: 2, tiedHead: false }, 'bfloat16'],
    ['mid-bf16', { hiddenSize: 320, contextLength: 1024 }, 'bfloat16'],
    ['mistral', { architecture: 'MistralForCausalLM', ropeTheta: 1e6, windows: [] }, 'bfloat16'],
    ['mistral-window', { architecture: 'MistralForCausalLM', windows: [24, 24] }, 'bfloat16'],
    ['qwen2', { architecture: 'Qwen2ForCausalLM', qkvBias: true, oBias: false, windows: [] }, 'bfloat16'],
    ['rope-linear', { ropeScaling: { type: 'linear', factor: 4 } }, 'float32'],
    [
      'rope-llama3',
      {
        ropeScaling: {
          type: 'llama3',
          factor: 8,
          lowFreqFactor: 1,
          highFreqFactor: 4,
          originalContextLength: 64,
        },
      },
      'bfloat16',
    ],
    [
      'rope-llama3-v4',
      {
        ropeScaling: {
          type: 'llama3',
          factor: 32,
          lowFreqFactor: 1,
          highFreqFactor: 4,
          originalContextLength: 32,
        },
      },
      'bfloat16',
    ],
    [
      'rope-yarn',
      {
        ropeScaling: {
          type: 'yarn',
          factor: 4,
          originalContextLength: 64,
          betaFast: 32,
          betaSlow: 1,
          attentionFactor: 0.1 * Math.log(4) + 1,
          truncate: true,
        },
      },
      'float32',
    ],
  ]
  for (const [name, want, dtype] of opens) {
    it(`opens ${name}`, async () => {
      const opened = await openCheckpoint(shared('golden', 'hf', name))
      assert.deepEqual({ ...opened.config, ...want }, opened.config)
      assert.equal(opened.autoDType, dtype)
      assert.deepEqual(opened.warnings, [])
      const native = nativeConfig(opened)
      assert.equal(native.ropeFrequencies.length, opened.config.headDim / 2)
      // The sizes add up: the file has exactly the bytes that are needed.
      const { qkvBias, oBias, mlpBias } = opened.config
      const biases = 3 * Number(qkvBias) + Number(oBias) + 3 * Number(mlpBias)
      assert.equal(opened.tensors.length, (9 + biases) * native.layers + (native.tiedHead ? 2 : 3))
    })
  }

  it('says where the bytes are', async () => {
    const { tensors } = await openCheckpoint(shared('golden', 'hf', 'mha-untied-f32'))
    const [norm] = tensors.find(tensor => tensor.name === 'model.norm.weight')!.parts
    const file = readFileSync(norm!.file)
    const header = file.subarray(8, 8 + Number(file.readBigUInt64LE())).toString()
    const [begin] = JSON.parse(header)['model.norm.weight'].data_offsets
    assert.deepEqual(
      [norm!.offset, norm!.bytes, norm!.type, norm!.shape],
      [8 + header.length + begin, 256, 'F32', [64]],
    )
  })
})
