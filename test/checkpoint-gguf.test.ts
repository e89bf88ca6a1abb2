// Tests GGUF files: what is read of them, and files that lie.
import assert from 'node:assert/strict'
import { copyFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Checkpoint, LlamaConfig } from '../src/checkpoint/checkpoint.ts'
import { readGguf } from '../src/checkpoint/gguf/gguf.ts'
import { ggmlName } from '../src/checkpoint/gguf/gguf-llama.ts'
import { openCheckpoint } from '../src/checkpoint/open.ts'
import type { ErrorCode } from '../src/errors.ts'
import { loadModel } from '../src/index.ts'
import {
  type FileTensor,
  type GgufValue,
  ggufBytes,
  tinyMetadata,
  tinyTensors,
  u32,
  u64,
  withFolder,
  writeFiles,
} from './checkpoint-files.ts'
import { shared, sharedMissing } from './shared.ts'
import { skip } from './skip.ts'

const metadata: Record<string, GgufValue> = {
  ...tinyMetadata,
  'llama.attention.layer_norm_rms_epsilon': 0.5 ** 20,
  'tokenizer.ggml.model': 'llama',
  'tokenizer.ggml.tokens': Array.from({ length: 10 }, (_, i) => `token ${i}`),
  'tokenizer.ggml.scores': new Float32Array(10),
  'tokenizer.ggml.token_type': new Int32Array(10).fill(1),
  'tokenizer.ggml.bos_token_id': 1,
  'tokenizer.ggml.eos_token_id': 2,
}

/** The tiny LLaMA under ggml's names. */
function tensors(...changes: [name: string, tensor: FileTensor | undefined][]): Map<string, FileTensor> {
  const all = new Map([...tinyTensors()].map(([name, tensor]) => [ggmlName(name), tensor]))
  for (const [name, tensor] of changes) {
    if (tensor === undefined) all.delete(name)
    else all.set(name, tensor)
  }
  return all
}

/** Opens a file of the tiny LLaMA with more metadata, or other tensors. */
function openTiny(more: Record<string, GgufValue> = {}, stored = tensors()): Promise<Checkpoint> {
  return openBytes(ggufBytes({ ...metadata, ...more }, stored))
}

function openBytes(bytes: Uint8Array): Promise<Checkpoint> {
  return withFolder(async dir => {
    writeFiles(dir, { 'x.gguf': bytes })
    return openCheckpoint(join(dir, 'x.gguf'))
  })
}

/** Rows of what ends a generation by llama.cpp's rules: texts by id, keys, and the ids that end. */
const ends: [name: string, tokens: Record<number, string>, keys: Record<string, number>, want: number[]][] = [
  ['an end of turn known by its text', { 7: '<|eot_id|>' }, {}, [2, 7]],
  [
    'ends of turns of many families',
    { 3: '<end_of_turn>', 5: '<|im_end|>', 9: '<|eom_id|>' },
    {},
    [2, 3, 5, 9],
  ],
  ['an end that is known both ways once', { 2: '<|end_of_text|>' }, { eot: 2 }, [2]],
  ['a text that only looks alike', { 4: '<|im_end|> ', 5: '<|IM_END|>', 6: '<|im_start|>' }, {}, [2]],
  [
    'the ends of messages and of filling in',
    {},
    { eom: 4, fim_pad: 5, fim_rep: 6, fim_sep: 7 },
    [2, 4, 5, 6, 7],
  ],
  [
    'texts of filling in where the keys are absent',
    { 4: '<PAD>', 6: '<|fim_pad|>' },
    { fim_rep: 8 },
    [2, 8, 4],
  ],
  ['<|end|>', { 4: '<|end|>', 5: '<|return|>' }, {}, [2, 4, 5]],
  [
    'no <|end|> where <|return|> and <|call|> end',
    { 4: '<|end|>', 5: '<|return|>', 6: '<|call|>' },
    {},
    [2, 5, 6],
  ],
  [
    'no <|end|> where <|flush|> and <|calls|> end',
    { 4: '<|end|>', 5: '<|flush|>', 6: '<|calls|>' },
    {},
    [2, 5, 6],
  ],
  ['</s> beside another end', { 4: '</s>' }, {}, [2, 4]],
  ['no </s> where <|tool_response> ends', { 4: '</s>', 5: '<|tool_response>' }, {}, [2, 5]],
]

describe('GGUF checkpoints', () => {
  const accepted: [name: string, metadata: Record<string, GgufValue>, want: Partial<LlamaConfig>][] = [
    [
      'defaults',
      {},
      { vocabSize: 10, kvHeads: 2, headDim: 4, ropeTheta: 10000, ropeScaling: { type: 'default' } },
    ],
    ['special tokens', { 'tokenizer.ggml.eot_token_id': 5 }, { bosTokenId: 1, eosTokenIds: [2, 5] }],
    ...ends.map(([name, tokens, keys, eosTokenIds]): (typeof accepted)[number] => [
      name,
      {
        'tokenizer.ggml.tokens': Array.from({ length: 10 }, (_, id) => tokens[id] ?? `token ${id}`),
        ...Object.fromEntries(
          Object.entries(keys).map(([key, id]) => [`tokenizer.ggml.${key}_token_id`, id]),
        ),
      },
      { eosTokenIds },
    ]),
    ['the vocabulary size', { 'llama.vocab_size': 10 }, { vocabSize: 10 }],
    ['rotation of whole heads', { 'llama.rope.dimension_count': 4 }, { headDim: 4 }],
    [
      'linear scaling',
      { 'llama.rope.scaling.type': 'linear', 'llama.rope.scaling.factor': 4 },
      { ropeScaling: { type: 'linear', factor: 4 } },
    ],
    [
      'linear scaling without a type',
      { 'llama.rope.scaling.factor': 2.5 },
      { ropeScaling: { type: 'linear', factor: 2.5 } },
    ],
    [
      'the old key of linear scaling',
      { 'llama.rope.scale_linear': 2 },
      { ropeScaling: { type: 'linear', factor: 2 } },
    ],
    [
      'no scaling',
      { 'llama.rope.scaling.type': 'none', 'llama.rope.scaling.factor': 4 },
      { ropeScaling: { type: 'default' } },
    ],
    [
      'yarn',
      {
        'llama.rope.scaling.type': 'yarn',
        'llama.rope.scaling.factor': 4,
        'llama.rope.scaling.attn_factor': 0.5,
        'llama.rope.scaling.original_context_length': 8,
      },
      {
        ropeScaling: {
          type: 'yarn',
          factor: 4,
          originalContextLength: 8,
          betaFast: 32,
          betaSlow: 1,
          attentionFactor: 0.5 * (0.1 * Math.log(4) + 1),
          truncate: true,
        },
      },
    ],
    ['another alignment', { 'general.alignment': 64 }, { hiddenSize: 8 }],
    ['one split', { 'split.count': 1 }, {}],
    ['no experts', { 'llama.expert_count': 0 }, {}],
  ]
  for (const [name, more, want] of accepted) {
    it(`takes ${name}`, async () => {
      const opened = await openTiny(more)
      assert.deepEqual({ ...opened.config, ...want }, opened.config)
      assert.deepEqual(opened.warnings, [])
    })
  }

  const refused: [name: string, metadata: Record<string, GgufValue>, code: ErrorCode, message: RegExp][] = [
    [
      'another architecture',
      { 'general.architecture': 'gemma2' },
      'CHECKPOINT_UNSUPPORTED',
      /x\.gguf: "general\.architecture" is "gemma2"; llama, qwen2 and qwen3 run/,
    ],
    ['experts', { 'llama.expert_count': 8 }, 'CHECKPOINT_UNSUPPORTED', /"llama\.expert_count" is 8/],
    [
      'partial rotation',
      { 'llama.rope.dimension_count': 2 },
      'CHECKPOINT_UNSUPPORTED',
      /"llama\.rope\.dimension_count" is 2; only the size of a head, 4/,
    ],
    [
      'values of another size',
      { 'llama.attention.value_length': 8 },
      'CHECKPOINT_UNSUPPORTED',
      /"llama\.attention\.value_length" is 8/,
    ],
    [
      'longrope',
      { 'llama.rope.scaling.type': 'longrope' },
      'CHECKPOINT_UNSUPPORTED',
      /"llama\.rope\.scaling\.type" is "longrope"/,
    ],
    [
      'no epsilon',
      { 'llama.attention.layer_norm_rms_epsilon': 'none' },
      'CHECKPOINT_CORRUPT',
      /layer_norm_rms_epsilon" is "none"; expected a number/,
    ],
    [
      'a head count for each layer',
      { 'llama.attention.head_count': Int32Array.of(2) },
      'CHECKPOINT_CORRUPT',
      /"llama\.attention\.head_count" is .*expected a whole number/,
    ],
    [
      'another vocabulary size',
      { 'llama.vocab_size': 12 },
      'TENSOR_SHAPE',
      /"token_embd\.weight" is \[10, 8\]; its metadata \(llama\.vocab_size, llama\.embedding_length\) asks for \[12, 8\]/,
    ],
    [
      'more layers than there are',
      { 'llama.block_count': 2 },
      'TENSOR_MISSING',
      /x\.gguf: no tensor "blk\.1\.attn_norm\.weight", which its metadata \(llama\.block_count = 2\)/,
    ],
    [
      'an alignment of 3',
      { 'general.alignment': { raw: Buffer.concat([u32(4), u32(3)]) } },
      'CHECKPOINT_CORRUPT',
      /"general\.alignment" is 3; expected a power of two/,
    ],
    [
      'a huge array',
      { a: { raw: Buffer.concat([u32(9), u32(6), u64(2n ** 62n)]) } },
      'CHECKPOINT_CORRUPT',
      /declares 4611686018427387904 elements of "a"/,
    ],
    [
      'a nest of arrays',
      { a: { raw: Buffer.concat([u32(9), ...Array(9).fill(Buffer.concat([u32(9), u64(1)]))]) } },
      'CHECKPOINT_CORRUPT',
      /"a" is an array of arrays; expected one of numbers or strings/,
    ],
    ['an unknown value type', { a: { raw: u32(13) } }, 'CHECKPOINT_CORRUPT', /"a" has the value type 13/],
  ]
  for (const [name, more, code, message] of refused) {
    it(`refuses ${name}`, () => assert.rejects(openTiny(more), { code, message }))
  }

  const badTensors: [name: string, stored: Map<string, FileTensor>, code: ErrorCode, message: RegExp][] = [
    [
      'a missing norm',
      tensors(['output_norm.weight', undefined]),
      'TENSOR_MISSING',
      /no tensor "output_norm\.weight"/,
    ],
    ...['IQ2_XXS', 'IQ1_S', 'IQ3_S', 'TQ1_0', 'MXFP4', 'NVFP4', 'Q8_1', 'Q8_K', 'F64', 'I32'].map(
      (type): (typeof badTensors)[number] => [
        `${type}, which is not read`,
        tensors(['blk.0.ffn_up.weight', { type, shape: [12, 256] }]),
        'CHECKPOINT_UNSUPPORTED',
        new RegExp(
          `^x\\.gguf: "blk\\.0\\.ffn_up\\.weight" is stored as ${type}; of a GGUF file F32, F16, BF16, Q8_0, Q4_0, Q4_1, ` +
            'Q5_0, Q5_1, Q2_K, Q3_K, Q4_K, Q5_K, Q6_K, IQ4_NL, IQ4_XS are read$',
        ),
      ],
    ),
    [
      'rows that are no whole blocks',
      tensors(['blk.0.ffn_up.weight', { type: 'Q8_0', shape: [12, 8] }]),
      'CHECKPOINT_CORRUPT',
      /"blk\.0\.ffn_up\.weight" has rows of 8 elements; Q8_0 packs 32/,
    ],
    [
      'factors of another length',
      tensors(['rope_freqs.weight', { type: 'F32', shape: [4] }]),
      'TENSOR_SHAPE',
      /"rope_freqs\.weight" is F32 \[4\]; half a head asks for F32 \[2\]/,
    ],
    [
      'factors of 0',
      tensors(['rope_freqs.weight', { type: 'F32', shape: [2] }]),
      'CHECKPOINT_CORRUPT',
      /"rope_freqs\.weight" holds 0; expected numbers above 0/,
    ],
  ]
  for (const [name, stored, code, message] of badTensors) {
    it(`refuses ${name}`, () => assert.rejects(openTiny({}, stored), { code, message }))
  }

  it('refuses factors together with another scaling', () =>
    assert.rejects(
      openTiny({ 'llama.rope.scale_linear': 2 }, tensors(['rope_freqs.weight', { type: 'F32', shape: [2] }])),
      {
        code: 'CHECKPOINT_UNSUPPORTED',
        message: /"rope_freqs\.weight" comes with linear scaling/,
      },
    ))

  it('refuses every cut of a file', async () => {
    const whole = ggufBytes(metadata, tensors())
    await openBytes(whole)
    // The file is cut at a third of the places in the header, and at some in the data.
    for (let length = 0; length < whole.length; length += length < 1400 ? 3 : 100) {
      await assert.rejects(openBytes(whole.subarray(0, length)), {
        code: 'CHECKPOINT_CORRUPT',
        message: /^x\.gguf: /,
      })
    }
  })

  it('reads a header longer than the first read', async () => {
    const tokens = Array.from({ length: 10 }, (_, i) => `${i}`.repeat(500_000))
    const { tokenizer } = await openTiny({ 'tokenizer.ggml.tokens': tokens })
    assert.ok(tokenizer?.kind === 'gguf')
    assert.deepEqual(tokenizer.metadata.get('tokens'), tokens)
  })

  it('hands the tokenizer its metadata without the prefix, and the chat template', async () => {
    const opened = await openTiny({
      'tokenizer.chat_template': 'template',
      'tokenizer.ggml.add_bos_token': true,
    })
    assert.ok(opened.tokenizer?.kind === 'gguf')
    assert.equal(opened.chatTemplate, 'template')
    assert.equal(opened.tokenizer.metadata.get('add_bos_token'), true)
    assert.deepEqual(opened.tokenizer.metadata.get('scores'), new Float32Array(10))
    assert.ok(!opened.tokenizer.metadata.has('chat_template'))
  })

  it('flags the permuted rows of q and k, ties a missing head, and warns of tensors nobody reads', async () => {
    const bias = (n: number): FileTensor => ({ type: 'F32', shape: [n] })
    const opened = await openTiny(
      {},
      tensors(
        ['output.weight', undefined],
        ['blk.0.attn_q.bias', bias(8)],
        ['blk.0.attn_k.bias', bias(8)],
        ['blk.0.attn_v.bias', bias(8)],
        ['blk.0.attn_output.bias', bias(8)],
        ['blk.0.extra.weight', bias(8)],
      ),
    )
    const flagged = opened.tensors
      .filter(tensor => tensor.parts[0]!.ropeInterleaved)
      .map(tensor => tensor.name)
    const parts = ['q_proj.weight', 'k_proj.weight', 'q_proj.bias', 'k_proj.bias']
    assert.deepEqual(
      flagged,
      parts.map(part => `model.layers.0.self_attn.${part}`),
    )
    assert.ok(opened.config.tiedHead)
    assert.ok(opened.config.qkvBias)
    assert.ok(opened.config.oBias)
    assert.deepEqual(opened.warnings, ['x.gguf: not used (1): ["blk.0.extra.weight"]'])
  })

  it('is found as the only one in a folder without config.json', () =>
    withFolder(async dir => {
      writeFiles(dir, { 'only.gguf': ggufBytes(metadata, tensors()), 'README.md': '' })
      const opened = await openCheckpoint(dir)
      assert.equal(opened.format, 'gguf')
      assert.equal(opened.path, dir)
    }))
})

describe('GGUF checkpoints: golden', () => {
  before(function () {
    if (sharedMissing) skip(this, sharedMissing)
  })

  it('opens gguf-f32', async () => {
    const { config, autoDType } = await openCheckpoint(shared('golden', 'hf', 'gguf-f32', 'model.gguf'))
    assert.deepEqual([config.heads, config.kvHeads, config.headDim, config.tiedHead], [4, 2, 16, false])
    assert.equal(autoDType, 'float32')
  })

  it('opens gguf-rope-freqs', async () => {
    const { config, storedTypes } = await openCheckpoint(
      shared('golden', 'hf', 'gguf-rope-freqs', 'model.gguf'),
    )
    assert.ok(config.ropeScaling.type === 'factors')
    assert.equal(config.ropeScaling.factors.length, 16)
    assert.equal(config.headDim, 32)
    assert.equal(storedTypes, 'F16 + F32')
  })

  it('opens SmolLM2', async () => {
    const opened = await openCheckpoint(shared('models', 'smollm2-135m', 'model-q4_1.gguf'))
    assert.deepEqual([opened.config.layers, opened.config.kvHeads, opened.config.tiedHead], [30, 3, true])
    assert.equal(opened.autoDType, 'bfloat16')
    assert.equal(opened.storedTypes, 'Q4_1 + Q8_0 + F32')
    assert.equal(opened.tensors.length, 272)
    assert.match(opened.chatTemplate ?? '', /<\|im_start\|>/)
    assert.deepEqual(opened.warnings, [])
  })

  it('opens gguf-mixed', async () => {
    const { config, autoDType, storedTypes } = await openCheckpoint(shared('golden', 'hf', 'gguf-mixed'))
    assert.ok(config.tiedHead)
    assert.equal(autoDType, 'bfloat16')
    assert.deepEqual(storedTypes.split(' + ').sort(), [
      'BF16',
      'F16',
      'F32',
      'Q4_0',
      'Q4_1',
      'Q5_0',
      'Q5_1',
      'Q8_0',
    ])
  })
})

describe('GGUF checkpoints: generation', () => {
  it('ends at an end of turn that is known by its text alone', async function () {
    if (sharedMissing) skip(this, sharedMissing)
    await using model = await loadModel(shared('cases', 'gguf-eot-by-text', 'model.gguf'), {
      dtype: 'float32',
    })
    const [text] = await model.generate([[314, 268, 306]], { maxTokens: 4 })
    assert.deepEqual(
      { tokens: [...text!.tokens], finishReason: text!.finishReason },
      { tokens: [139], finishReason: 'stop' },
    )
  })
})

describe('hostile GGUF', () => {
  before(function () {
    if (sharedMissing) skip(this, sharedMissing)
  })

  const rows: [name: string, code: ErrorCode, message: RegExp][] = [
    ['big-endian', 'CHECKPOINT_UNSUPPORTED', /: big-endian/],
    ['header-only', 'CHECKPOINT_CORRUPT', /: declares 21 tensors; its 24 bytes have room for 0/],
    ['huge-kv-count', 'CHECKPOINT_CORRUPT', /: declares 2305843009213693952 metadata entries/],
    [
      'huge-string',
      'CHECKPOINT_CORRUPT',
      /: the key of metadata entry 1 of 20 takes 1152921504606846976 bytes/,
    ],
    ['huge-tensor-count', 'CHECKPOINT_CORRUPT', /: declares 4611686018427387904 tensors/],
    ['truncated', 'CHECKPOINT_CORRUPT', /: "blk\.0\.ffn_down\.weight" .*the whole file has 271440/],
    ['version-99', 'CHECKPOINT_UNSUPPORTED', /: GGUF version 99; versions 2 and 3 are read/],
  ]
  for (const [name, code, message] of rows) {
    const file = () => shared('golden', 'hostile', `${name}.gguf`)
    it(`${name} alone`, async () => {
      await assert.rejects(readGguf(file()), { code, message })
      await assert.rejects(openCheckpoint(file()), { message: new RegExp(`^${name}\\.gguf`) })
    })

    it(`${name} in a folder`, () =>
      withFolder(async dir => {
        copyFileSync(file(), join(dir, 'model.gguf'))
        await assert.rejects(openCheckpoint(dir), {
          code,
          message: new RegExp(`^model\\.gguf${message.source}`),
        })
      }))
  }
})
