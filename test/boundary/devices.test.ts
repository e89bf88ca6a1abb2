// Devices by name, in whatever build is loaded, on a machine with or without a GPU.
import assert from 'node:assert/strict'
import { listDevices } from '../../src/index.ts'
import { checkDevice, chosenDevice } from '../../src/model/devices.ts'
import { loadAddon } from '../../src/native/addon.ts'
import { newControl } from '../../src/native/job.ts'
import { withTinyModel } from '../tiny-model.ts'

const prompt = [1, 2, 3, 4, 5]
const { processors, gpus, noGpus } = await listDevices()
const usable = gpus.filter(({ unavailable }) => unavailable === undefined)

describe('devices', () => {
  it('are the processor, the reference and the GPUs, or a reason why there are none', () => {
    assert.deepEqual(
      processors.map(({ device }) => device),
      ['cpu', 'reference'],
    )
    assert.deepEqual(
      gpus.map(({ device }) => device),
      gpus.map((_, i) => `cuda:${i}`),
    )
    if (gpus.length > 0) return assert.equal(noGpus, undefined)
    assert.match(
      noGpus!,
      /^this build of mt-llama has no CUDA; .*npm run build:cuda|^no NVIDIA driver|^the NVIDIA driver /,
    )
  })

  for (const gpu of gpus)
    it(`${gpu.device} says what it is`, () => {
      assert.match(gpu.computeCapability, /^\d+\.\d$/)
      assert.match(gpu.driver, /^\d+\.\d$/)
      assert.match(gpu.runtime, /^\d+\.\d$/)
      assert.ok((gpu.freeBytes ?? 0) <= gpu.totalBytes)
      assert.equal(gpu.freeBytes === undefined, gpu.unavailable !== undefined)
    })

  it("'auto' is the first GPU that can be used, else the processor", async () =>
    assert.equal(await chosenDevice('auto'), usable[0]?.device ?? 'cpu'))

  it("'cuda' is the first GPU", async () => assert.equal(await chosenDevice('cuda'), 'cuda:0'))

  for (const name of ['cuda:', 'cuda:-1', 'cuda:x', 'cuda:1.5', 'cuda:0 ', 'cuda:99999', 'CUDA', 'gpu', ''])
    it(`'${name}' is no device`, () =>
      assert.throws(() => checkDevice(name), { code: 'INVALID_ARGUMENT', message: /expected one of 'auto'/ }))

  it('a GPU that is not there is DEVICE_UNAVAILABLE, with the reason', async () => {
    const missing = `cuda:${gpus.length}` as const
    await assert.rejects(
      withTinyModel({ options: { device: missing } }, async () => {}),
      error => {
        const { code, message } = error as Error & { code: string }
        assert.equal(code, 'DEVICE_UNAVAILABLE')
        assert.ok(message.startsWith(`${missing}: `), message)
        if (noGpus !== undefined) assert.ok(message.includes(noGpus), message)
        return true
      },
    )
  })

  it('the number of a GPU is a whole number', async () => {
    for (const wrong of [-1.5, Number.NaN, '0'])
      await assert.rejects(loadAddon().gpuFreeBytes(wrong as number, newControl()), {
        code: 'INVALID_ARGUMENT',
      })
  })

  for (const device of ['cpu', ...usable.map(gpu => gpu.device)] as const)
    it(`${device} scores and embeds as the reference does`, async () => {
      const scores = async (on: typeof device | 'reference') =>
        withTinyModel({ options: { device: on } }, async model => {
          assert.equal(model.info.device, on)
          const [result] = await model.score([{ prompt, continuations: [[6, 7, 8]] }])
          const vectors = await model.embed([prompt, prompt.toReversed()])
          return [
            ...result!.continuations[0]!.tokenLogProbs,
            ...vectors.flatMap(({ embedding }) => embedding),
          ]
        })
      const [own, reference] = await Promise.all([scores(device), scores('reference')])
      for (const [i, value] of reference.entries()) assert.ok(Math.abs(own[i]! - value) <= 1e-4)
    })
})
