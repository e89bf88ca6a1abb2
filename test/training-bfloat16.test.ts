// Training in bfloat16: gradients no further from float32 than PyTorch's, float32 originals, and runs that go on to the same bits.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { nativeConfig } from '../src/checkpoint/native-config.ts'
import { loadModel, openCheckpoint, type TrainConfig, train, trainStream } from '../src/index.ts'
import { loadAddon } from '../src/native/addon.ts'
import { newControl } from '../src/native/job.ts'
import { withFolder } from './checkpoint-files.ts'
import { goldenPack, near, tensor } from './golden-training.ts'
import { safetensorsArrays } from './safetensors-arrays.ts'
import { shared, sharedMissing } from './shared.ts'
import { skip } from './skip.ts'
import { bytesOf, figuresOf, sameBytes, trainingRun } from './training-run.ts'

describe('training: bfloat16', () => {
  /**
   * bench/peers/train_bfloat16.py printed these of torch 2.13: the norm of the difference of all gradients in bfloat16 and in
   * float32 as a share of the latter's, and the largest such share of a tensor. Half as much again is allowed.
   */
  const ofPyTorch = {
    biases: { all: 0.0354, worst: 0.0441 },
    'gqa-tied-bf16': { all: 0.0362, worst: 0.0423 },
    'headdim-mqa-f16': { all: 0.0374, worst: 0.0454 },
    'mha-untied-f32': { all: 0.0432, worst: 0.058 },
    'rope-llama3': { all: 0.0433, worst: 0.0481 },
  }
  const allowed = 1.5
  const lossTolerance = 3e-3

  for (const device of ['reference', 'cpu'] as const)
    for (const [name, { all, worst }] of Object.entries(ofPyTorch))
      it(`gradients of ${name} on ${device} are near those in float32`, async function () {
        if (sharedMissing) skip(this, sharedMissing)
        const folder = shared('golden', 'hf', name)
        const golden = safetensorsArrays(join(folder, 'train.safetensors'))
        const { train } = JSON.parse(readFileSync(join(folder, 'case.json'), 'utf8'))
        const checkpoint = await openCheckpoint(folder)
        const options = { dtype: 'bfloat16', device, threads: 2 } as const
        const model = await loadAddon().load(
          ...([nativeConfig(checkpoint), checkpoint.tensors, options, newControl()] as const),
        )
        const trainer = await model.trainer([], 0, newControl())
        const { loss } = await trainer.forwardBackward(goldenPack(golden), newControl())
        near(loss, train.losses[0], lossTolerance, 'loss')
        let [difference, norm] = [0, 0]
        for (const parameter of checkpoint.tensors) {
          const own = await trainer.read(parameter.name, 'gradient', newControl())
          const want = tensor(golden, `grad.${parameter.name}`)
          const ofTensor = squares(own.map((value, i) => value - want[i]!))
          const share = Math.sqrt(ofTensor / squares(want))
          assert.ok(share > 0 && share < allowed * worst, `${parameter.name} differs by ${share}`)
          difference += ofTensor
          norm += squares(want)
        }
        const share = Math.sqrt(difference / norm)
        assert.ok(share < allowed * all, `gradients differ by ${share}`)
        model.dispose()
      })

  for (const [what, lora] of [
    ['all weights', null],
    ['LoRA', { rank: 4, targets: 'all-linear' }],
  ] as const)
    it(`a run of ${what} goes on to the bits of one that was never stopped`, () =>
      withFolder(async folder => {
        const common: Partial<TrainConfig> = {
          ...{ dtype: 'bfloat16', lora, steps: 6, saveEvery: 2, schedule: 'linear', weightDecay: 0.1 },
        }
        const whole = await train(trainingRun(folder, { ...common, out: join(folder, 'whole') }))
        const stopped = trainingRun(folder, { ...common, out: join(folder, 'stopped') })
        for await (const { step } of trainStream(stopped)) if (step === 3) break
        const end = await train({ ...stopped, threads: 2 })
        sameBytes(bytesOf(end.checkpoint), bytesOf(whole.checkpoint))
        assert.deepEqual(figuresOf(stopped.out), figuresOf(join(folder, 'whole')))
      }))

  it('starts and goes on from weights in float32, which no step of bfloat16 rounds', () =>
    withFolder(async folder => {
      // Steps in float32 leave weights that bfloat16 does not have.
      const { checkpoint: model } = await train(trainingRun(folder, { steps: 2, out: join(folder, 'base') }))
      const tensors = safetensorsArrays(join(model, 'model.safetensors'))
      // The learning rate of the first step is 0.
      const config = trainingRun(folder, { model, dtype: 'bfloat16', steps: 1, warmupShare: 1 })
      const { checkpoint } = await train(config)
      const own = safetensorsArrays(join(checkpoint, 'model.safetensors'))
      assert.deepEqual(own, tensors)
      assert.ok(own.size > 0)
      await using trained = await loadModel(checkpoint)
      assert.equal(trained.info.dtype, 'float32')
    }))

  it('begins with the loss that scoring in bfloat16 gives, which is not that of float32', () =>
    withFolder(async folder => {
      const losses: number[] = []
      for (const dtype of ['bfloat16', 'float32'] as const)
        for await (const { loss } of trainStream(
          trainingRun(folder, { dtype, steps: 1, out: join(folder, dtype) }),
        ))
          losses.push(loss)
      near(losses[0]!, losses[1]!, lossTolerance, 'loss')
      assert.notEqual(losses[0], losses[1])
    }))

  it('is told where the processor has no products of it', () =>
    withFolder(async folder => {
      const started: { dtype: string; emulated: boolean; backend: string }[] = []
      for (const [dtype, device] of [
        ['bfloat16', 'reference'],
        ['float32', 'reference'],
        ['bfloat16', 'cpu'],
      ] as const)
        await train(
          trainingRun(folder, { dtype, device, steps: 1, out: join(folder, `${started.length}`) }),
          {
            onStart: start => started.push(start),
          },
        )
      const hasOwn = loadAddon().cpu().variants[0]!.endsWith('bf16')
      assert.deepEqual(
        started.map(({ dtype, emulated }) => [dtype, emulated]),
        [
          ['bfloat16', true],
          ['float32', false],
          ['bfloat16', !hasOwn],
        ],
      )
    }))
})

function squares(values: Float32Array): number {
  return values.reduce((sum, value) => sum + value * value, 0)
}
