// What training takes of memory, and refusing what does not fit.
import assert from 'node:assert/strict'
import { openCheckpoint } from '../src/index.ts'
import { checkTrainingMemory, trainingBytes } from '../src/training/train-memory.ts'
import { defaultModel } from './tiny-model.ts'

describe('training: memory', () => {
  it('that is not there is an error with the packs that fit, or another way', async () => {
    const checkpoint = await openCheckpoint(defaultModel)
    const trains = { parameters: checkpoint.tensors, rank: 0, dtype: 'float32' } as const
    const { fixed, ofToken } = trainingBytes(checkpoint, trains)
    const of = (tokens: number) => fixed + tokens * ofToken
    assert.equal(checkTrainingMemory(checkpoint, trains, 2000, of(2000)), of(2000))
    for (const [available, message] of [
      [of(2000) - 1, /Packs of 1999 tokens would fit\.$/],
      [
        of(1000),
        /default\/model: training takes .* GiB \(weights, .*, packs of 2000 tokens .* 1000 tokens would fit/,
      ],
      [of(7), /LoRA, a smaller model, or a machine with more memory, would do\.$/],
      [1000, /LoRA, a smaller model, or a machine with more memory, would do\.$/],
    ] as const)
      assert.throws(() => checkTrainingMemory(checkpoint, trains, 2000, available), {
        code: 'OUT_OF_MEMORY',
        message,
      })
  })
})
