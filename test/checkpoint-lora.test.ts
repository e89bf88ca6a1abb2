// LoRA adapters: which modules they are on, of which rank and scale, as PEFT has it; and what is refused.
// golden-hf.test.ts holds merged adapters to PEFT's logits.
import assert from 'node:assert/strict'
import { join } from 'node:path'
import type { Checkpoint } from '../src/checkpoint/checkpoint.ts'
import { parseLoraConfig } from '../src/checkpoint/lora/lora-config.ts'
import { openCheckpoint } from '../src/checkpoint/open.ts'
import type { ErrorCode } from '../src/errors.ts'
import {
  type FileTensor,
  safetensorsBytes,
  tinyConfig,
  tinyTensors,
  withFolder,
  writeFiles,
} from './checkpoint-files.ts'

const own = { peft_type: 'LORA', r: 4, lora_alpha: 8, target_modules: ['q_proj', 'v_proj'] }
const parse = (change: object) => parseLoraConfig({ ...own, ...change }, 'adapter_config.json')
const q = (layer: number) => `model.layers.${layer}.self_attn.q_proj`

describe('adapter_config.json', () => {
  // By check_target_module_exists of peft 0.21.
  const targets: [what: string, change: object, on: string[], off: string[]][] = [
    [
      'ends of names',
      {},
      [q(0), q(11)],
      ['model.layers.0.self_attn.k_proj', 'model.layers.0.self_attn.xq_proj'],
    ],
    ['whole names', { target_modules: [q(1)] }, [q(1)], [q(0), q(11)]],
    [
      'several parts',
      { target_modules: ['self_attn.q_proj'] },
      [q(0)],
      ['model.layers.0.mlp.q_proj', 'q_proj'],
    ],
    [
      'a pattern, of the whole name',
      { target_modules: '.*\\.(q|k)_proj' },
      [q(3)],
      ['model.layers.0.mlp.up_proj'],
    ],
    ['a pattern that fits a part only', { target_modules: 'q_proj' }, ['q_proj'], [q(0)]],
    [
      'all linear layers',
      { target_modules: 'all-linear' },
      [q(0), 'model.layers.0.mlp.up_proj'],
      ['lm_head'],
    ],
    ['a layer', { layers_to_transform: 1 }, [q(1)], [q(0), q(11)]],
    ['layers', { layers_to_transform: [0, 11], layers_pattern: 'layers' }, [q(0), q(11)], [q(1)]],
    ['what is excluded', { exclude_modules: [q(2)] }, [q(1)], [q(2)]],
    ['what a pattern excludes', { exclude_modules: '.*\\.2\\..*' }, [q(1), q(12)], [q(2)]],
  ]
  for (const [what, change, on, off] of targets)
    it(`target modules: ${what}`, () => {
      const config = parse(change)
      assert.deepEqual(
        on.filter(module => !config.targets(module)),
        [],
      )
      assert.deepEqual(
        off.filter(module => config.targets(module)),
        [],
      )
    })

  const sizes: [what: string, change: object, rank: number, scale: number][] = [
    ['alpha / r', {}, 4, 2],
    ['alpha / sqrt(r), stabilised', { use_rslora: true }, 4, 4],
    ['a rank of its own', { rank_pattern: { q_proj: 16 } }, 16, 0.5],
    ['a scale of its own', { alpha_pattern: { 'self_attn.q_proj': 1 } }, 4, 0.25],
    ['patterns of other modules', { rank_pattern: { k_proj: 16 }, alpha_pattern: { proj: 5 } }, 4, 2],
    ['a pattern with a layer', { rank_pattern: { 'layers\\.[0-3]\\..*q_proj': 2 } }, 2, 4],
    ['the first key that fits', { alpha_pattern: { q_proj: 4, '.*q_proj': 12 } }, 4, 1],
    ['no alpha, which is 8', { lora_alpha: undefined }, 4, 2],
  ]
  for (const [what, change, rank, scale] of sizes)
    it(`size: ${what}`, () => assert.deepEqual(parse(change).sizeOf(q(0)), { rank, scale }))

  const refused: [what: string, change: object, code: ErrorCode, message: RegExp][] = [
    ['DoRA', { use_dora: true }, 'CHECKPOINT_UNSUPPORTED', /"use_dora" is true/],
    ['another kind', { peft_type: 'IA3' }, 'CHECKPOINT_UNSUPPORTED', /"peft_type" is "IA3"/],
    ['PiSSA', { init_lora_weights: 'pissa' }, 'CHECKPOINT_UNSUPPORTED', /"init_lora_weights" is "pissa"/],
    ['weights the other way round', { fan_in_fan_out: true }, 'CHECKPOINT_UNSUPPORTED', /fan_in_fan_out/],
    ['biases of the product', { lora_bias: true }, 'CHECKPOINT_UNSUPPORTED', /lora_bias/],
    ['layers copied', { layer_replication: [[0, 2]] }, 'CHECKPOINT_UNSUPPORTED', /layer_replication/],
    ['no rank', { r: 0 }, 'CHECKPOINT_CORRUPT', /"r" is 0; expected a whole number from 1/],
    [
      'no targets',
      { target_modules: null },
      'CHECKPOINT_CORRUPT',
      /"target_modules" is null; expected a text or a list/,
    ],
    ['a pattern that is none', { target_modules: '(' }, 'CHECKPOINT_UNSUPPORTED', /\( is no pattern/],
    ['a rank that is none', { rank_pattern: { q_proj: -1 } }, 'CHECKPOINT_CORRUPT', /rank_pattern/],
  ]
  for (const [what, change, code, message] of refused)
    it(`refuses ${what}`, () => assert.throws(() => parse(change), { code, message }))

  it('refuses a pattern that takes for ever', () => {
    const config = parse({ target_modules: '((a|l|\\.|_|[a-z0-9])+)+!' })
    assert.throws(() => config.targets(`${'model.layers.0.self_attn'.repeat(2)}.q_proj`), {
      code: 'CHECKPOINT_UNSUPPORTED',
      message: /target_modules" takes too long/,
    })
  })
})

/** Opens the tiny LLaMA with adapters of these tensors. */
function open(
  tensors: Record<string, number[]>,
  config: object = {},
  base: { config?: object; drop?: string } = {},
): Promise<Checkpoint> {
  return withFolder(async dir => {
    const file = (shapes: Record<string, number[]>) =>
      safetensorsBytes(
        new Map(
          Object.entries(shapes).map(([name, shape]): [string, FileTensor] => [name, { type: 'F32', shape }]),
        ),
      )
    const weights = new Map([...tinyTensors()].filter(([name]) => name !== base.drop))
    writeFiles(dir, {
      'base/config.json': { ...tinyConfig, ...base.config },
      'base/model.safetensors': safetensorsBytes(weights),
      'adapter/adapter_config.json': { ...own, r: 2, ...config },
      'adapter/adapter_model.safetensors': file(tensors),
    })
    return openCheckpoint(join(dir, 'base'), { adapters: [join(dir, 'adapter')] })
  })
}

describe('adapters', () => {
  const module = 'base_model.model.model.layers.0.self_attn.q_proj'
  const product = { [`${module}.lora_A.weight`]: [2, 8], [`${module}.lora_B.weight`]: [8, 2] }
  const head = 'base_model.model.lm_head.weight'
  const embedding = 'base_model.model.model.embed_tokens.weight'
  const tied = { config: { tie_word_embeddings: true }, drop: 'lm_head.weight' }
  const find = ({ tensors }: Checkpoint, name: string) => tensors.find(tensor => tensor.name === name)!

  it('are put on the tensors that they are of', async () => {
    const model = await open(product)
    const changed = model.tensors.filter(({ adapters }) => adapters)
    assert.deepEqual(
      changed.map(({ name }) => name),
      [`${q(0)}.weight`],
    )
    assert.deepEqual(
      changed[0]!.adapters!.map(({ a, b, scale }) => [a.shape, b.shape, scale]),
      [[[2, 8], [8, 2], 4]],
    )
    assert.deepEqual(model.warnings, [])
  })

  it('not named by target_modules are left out with a warning, as in PEFT', async () => {
    const model = await open(product, { target_modules: ['v_proj'] })
    assert.ok(!find(model, `${q(0)}.weight`).adapters)
    assert.match(model.warnings[0]!, /holds an adapter of model\.layers\.0\.self_attn\.q_proj, which/)
  })

  it('replace what they save whole', async () => {
    const model = await open({ ...product, [head]: [10, 8] }, { modules_to_save: ['lm_head'] })
    assert.match(find(model, 'lm_head.weight').parts[0]!.file, /adapter_model\.safetensors$/)
  })

  it('with a head of their own untie it from the embedding', async () => {
    const model = await open({ ...product, [head]: [10, 8] }, { modules_to_save: ['lm_head'] }, tied)
    assert.equal(model.config.tiedHead, false)
    assert.match(find(model, 'lm_head.weight').parts[0]!.file, /adapter_model/)
    assert.match(find(model, 'model.embed_tokens.weight').parts[0]!.file, /base/)
  })

  it('may save a vocabulary that has grown', async () => {
    const model = await open(
      { [head]: [13, 8], [embedding]: [13, 8] },
      { modules_to_save: ['lm_head', 'embed_tokens'] },
    )
    assert.equal(model.config.vocabSize, 13)
    assert.deepEqual(find(model, 'model.embed_tokens.weight').shape, [13, 8])
  })

  const refused: [what: string, call: () => Promise<Checkpoint>, code: ErrorCode, message: RegExp][] = [
    [
      'of another shape',
      () => open({ ...product, [`${module}.lora_A.weight`]: [2, 9] }),
      'CHECKPOINT_MISMATCH',
      /is \[8, ?2\] times \[2, ?9\]; of rank 2 on \[8, ?8\] in .*base, it is \[8, 2\] times \[2, 8\]/,
    ],
    ['of another rank', () => open(product, { r: 3 }), 'CHECKPOINT_MISMATCH', /of rank 3/],
    [
      'of layers that are not there',
      () => open(Object.fromEntries(Object.entries(product).map(([k, v]) => [k.replace('.0.', '.7.'), v]))),
      'CHECKPOINT_MISMATCH',
      /no "model\.layers\.7\.self_attn\.q_proj" in .*base/,
    ],
    ['cut in half', () => open({ [`${module}.lora_A.weight`]: [2, 8] }), 'CHECKPOINT_CORRUPT', /only lora_A/],
    [
      'on the embedding',
      () => open({ 'base_model.model.model.embed_tokens.lora_embedding_A': [2, 10] }),
      'CHECKPOINT_UNSUPPORTED',
      /lora_embedding_A/,
    ],
    [
      'of other names',
      () => open({ 'model.q.weight': [2, 8] }),
      'CHECKPOINT_CORRUPT',
      /does not begin with base_model/,
    ],
    [
      'without what they say they save',
      () => open(product, { modules_to_save: ['lm_head'] }),
      'CHECKPOINT_CORRUPT',
      /no tensor of "lm_head"/,
    ],
    [
      'that save the embedding of a tied head alone',
      () => open({ [embedding]: [10, 8] }, { modules_to_save: ['embed_tokens'] }, tied),
      'CHECKPOINT_UNSUPPORTED',
      /no lm_head/,
    ],
    [
      'that save half of a vocabulary',
      () => open({ [head]: [13, 8] }, { modules_to_save: ['lm_head'] }),
      'CHECKPOINT_MISMATCH',
      /13 rows, but not "model\.embed_tokens\.weight"/,
    ],
    [
      'that are no folder',
      () => withFolder(async dir => openCheckpoint(dir, { adapters: [join(dir, 'none')] })),
      'CHECKPOINT_NOT_FOUND',
      /./,
    ],
  ]
  for (const [what, call, code, message] of refused)
    it(`${what} are refused`, () => assert.rejects(call, { code, message }))
})
