// Configurations of training runs: what counts, and what is said of what is wrong; learning rates of schedules.
import assert from 'node:assert/strict'
import { parseYaml } from '../src/tasks/yaml/yaml-value.ts'
import { learningRateOf, type ScheduleKind, warmupOf } from '../src/training/schedule.ts'
import { checkTrainConfig, type TrainConfig, type TrainSettings } from '../src/training/train-config.ts'
import { type Override, readTrainConfig, trainConfigText } from '../src/training/train-config-file.ts'

const needed =
  'model: ./llama\nmixture: t0\ndata_root: ./data\ntemplates_dir: ./templates\neval_dir: null\nout: ./run\n'

describe('training: configurations', () => {
  const read = (yaml: string, overrides: readonly Override[] = []) =>
    readTrainConfig(parseYaml(needed + yaml, 'run.yaml', 'TRAINING'), overrides)

  const defaults: TrainSettings = {
    ...{ model: './llama', mixture: 't0', dataRoot: './data', templatesDir: './templates', evalDir: null },
    ...{ out: './run', allowMissing: false, mask: 'answer', eos: true, maxLength: 2048, tooLong: 'cut' },
    ...{
      seed: 1,
      validationShare: 0,
      validateEvery: 0,
      validationExamples: 256,
      evalEvery: 0,
      evalSamples: 100,
      evalTasks: [],
      steps: 10,
      epochs: undefined,
    },
    ...{ batch: 16, packTokens: 2048, schedule: 'constant', warmupSteps: undefined, warmupShare: undefined },
    ...{ learningRate: 1e-5, beta1: 0.9, beta2: 0.999, eps: 1e-8, weightDecay: 0, maxNorm: 1 },
    ...{
      saveEvery: 500,
      keep: 2,
      dtype: 'float32',
      device: 'cpu',
      threads: 0,
      keepActivations: 'auto',
      lora: null,
      fromScratch: false,
    },
  }

  const ofLora = {
    ...{ batch: 8, learningRate: 2e-3, schedule: 'linear', warmupShare: 0.05 },
    lora: { rank: 8, alpha: 16, rslora: false, targets: 'all-linear' },
  } as const

  for (const [yaml, expected] of [
    ['steps: 10', {}],
    ['steps: 10\nlearning_rate: 5e-6', { learningRate: 5e-6 }],
    ['epochs: 0.5\nwarmup_share: 0.1', { steps: undefined, epochs: 0.5, warmupShare: 0.1 }],
    ['steps: 10\nmask: release', { mask: 'release', eos: false }],
    ['steps: 10\nmask: release\neos: true', { mask: 'release', eos: true }],
    ['preset: card', { steps: 300_000, learningRate: 5e-6 }],
    ['preset: card\nsteps: 10', { learningRate: 5e-6 }],
    ['preset: card\nepochs: 2', { steps: undefined, epochs: 2, learningRate: 5e-6 }],
    [
      'preset: release\nwarmup_steps: 2\nbatch: 4',
      {
        ...{
          mask: 'release',
          eos: false,
          steps: undefined,
          epochs: 3,
          learningRate: 2e-5,
          schedule: 'cosine',
        },
        ...{ warmupSteps: 2, warmupShare: undefined, batch: 4 },
      },
    ],
    ['steps: 10\nlora: {}', { lora: { rank: 8, alpha: 8, rslora: false, targets: ['q_proj', 'v_proj'] } }],
    [
      'steps: 10\nlora:\n  rank: 4\n  alpha: 0.5\n  rslora: true\n  dropout: 0\n  targets: [down_proj, q_proj, q_proj]',
      { lora: { rank: 4, alpha: 0.5, rslora: true, targets: ['q_proj', 'down_proj'] } },
    ],
    [
      'steps: 10\nlora: { targets: [q_proj, k_proj, v_proj, o_proj, down_proj, up_proj, gate_proj] }',
      { lora: { rank: 8, alpha: 8, rslora: false, targets: 'all-linear' } },
    ],
    ['preset: lora\nsteps: 10', ofLora],
    [
      'preset: lora\nsteps: 10\nlora: { rank: 2 }\nbatch: 4',
      { ...ofLora, batch: 4, lora: { ...ofLora.lora, rank: 2 } },
    ],
    ['preset: lora\nsteps: 10\nlora: null', { ...ofLora, lora: null }],
    [
      'preset: release\nsteps: 10\nmask: answer\nschedule: linear\nwarmup_share: 0',
      {
        ...{ learningRate: 2e-5, schedule: 'linear', warmupShare: 0 },
      },
    ],
  ] as const)
    it(`"${yaml.replaceAll('\n', ', ')}" counts with its defaults, and is what is printed of it`, () => {
      const settings = read(yaml)
      assert.deepEqual(settings, { ...defaults, ...expected })
      assert.deepEqual(readTrainConfig(parseYaml(trainConfigText(settings), 'printed.yaml')), settings)
    })

  it('an override goes before the file', () => {
    const settings = read('steps: 10\nbatch: 2', [
      { name: 'batch', text: '3' },
      { name: 'learning_rate', text: '2e-5' },
      { name: 'eval_dir', text: './eval' },
    ])
    assert.deepEqual(settings, { ...defaults, batch: 3, learningRate: 2e-5, evalDir: './eval' })
    const lora = read('preset: lora\nsteps: 10\nlora: { alpha: 4 }', [
      { name: 'lora.rank', text: '32' },
      { name: 'lora.targets', text: '[o_proj]' },
    ])
    assert.deepEqual(lora, {
      ...{ ...defaults, ...ofLora },
      lora: { rank: 32, alpha: 4, rslora: false, targets: ['o_proj'] },
    })
    assert.equal(read('preset: lora\nsteps: 10', [{ name: 'lora', text: 'null' }]).lora, null)
    assert.equal(read('steps: 10', [{ name: 'lora.rank', text: '3' }]).lora?.rank, 3)
  })

  for (const [yaml, message] of [
    ['steps: 10\nlr: 1', /^run\.yaml:8: unknown key "lr"; there are preset, model, .*learning_rate/],
    ['steps: ten', /^run\.yaml:7: steps is "ten"; expected a whole number from 1 to 2147483647\.$/],
    ['steps: 0', /^run\.yaml:7: steps is 0; expected/],
    ['steps: 1.5', /steps is 1\.5; expected/],
    ['steps:', /^run\.yaml:7: steps is null; expected/],
    ['', /^run\.yaml: no steps and no epochs; expected one of them\.$/],
    ['steps: 1\nepochs: 1', /^run\.yaml:8: steps and epochs are both given; leave one out\.$/],
    ['steps: 1\nwarmup_steps: 1\nwarmup_share: 0.1', /:9: warmup_steps and warmup_share are both given/],
    ['steps: 5\nwarmup_steps: 6', /^run\.yaml:8: warmup_steps is 6, of 5 steps\.$/],
    ['preset: qlora', /^run\.yaml:7: preset is "qlora"; expected one of card, release, lora\.$/],
    ['preset: lora', /^run\.yaml: no steps and no epochs/],
    ['steps: 1\nlora: true', /^run\.yaml:8: lora is true; expected an object such as \{ rank: 8 \}, or null/],
    [
      'steps: 1\nlora: { r: 8 }',
      /^run\.yaml:8: unknown key lora\.r; there are rank, alpha, rslora, targets, dropout\.$/,
    ],
    [
      'steps: 1\nlora: { rank: 0 }',
      /^run\.yaml:8: lora\.rank is 0; expected a whole number from 1 to 65536\.$/,
    ],
    ['steps: 1\nlora: { rank: null }', /lora\.rank is null; expected a whole number/],
    ['steps: 1\nlora: { alpha: -1 }', /lora\.alpha is -1; expected a number above 0/],
    ['steps: 1\nlora: { alpha: .inf }', /lora\.alpha is Infinity; expected a number above 0/],
    ['steps: 1\nlora: { rslora: 1 }', /lora\.rslora is 1; expected true or false/],
    [
      'steps: 1\nlora: { dropout: 0.1 }',
      /lora\.dropout is 0\.1; expected 0, for adapters are trained without dropout/,
    ],
    [
      'steps: 1\nlora: { targets: [] }',
      /lora\.targets is \[\]; expected all-linear, or a list of q_proj, k_proj/,
    ],
    ['steps: 1\nlora: { targets: lm_head }', /lora\.targets is "lm_head"; expected all-linear/],
    ['steps: 1\nlora: { targets: [q_proj, qkv] }', /lora\.targets is \["q_proj","qkv"\]; expected/],
    ['steps: 1\nlora: { toString: 1 }', /unknown key lora\.toString/],
    ['steps: 1\nlearning_rate: .nan', /learning_rate is NaN; expected a number above 0, at most 10/],
    ['steps: 1\nlearning_rate: .inf', /learning_rate is Infinity; expected/],
    ['steps: 1\nlearning_rate: "1"', /learning_rate is "1"; expected/],
    ['steps: 1\nlearning_rate: 0', /learning_rate is 0; expected/],
    ['steps: 1\nbeta1: 1', /beta1 is 1; expected a number from 0 up to 1/],
    ['steps: 1\nschedule: cosinus', /schedule is "cosinus"; expected one of constant, linear, cosine/],
    ['steps: 1\nmask: all', /mask is "all"; expected one of answer, release/],
    ['steps: 1\nmax_length: 4096', /^run\.yaml: pack_tokens is 2048; expected at least 4095, for examples/],
    ['steps: 1\npack_tokens: 100', /^run\.yaml:8: pack_tokens is 100; expected at least 2047/],
    ['steps: 1\nvalidate_every: 5', /^run\.yaml:8: validate_every is 5, but validation_share is 0/],
    ['steps: 1\nvalidation_share: 1', /validation_share is 1; expected a number from 0 up to 1/],
    ['steps: 1\nfrom_scratch: true\nlora: {}', /^run\.yaml:8: from_scratch is true with lora; /],
    ['steps: 1\nfrom_scratch: 1', /from_scratch is 1; expected true or false/],
    ['steps: 1\ndtype: float16', /dtype is "float16"; expected one of float32, bfloat16/],
    [
      'steps: 1\ndevice: gpu',
      /device is "gpu"; expected one of auto, cpu, reference, cuda, cuda:1 and so on/,
    ],
    ['steps: 1\nsteps: 2', /run\.yaml:8: not valid YAML/],
    ['steps: 1\nallow_missing: 1', /allow_missing is 1; expected true or false/],
  ] as const)
    it(`"${yaml.replaceAll('\n', ', ')}" is an error`, () => {
      assert.throws(() => read(yaml), { code: 'TRAINING', message })
    })

  for (const name of ['model', 'mixture', 'data_root', 'templates_dir', 'eval_dir', 'out'])
    it(`none without ${name}`, () => {
      const yaml = `${needed.replace(new RegExp(`^${name}:.*\n`, 'm'), '')}steps: 1`
      assert.throws(() => readTrainConfig(parseYaml(yaml, 'run.yaml', 'TRAINING')), {
        code: 'TRAINING',
        message: new RegExp(`^run\\.yaml: no ${name}; expected a path`),
      })
    })

  it('an override that is wrong is named', () => {
    assert.throws(() => read('steps: 1', [{ name: 'batch', text: 'many' }]), {
      message: /^--set batch=many: batch is "many"; expected a whole number/,
    })
    assert.throws(() => read('steps: 1', [{ name: 'size', text: '1' }]), {
      message: /^--set size=1: unknown key "size"/,
    })
    assert.throws(() => read('steps: 1', [{ name: 'lora.size', text: '1' }]), {
      message: /^--set lora\.size=1: unknown key lora\.size/,
    })
  })

  const config: TrainConfig = {
    ...{ model: './llama', mixture: 't0', dataRoot: './data', templatesDir: './templates', evalDir: null },
    ...{ out: './run', steps: 10 },
  }
  it('as an object have the names of TypeScript', () => {
    assert.deepEqual(checkTrainConfig({ ...config, batch: undefined }), defaults)
    for (const [wrong, message] of [
      [{ learning_rate: 1 }, /^unknown setting "learning_rate"; there are .*learningRate/],
      [{ learningRate: -1 }, /^learningRate is -1; expected a number above 0/],
      [{ evalDir: undefined }, /^no evalDir; expected a path, or null to leave no row out/],
      [{ lora: { dropout: 0.5 } }, /^lora\.dropout is 0\.5; expected 0/],
      [{ maxLength: 2050 }, /^packTokens is 2048; expected at least 2049, for examples of maxLength 2050/],
    ] as const)
      assert.throws(() => checkTrainConfig({ ...config, ...wrong } as TrainConfig), {
        code: 'INVALID_ARGUMENT',
        message,
      })
    for (const wrong of [undefined, null, 'run.yaml', []])
      assert.throws(() => checkTrainConfig(wrong as never), { code: 'INVALID_ARGUMENT' })
  })
})

describe('training: schedules', () => {
  // What transformers 5.24 gives for 10 steps at 2e-5: get_scheduler('constant_with_warmup' | 'linear' | 'cosine').
  const rows: [ScheduleKind, number, number[]][] = [
    ['constant', 0, [2e-5, 2e-5, 2e-5, 2e-5, 2e-5, 2e-5, 2e-5, 2e-5, 2e-5, 2e-5]],
    [
      'constant',
      3,
      [0.0, 6.666666666666667e-6, 1.3333333333333333e-5, 2e-5, 2e-5, 2e-5, 2e-5, 2e-5, 2e-5, 2e-5],
    ],
    [
      'constant',
      10,
      [
        0.0, 2.0000000000000003e-6, 4.000000000000001e-6, 6e-6, 8.000000000000001e-6, 1e-5, 1.2e-5, 1.4e-5,
        1.6000000000000003e-5, 1.8e-5,
      ],
    ],
    [
      'linear',
      0,
      [
        2e-5, 1.8e-5, 1.6000000000000003e-5, 1.4e-5, 1.2e-5, 1e-5, 8.000000000000001e-6, 6e-6,
        4.000000000000001e-6, 2.0000000000000003e-6,
      ],
    ],
    [
      'linear',
      3,
      [
        0.0, 6.666666666666667e-6, 1.3333333333333333e-5, 2e-5, 1.7142857142857142e-5, 1.4285714285714287e-5,
        1.1428571428571429e-5, 8.571428571428571e-6, 5.7142857142857145e-6, 2.8571428571428573e-6,
      ],
    ],
    [
      'linear',
      10,
      [
        0.0, 2.0000000000000003e-6, 4.000000000000001e-6, 6e-6, 8.000000000000001e-6, 1e-5, 1.2e-5, 1.4e-5,
        1.6000000000000003e-5, 1.8e-5,
      ],
    ],
    [
      'cosine',
      0,
      [
        2e-5, 1.9510565162951538e-5, 1.8090169943749477e-5, 1.5877852522924733e-5, 1.3090169943749475e-5,
        1e-5, 6.909830056250527e-6, 4.12214747707527e-6, 1.9098300562505266e-6, 4.894348370484648e-7,
      ],
    ],
    [
      'cosine',
      3,
      [
        0.0, 6.666666666666667e-6, 1.3333333333333333e-5, 2e-5, 1.900968867902419e-5, 1.6234898018587336e-5,
        1.2225209339563144e-5, 7.774790660436857e-6, 3.7651019814126656e-6, 9.903113209758098e-7,
      ],
    ],
    [
      'cosine',
      10,
      [
        0.0, 2.0000000000000003e-6, 4.000000000000001e-6, 6e-6, 8.000000000000001e-6, 1e-5, 1.2e-5, 1.4e-5,
        1.6000000000000003e-5, 1.8e-5,
      ],
    ],
  ]
  for (const [kind, warmup, expected] of rows)
    it(`${kind} with a warm-up of ${warmup} steps has the learning rates of transformers`, () => {
      const rates = expected.map((_, i) =>
        learningRateOf(i + 1, { kind, learningRate: 2e-5, warmup, steps: 10 }),
      )
      for (const [i, rate] of rates.entries())
        assert.ok(
          Math.abs(rate - expected[i]!) <= 1e-12 * 2e-5,
          `step ${i + 1}: ${rate}, want ${expected[i]}`,
        )
    })

  // TrainingArguments.get_warmup_steps() of transformers: warmup_steps, else ceil(num_training_steps * warmup_ratio).
  for (const [steps, warmupSteps, warmupShare, expected] of [
    [100, undefined, undefined, 0],
    [100, undefined, 0.03, 3],
    [101, undefined, 0.03, 4],
    [100, 7, undefined, 7],
    [100, 0, undefined, 0],
    [3, undefined, 1, 3],
  ] as const)
    it(`of ${steps} steps, ${warmupSteps ?? `a share of ${warmupShare}`} warm up: ${expected}`, () => {
      assert.equal(warmupOf(steps, { warmupSteps, warmupShare }), expected)
    })
})
