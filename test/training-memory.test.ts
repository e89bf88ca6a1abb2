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
    const never = { packTokens: 2000, keepActivations: 'never' } as const
    assert.deepEqual(checkTrainingMemory(checkpoint, trains, never, of(2000)), {
      memoryBytes: of(2000),
      keptBytes: 0,
    })
    for (const [available, message] of [
      [of(2000) - 1, /Packs of 1999 tokens would fit\.$/],
      [
        of(1000),
        /default\/model: training takes .* GiB \(weights, .*, packs of 2000 tokens .* 1000 tokens would fit/,
      ],
      [of(7), /LoRA, a smaller model, or a machine with more memory, would do\.$/],
      [1000, /LoRA, a smaller model, or a machine with more memory, would do\.$/],
    ] as const)
      assert.throws(() => checkTrainingMemory(checkpoint, trains, never, available), {
        code: 'OUT_OF_MEMORY',
        message,
      })
  })

  it('keeps what fits in half of what is free, all where it must, or nothing', async () => {
    const checkpoint = await openCheckpoint(defaultModel)
    const trains = { parameters: checkpoint.tensors, rank: 0, dtype: 'float32' } as const
    const { fixed, ofToken, keptOfToken } = trainingBytes(checkpoint, trains)
    const needed = fixed + 100 * ofToken
    const all = 100 * checkpoint.config.layers * keptOfToken
    for (const [keepActivations, free, keptBytes] of [
      ['auto', 3 * all, all],
      ['auto', all, all / 2],
      ['auto', 0, 0],
      ['always', all, all],
      ['never', 3 * all, 0],
    ] as const)
      assert.deepEqual(
        checkTrainingMemory(checkpoint, trains, { packTokens: 100, keepActivations }, needed + free),
        { memoryBytes: needed + keptBytes, keptBytes },
        `${keepActivations} with ${free} free`,
      )
    assert.throws(
      () =>
        checkTrainingMemory(
          checkpoint,
          trains,
          { packTokens: 100, keepActivations: 'always' },
          needed + all - 1,
        ),
      /Packs of 99 tokens would fit/,
    )
  })
})
