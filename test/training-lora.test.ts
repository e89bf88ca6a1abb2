// LoRA runs: what PEFT makes of the same steps, the files that PEFT reads, first weights, and what is refused.
import assert from 'node:assert/strict'
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { convert } from '../src/checkpoint/convert/convert.ts'
import { fileBytes } from '../src/checkpoint/convert/tensor-file.ts'
import { ggmlName } from '../src/checkpoint/gguf/gguf-llama.ts'
import { openCheckpoint, type TrainConfig, train, trainStream } from '../src/index.ts'
import { newControl } from '../src/native/job.ts'
import { loadTrained } from '../src/training/open-run.ts'
import { readerOf } from '../src/training/train-checkpoint.ts'
import { checkTrainConfig } from '../src/training/train-config.ts'
import { trainTarget } from '../src/training/train-target.ts'
import { withFolder } from './checkpoint-files.ts'
import { tinyGguf } from './convert-files.ts'
import {
  firstTolerance,
  goldenPack,
  near,
  stepOf,
  tensor,
  thirdTolerance,
  updatedAs,
} from './golden-training.ts'
import { safetensorsArrays } from './safetensors-arrays.ts'
import { shared, sharedMissing } from './shared.ts'
import { skip } from './skip.ts'
import { defaultModel, randomTinyTensors } from './tiny-model.ts'
import { bytesOf, figuresOf, sameBytes, trainingRun } from './training-run.ts'

const lora = { rank: 4, alpha: 6, rslora: true, targets: 'all-linear' } as const

/** A GGUF file with a tokenizer of six letters. */
function randomGguf(): Buffer {
  const tensors = Array.from(randomTinyTensors(), ([name, tensor]) => [ggmlName(name), tensor])
  return tinyGguf(Object.fromEntries(tensors), {
    'tokenizer.ggml.model': 'llama',
    'tokenizer.ggml.tokens': ['<unk>', '<s>', '</s>', '\u2581', ...'abcdef'],
    'tokenizer.ggml.scores': new Float32Array(10),
    'tokenizer.ggml.token_type': Int32Array.of(2, 3, 3, 1, 1, 1, 1, 1, 1, 1),
  })
}

describe('training: LoRA', () => {
  // bench/peers/train_steps.py --adapter (peft 0.21.2, torch 2.13) printed these of the same examples, from the weights of step-0000001.
  const ofPeft = [
    { loss: 6.592851638793945, norm: 3.701510190963745, learningRate: 0 },
    { loss: 6.486390113830566, norm: 3.7458903789520264, learningRate: 0.025 },
    { loss: 5.052350044250488, norm: 3.5504086017608643, learningRate: 0.05 },
    { loss: 3.533055543899536, norm: 2.602587938308716, learningRate: 0.0375 },
    { loss: 2.872124671936035, norm: 3.6029908657073975, learningRate: 0.025 },
    { loss: 3.107638120651245, norm: 4.585045337677002, learningRate: 0.0125 },
  ]

  // Steps at such a rate drive apart what begins with another rounding.
  const tolerances = [1e-6, 1e-6, 1e-6, 1e-6, 2e-5, 5e-5]

  for (const device of ['cpu', 'reference'] as const)
    it(`has PEFT's losses and norms on ${device}`, () =>
      withFolder(async folder => {
        const config = trainingRun(folder, {
          ...{ device, lora, schedule: 'linear', warmupSteps: 2, learningRate: 0.05 },
          ...{ weightDecay: 0.1, maxNorm: 0.5 },
        })
        let step = 0
        for await (const own of trainStream(config)) {
          const want = ofPeft[step]!
          const tolerance = tolerances[step++]!
          for (const name of ['learningRate', 'loss', 'norm'] as const)
            assert.ok(
              Math.abs(own[name] - want[name]) <= tolerance * want[name],
              `step ${step}: ${name} is ${own[name]}, want ${want[name]}`,
            )
        }
        assert.equal(step, ofPeft.length)
      }))

  it('leaves a directory of PEFT', () =>
    withFolder(async folder => {
      const common = { lora: { rank: 3, targets: ['up_proj', 'q_proj'] }, learningRate: 0.05 } as const
      const { checkpoint } = await train(trainingRun(folder, { ...common, steps: 5 }))
      assert.deepEqual(readdirSync(checkpoint).sort(), [
        'adapter_config.json',
        'adapter_model.safetensors',
        'training',
      ])
      const adapterConfig = JSON.parse(readFileSync(join(checkpoint, 'adapter_config.json'), 'utf8'))
      assert.deepEqual(adapterConfig, {
        ...{ peft_type: 'LORA', task_type: 'CAUSAL_LM', base_model_name_or_path: defaultModel },
        ...{ inference_mode: true, r: 3, lora_alpha: 8, use_rslora: false, lora_dropout: 0, bias: 'none' },
        ...{ target_modules: ['q_proj', 'up_proj'], fan_in_fan_out: false, init_lora_weights: true },
        modules_to_save: null,
      })
      const shapes = Array.from(
        safetensorsArrays(join(checkpoint, 'adapter_model.safetensors')),
        ([name, { shape, data }]) => [name, ...shape, data.constructor.name],
      )
      const layer = (l: number) => [
        [`base_model.model.model.layers.${l}.self_attn.q_proj.lora_A.weight`, 3, 64, 'Float32Array'],
        [`base_model.model.model.layers.${l}.self_attn.q_proj.lora_B.weight`, 64, 3, 'Float32Array'],
        [`base_model.model.model.layers.${l}.mlp.up_proj.lora_A.weight`, 3, 64, 'Float32Array'],
        [`base_model.model.model.layers.${l}.mlp.up_proj.lora_B.weight`, 176, 3, 'Float32Array'],
      ]
      assert.deepEqual(shapes, [...layer(0), ...layer(1)])
    }))

  for (const format of ['huggingface', 'gguf'] as const)
    it(`leaves an adapter that makes of its base, of the format ${format}, the model that was trained`, () =>
      withFolder(async folder => {
        const model = format === 'gguf' ? join(folder, 'base.gguf') : defaultModel
        if (format === 'gguf') writeFileSync(model, randomGguf())
        const validation = { maxLength: 32, validationShare: 0.3, validateEvery: 1, validationExamples: 8 }
        const own = trainingRun(folder, { ...validation, model, lora, learningRate: 0.05, steps: 4 })
        const losses: number[] = []
        for await (const { validationLoss } of trainStream(own)) losses.push(validationLoss!)
        // A run that begins with the sum of base and adapter, and has changed nothing of it after its first step.
        const merged = await openCheckpoint(model, { adapters: [join(own.out, 'step-0000004')] })
        await convert(merged, join(folder, 'merged'), { dtype: 'float32' })
        const after = { model: join(folder, 'merged'), steps: 1, warmupShare: 1, out: join(folder, 'after') }
        for await (const { validationLoss } of trainStream(trainingRun(folder, { ...validation, ...after })))
          near(validationLoss!, losses.at(-1)!, 1e-5, 'loss')
        assert.ok(losses.at(-1)! < losses[0]! - 0.1, `${losses}`)
      }))

  it('goes on to the bits of a run that was never stopped', () =>
    withFolder(async folder => {
      const common: Partial<TrainConfig> = {
        ...{ lora, steps: 7, saveEvery: 3, schedule: 'cosine', warmupSteps: 2, weightDecay: 0.1 },
        ...{ learningRate: 0.05, validationShare: 0.3, validateEvery: 2, validationExamples: 4 },
      }
      const whole = await train(trainingRun(folder, { ...common, out: join(folder, 'whole') }))
      const stopped = trainingRun(folder, { ...common, out: join(folder, 'stopped') })
      for await (const { step } of trainStream(stopped)) if (step === 4) break
      // What a kill leaves.
      mkdirSync(join(stopped.out, 'step-0000006.part'))
      const end = await train({ ...stopped, threads: 2, keepActivations: 'never' })
      sameBytes(bytesOf(end.checkpoint), bytesOf(whole.checkpoint))
      assert.deepEqual(figuresOf(stopped.out), figuresOf(join(folder, 'whole')))
    }))

  describe('first weights', () => {
    /** The adapter after a step whose learning rate is 0. */
    async function first(changes: Partial<TrainConfig>) {
      let tensors = new Map<string, Float32Array>()
      await withFolder(async folder => {
        const { checkpoint } = await train(trainingRun(folder, { steps: 1, warmupShare: 1, ...changes }))
        const file = safetensorsArrays(join(checkpoint, 'adapter_model.safetensors'))
        tensors = new Map(Array.from(file, ([name, { data }]) => [name, data as Float32Array]))
      })
      return tensors
    }
    const rank = 16

    it("are those of torch's kaiming_uniform_ with a = sqrt(5), and zeros", async () => {
      for (const [name, values] of await first({ lora: { rank, targets: 'all-linear' } })) {
        if (name.includes('lora_B')) {
          assert.ok(values.every(value => value === 0))
          continue
        }
        const bound = Math.sqrt(6 / ((1 + 5) * (values.length / rank)))
        const moment = (power: number) =>
          values.reduce((sum, x) => sum + (x / bound) ** power, 0) / values.length
        assert.ok(values.every(value => Math.abs(value) <= Math.fround(bound)))
        // Mean, mean square and mean fourth power of U(-1, 1), within five standard errors.
        for (const [power, mean, deviation] of [
          [1, 0, Math.sqrt(1 / 3)],
          [2, 1 / 3, Math.sqrt(1 / 5 - 1 / 9)],
          [4, 1 / 5, Math.sqrt(1 / 9 - 1 / 25)],
        ] as const)
          assert.ok(
            Math.abs(moment(power) - mean) < (5 * deviation) / Math.sqrt(values.length),
            `${name}: moment ${power} is ${moment(power)}`,
          )
      }
    })

    it("are a function of the run's seed and the tensor's name", async () => {
      const all = await first({ lora: { rank, targets: 'all-linear' } })
      const some = await first({ lora: { rank, targets: ['o_proj'] } })
      const other = await first({ lora: { rank, targets: ['o_proj'] }, seed: 2 })
      for (const [name, values] of some) {
        assert.deepEqual(values, all.get(name))
        if (name.includes('lora_A')) assert.notDeepEqual(values, other.get(name))
      }
      const texts = [...all].flatMap(([name, values]) => (name.includes('lora_A') ? [`${values}`] : []))
      assert.equal(new Set(texts).size, texts.length)
    })
  })

  it('refuses the folder of a run of another kind', () =>
    withFolder(async folder => {
      const [full, adapters] = ['full', 'adapters'].map(name => join(folder, name)) as [string, string]
      await train(trainingRun(folder, { steps: 1, out: full }))
      await train(trainingRun(folder, { steps: 1, out: adapters, lora }))
      for (const [changes, message] of [
        [{ out: full, lora }, /full\/step-0000001 is of a run with lora none, not \{"rank":4/],
        [{ out: adapters }, /adapters\/step-0000001 is of a run with lora \{"rank":4.*, not none;/],
        [{ out: adapters, lora: { ...lora, rank: 5 } }, /with lora \{"rank":4.*, not \{"rank":5/],
      ] as const)
        await assert.rejects(train(trainingRun(folder, { steps: 1, ...changes })), {
          code: 'OUTPUT',
          message,
        })
      // Another order is the same run.
      const targets = ['down_proj', 'up_proj', 'gate_proj', 'o_proj', 'v_proj', 'k_proj', 'q_proj'] as const
      await train(trainingRun(folder, { steps: 1, out: adapters, lora: { ...lora, targets } }))
    }))

  it('is an error where the weights to go on with are not those of the run', () =>
    withFolder(async folder => {
      const config = trainingRun(folder, { steps: 2, lora })
      for await (const _ of trainStream(config)) break
      const file = join(config.out, 'step-0000001', 'adapter_model.safetensors')
      const bytes = readFileSync(file)
      writeFileSync(file, bytes.toString('latin1').replace('q_proj.lora_A', 'q_proj.lora_X'), 'latin1')
      await assert.rejects(train(config), {
        code: 'OUTPUT',
        message:
          /"base_model\.model\.model\.layers\.0\.self_attn\.q_proj\.lora_A\.weight" is missing; expected F32 \[4,64\]/,
      })
    }))

  it('trains nothing of a rank that no map has', () =>
    withFolder(async folder => {
      const config = trainingRun(folder, { lora: { rank: 65 } })
      await assert.rejects(train(config), {
        code: 'INVALID_ARGUMENT',
        message: /self_attn\.q_proj has an adapter of rank 65, expected 1 \.\. 64/,
      })
      assert.ok(!existsSync(join(config.out, 'step-0000001')))
    }))

  it("begins with PEFT's adapter, trains and saves it as PEFT does", async function () {
    if (sharedMissing) skip(this, sharedMissing)
    const path = shared('golden', 'lora', 'lora-qv')
    const about = JSON.parse(readFileSync(join(path, 'case.json'), 'utf8'))
    const golden = safetensorsArrays(join(path, 'train.safetensors'))
    const model = shared('golden', 'hf', about.base)
    const settings = checkTrainConfig({
      ...{ model, mixture: 't0', dataRoot: '.', templatesDir: '.', evalDir: null, out: '.', steps: 1 },
      lora: { rank: 4, alpha: 8, targets: ['q_proj', 'v_proj'] },
    })
    const base = await openCheckpoint(model)
    const target = await trainTarget(settings, base)
    await using trained = await loadTrained(settings, target, undefined, undefined)
    const { trainer } = trained
    await target.begin(trainer, { path } as never)
    const saved = async () => {
      const { files } = target.files(readerOf(trainer))
      assert.deepEqual(
        files.map(({ name }) => name),
        ['adapter_model.safetensors'],
      )
      const pieces: Uint8Array[] = []
      for await (const piece of fileBytes(files[0]!, base.config.headDim, 0, undefined)) pieces.push(piece)
      return withFolder(async folder => {
        writeFileSync(join(folder, 'x'), Buffer.concat(pieces))
        return safetensorsArrays(join(folder, 'x'))
      })
    }
    const peft = safetensorsArrays(join(path, 'adapter_model.safetensors'))
    assert.deepEqual(new Map([...(await saved())].sort()), new Map([...peft].sort()))

    // A step with the golden gradients, then from PEFT's adapter again three of its own.
    for (const { name } of target.parameters)
      await trainer.write(name, 'gradient', tensor(golden, `grad.${name}`), newControl())
    await trainer.step(stepOf(about.train, 1), newControl())
    for (const [key, { data }] of await saved()) {
      const name = key.replace('base_model.model.', '')
      updatedAs(data as Float32Array, tensor(golden, `after1.${name}`), name)
    }
    await target.begin(trainer, { path } as never)
    for (const { name } of target.parameters)
      for (const part of ['mean', 'square'] as const)
        await trainer.write(name, part, tensor(golden, `grad.${name}`).fill(0), newControl())
    for (let step = 1; step <= 3; step++) {
      const { loss } = await trainer.forwardBackward(goldenPack(golden), newControl())
      const norm = await trainer.step(stepOf(about.train, step), newControl())
      const tolerance = step === 1 ? firstTolerance : thirdTolerance
      near(loss, about.train.losses[step - 1], tolerance, `loss of step ${step}`)
      near(norm, about.train.grad_norms[step - 1], tolerance, `norm of step ${step}`)
    }
  })
})
