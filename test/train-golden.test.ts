// Training steps on golden checkpoints: losses, gradients, norms and updated weights are those of transformers and PyTorch.
import { strict as assert } from 'node:assert'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { nativeConfig } from '../src/checkpoint/native-config.ts'
import { openCheckpoint } from '../src/checkpoint/open.ts'
import { checkDevice, chosenDevice } from '../src/model/devices.ts'
import { loadAddon } from '../src/native/addon.ts'
import { newControl } from '../src/native/job.ts'
import type { NativeAdapter, NativeModel, NativeTrainer } from '../src/native/types.ts'
import {
  closeTo,
  firstTolerance,
  goldenPack,
  gradientTolerance,
  near,
  stepOf,
  type TrainCase,
  tensor,
  thirdTolerance,
  updatedAs,
} from './golden-training.ts'
import { type ArrayEntry, safetensorsArrays } from './safetensors-arrays.ts'
import { shared, sharedMissing } from './shared.ts'
import { skip } from './skip.ts'

const names = ['biases', 'gqa-tied-bf16', 'headdim-mqa-f16', 'mha-untied-f32', 'rope-llama3']
const adapterNames = ['lora-all', 'lora-qv']
/** $MT_LLAMA_DEVICE names one alone: cuda on a GPU, or in the host-device build without one. */
const devices = process.env.MT_LLAMA_DEVICE
  ? [await chosenDevice(checkDevice(process.env.MT_LLAMA_DEVICE))]
  : (['reference', 'cpu'] as const)

describe('training on golden checkpoints', () => {
  before(function () {
    if (sharedMissing) skip(this, sharedMissing)
  })

  for (const device of devices)
    for (const name of names)
      describe(`${name} on ${device}`, () => {
        const folder = shared('golden', 'hf', name)
        let model: NativeModel
        let trainer: NativeTrainer
        let parameters: string[]
        let golden: Map<string, ArrayEntry>
        let train: TrainCase

        beforeEach(async () => {
          const checkpoint = await openCheckpoint(folder, {})
          const config = nativeConfig(checkpoint)
          const options = { dtype: 'float32' as const, device, threads: 2 }
          model = await loadAddon().load(config, checkpoint.tensors, options, newControl())
          trainer = await model.trainer([], 0, newControl())
          parameters = loadAddon()
            .parameters(config)
            .map(parameter => parameter.name)
          golden = safetensorsArrays(`${folder}/train.safetensors`)
          train = JSON.parse(readFileSync(`${folder}/case.json`, 'utf8')).train
        })
        afterEach(() => model?.dispose())

        it('loss and gradients of the first step', async () => {
          const { loss } = await trainer.forwardBackward(goldenPack(golden), newControl())
          near(loss, train.losses[0] as number, firstTolerance, 'loss')
          for (const parameter of parameters)
            closeTo(
              await trainer.read(parameter, 'gradient', newControl()),
              tensor(golden, `grad.${parameter}`),
              gradientTolerance,
              parameter,
            )
          near(
            await trainer.step(stepOf(train, 1), newControl()),
            train.grad_norms[0] as number,
            firstTolerance,
            'norm',
          )
        })

        it('AdamW with the golden gradients gives the golden weights', () =>
          updatesAsGolden(trainer, parameters, golden, train))

        it('three steps', async () => {
          for (let step = 1; step <= 3; step++) {
            const { loss } = await trainer.forwardBackward(goldenPack(golden), newControl())
            const norm = await trainer.step(stepOf(train, step), newControl())
            const tolerance = step === 1 ? firstTolerance : thirdTolerance
            near(loss, train.losses[step - 1] as number, tolerance, `loss of step ${step}`)
            near(norm, train.grad_norms[step - 1] as number, tolerance, `norm of step ${step}`)
          }
        })
      })

  for (const device of devices)
    for (const name of adapterNames)
      describe(`${name} on ${device}`, () => {
        const folder = shared('golden', 'lora', name)
        let model: NativeModel
        let trainer: NativeTrainer
        let golden: Map<string, ArrayEntry>
        let train: TrainCase
        let parameters: string[]

        beforeEach(async () => {
          const about = JSON.parse(readFileSync(`${folder}/case.json`, 'utf8'))
          const settings = JSON.parse(readFileSync(`${folder}/adapter_config.json`, 'utf8'))
          train = about.train
          golden = safetensorsArrays(`${folder}/train.safetensors`)
          const start = safetensorsArrays(`${folder}/adapter_model.safetensors`)
          const checkpoint = await openCheckpoint(shared('golden', 'hf', about.base), {})
          const config = nativeConfig(checkpoint)
          const options = { dtype: 'float32' as const, device, threads: 2 }
          model = await loadAddon().load(config, checkpoint.tensors, options, newControl())
          parameters = [...golden.keys()]
            .filter(key => key.startsWith('grad.'))
            .map(key => key.slice('grad.'.length))
          const modules = parameters
            .filter(key => key.endsWith('.lora_A.weight'))
            .map(key => key.slice(0, -'.lora_A.weight'.length))
          trainer = await model.trainer(
            modules.map(module => adapterOf(module, settings, golden)),
            0,
            newControl(),
          )
          for (const parameter of parameters)
            await trainer.write(
              parameter,
              'weight',
              tensor(start, `base_model.model.${parameter}`),
              newControl(),
            )
        })
        afterEach(() => model?.dispose())

        it('loss and gradients of the first step', async () => {
          const { loss } = await trainer.forwardBackward(goldenPack(golden), newControl())
          near(loss, train.losses[0] as number, firstTolerance, 'loss')
          for (const parameter of parameters)
            closeTo(
              await trainer.read(parameter, 'gradient', newControl()),
              tensor(golden, `grad.${parameter}`),
              gradientTolerance,
              parameter,
            )
        })

        it('AdamW with the golden gradients gives the golden weights', () =>
          updatesAsGolden(trainer, parameters, golden, train))

        it('three steps', async () => {
          for (let step = 1; step <= 3; step++) {
            const { loss } = await trainer.forwardBackward(goldenPack(golden), newControl())
            const norm = await trainer.step(stepOf(train, step), newControl())
            const tolerance = step === 1 ? firstTolerance : thirdTolerance
            near(loss, train.losses[step - 1] as number, tolerance, `loss of step ${step}`)
            near(norm, train.grad_norms[step - 1] as number, tolerance, `norm of step ${step}`)
          }
        })
      })

  it('all golden cases with training are here', () => {
    const has = (set: string) =>
      readdirSync(shared('golden', set)).filter(name =>
        existsSync(shared('golden', set, name, 'train.safetensors')),
      )
    assert.deepEqual(has('hf'), names)
    assert.deepEqual(has('lora'), adapterNames)
  })
})

/** The adapter of a module, as PEFT's settings have it: patterns match the end of its name. */
function adapterOf(
  module: string,
  settings: {
    lora_alpha: number
    use_rslora: boolean
    alpha_pattern: Record<string, number>
  },
  golden: Map<string, ArrayEntry>,
): NativeAdapter {
  const [rank] = (golden.get(`grad.${module}.lora_A.weight`) as ArrayEntry).shape as [number]
  const own = Object.entries(settings.alpha_pattern).find(([end]) => module.endsWith(`.${end}`))
  const alpha = own ? own[1] : settings.lora_alpha
  return { module, rank, scale: alpha / (settings.use_rslora ? Math.sqrt(rank) : rank) }
}

/** Holds the weights after a step of AdamW with the golden gradients to the golden ones. */
async function updatesAsGolden(
  trainer: NativeTrainer,
  parameters: readonly string[],
  golden: Map<string, ArrayEntry>,
  train: TrainCase,
) {
  for (const parameter of parameters)
    await trainer.write(parameter, 'gradient', tensor(golden, `grad.${parameter}`), newControl())
  await trainer.step(stepOf(train, 1), newControl())
  for (const parameter of parameters) {
    const own = await trainer.read(parameter, 'weight', newControl())
    updatedAs(own, tensor(golden, `after1.${parameter}`), parameter)
  }
}
