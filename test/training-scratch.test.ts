// Runs from scratch: the weights that they begin with, how they go on, and what is refused.
import assert from 'node:assert/strict'
import { cpSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { openCheckpoint, type TrainConfig, train, trainStream } from '../src/index.ts'
import { withFolder } from './checkpoint-files.ts'
import { safetensorsArrays } from './safetensors-arrays.ts'
import { defaultModel } from './tiny-model.ts'
import { bytesOf, figuresOf, sameBytes, trainingRun } from './training-run.ts'

describe('training: from scratch', () => {
  /** A run over a folder with config.json and a tokenizer. @param config changes of config.json */
  function scratchRun(folder: string, changes: Partial<TrainConfig> = {}, config: object = {}): TrainConfig {
    const model = join(folder, 'model')
    mkdirSync(model, { recursive: true })
    for (const name of ['tokenizer.json', 'tokenizer_config.json'])
      cpSync(join(defaultModel, name), join(model, name))
    const own = JSON.parse(readFileSync(join(defaultModel, 'config.json'), 'utf8'))
    writeFileSync(join(model, 'config.json'), JSON.stringify({ ...own, ...config }))
    return trainingRun(folder, { model, fromScratch: true, ...changes })
  }

  /** The weights that a run begins with. */
  async function first(folder: string, changes: Partial<TrainConfig> = {}, config: object = {}) {
    const run = scratchRun(folder, { steps: 1, keep: 2, ...changes }, config)
    await train(run)
    const steps = readdirSync(run.out).filter(name => name.startsWith('step-'))
    assert.deepEqual(steps.sort(), ['step-0000000', 'step-0000001'])
    const checkpoint = join(run.out, 'step-0000000')
    const tensors = safetensorsArrays(join(checkpoint, 'model.safetensors'))
    return { checkpoint, tensors, values: (name: string) => tensors.get(name)!.data as Float32Array }
  }

  for (const [config, std] of [
    [{}, 0.02],
    [{ initializer_range: 0.1 }, 0.1],
    [{ initializer_range: 0 }, 0.02],
  ] as const)
    it(`begin with weights of deviation ${std}, norms of 1 and one head: ${JSON.stringify(config)}`, () =>
      withFolder(async folder => {
        const { checkpoint, tensors } = await first(folder, {}, config)
        const opened = await openCheckpoint(checkpoint)
        assert.deepEqual(
          opened.tensors.map(({ name, shape }) => [name, shape]),
          (await openCheckpoint(defaultModel)).tensors.map(({ name, shape }) => [name, shape]),
        )
        assert.ok(!tensors.has('lm_head.weight'))
        const texts = new Set<string>()
        for (const [name, { shape, data }] of tensors) {
          if (shape.length === 1) {
            assert.ok(
              data.every(value => value === 1),
              name,
            )
            continue
          }
          texts.add(`${data.slice(0, 100)}`)
          const moment = (power: number) =>
            (data as Float32Array).reduce((sum, x) => sum + (x / std) ** power, 0) / data.length
          // Mean, variance, skewness and fourth power of N(0, 1), within five standard errors.
          for (const [power, mean, variance] of [
            [1, 0, 1],
            [2, 1, 2],
            [3, 0, 15],
            [4, 3, 96],
          ] as const)
            assert.ok(
              Math.abs(moment(power) - mean) < 5 * Math.sqrt(variance / data.length),
              `${name}: moment ${power} is ${moment(power)}`,
            )
          // Neighbours have nothing to do with each other.
          const lagged =
            (data as Float32Array).slice(1).reduce((sum, x, i) => sum + (x * data[i]!) / std ** 2, 0) /
            data.length
          assert.ok(
            Math.abs(lagged) < 5 / Math.sqrt(data.length),
            `${name}: neighbours correlate by ${lagged}`,
          )
        }
        assert.equal(texts.size, [...tensors.values()].filter(({ shape }) => shape.length === 2).length)
      }))

  it('begin with biases of zero, a head of its own, and zeros for the padding token', () =>
    withFolder(async folder => {
      const untied = await first(join(folder, 'a'), {}, { attention_bias: true, tie_word_embeddings: false })
      const { values } = untied
      for (const part of ['q', 'k', 'v', 'o'])
        assert.ok(values(`model.layers.1.self_attn.${part}_proj.bias`).every(value => value === 0))
      assert.notDeepEqual(values('lm_head.weight'), values('model.embed_tokens.weight'))
      for (const [pad, row] of [
        [3, 3],
        [-1, 257],
      ] as const) {
        const padded = await first(join(folder, `${pad}`), {}, { pad_token_id: pad })
        const own = Array.from(values('model.embed_tokens.weight'))
        own.fill(0, row * 64, (row + 1) * 64)
        assert.deepEqual(Array.from(padded.values('model.embed_tokens.weight')), own)
      }
    }))

  it('begin with other weights for another seed alone', () =>
    withFolder(async folder => {
      const name = 'model.layers.0.mlp.up_proj.weight'
      const one = await first(join(folder, '1'))
      const deeper = await first(join(folder, '2'), {}, { num_hidden_layers: 3 })
      const other = await first(join(folder, '3'), { seed: 2 })
      assert.deepEqual(deeper.values(name), one.values(name))
      assert.notDeepEqual(other.values(name), one.values(name))
    }))

  it('lower the loss from that of guessing, and go on to the same bits', () =>
    withFolder(async folder => {
      const common: Partial<TrainConfig> = { steps: 12, saveEvery: 4, dtype: 'bfloat16' }
      const losses: number[] = []
      const whole = scratchRun(folder, { ...common, out: join(folder, 'whole') })
      const end = await train(whole, { onProgress: ({ loss }) => losses.push(loss) })
      assert.ok(Math.abs(losses[0]! - Math.log(258)) < 0.05, `${losses}`)
      assert.ok(losses.at(-1)! < 0.7 * losses[0]!, `${losses}`)
      const stopped = scratchRun(folder, { ...common, out: join(folder, 'stopped') })
      await assert.rejects(
        train(stopped, {
          onStart: () => {
            throw new RangeError('before the first step')
          },
        }),
        RangeError,
      )
      assert.ok(readdirSync(stopped.out).includes('step-0000000'))
      for await (const { step } of trainStream(stopped)) if (step === 5) break
      sameBytes(bytesOf((await train(stopped)).checkpoint), bytesOf(end.checkpoint))
      assert.deepEqual(figuresOf(stopped.out), figuresOf(whole.out))
    }))

  it('read no weights that lie in the folder', () =>
    withFolder(async folder => {
      const without = await first(join(folder, 'a'))
      const config = scratchRun(join(folder, 'b'), { steps: 1 })
      writeFileSync(join(config.model, 'model.safetensors'), 'no weights')
      await train(config)
      const own = safetensorsArrays(join(config.out, 'step-0000000', 'model.safetensors'))
      assert.deepEqual(own, without.tensors)
    }))

  it('are an error without what they need, and a folder without weights is one without them', () =>
    withFolder(async folder => {
      const refused = (config: TrainConfig, code: string, message: RegExp) =>
        assert.rejects(train(config), { code, message })
      const config = scratchRun(folder)
      const { fromScratch: _, ...others } = config
      await refused(
        others,
        'CHECKPOINT_NOT_FOUND',
        /has config\.json, but none of model\.safetensors.*; a run from scratch needs none of them/,
      )
      await refused({ ...config, model: join(folder, 'none') }, 'CHECKPOINT_NOT_FOUND', /has no config\.json/)
      await refused({ ...config, lora: {} }, 'INVALID_ARGUMENT', /fromScratch is true with lora/)
      for (const [field, value] of [
        ['initializer_range', -1],
        ['initializer_range', '0.02'],
        ['pad_token_id', 258],
        ['pad_token_id', 0.5],
      ] as const)
        await refused(
          scratchRun(folder, {}, { [field]: value }),
          'CHECKPOINT_CORRUPT',
          new RegExp(`config\\.json: "${field}" is .*; expected a`),
        )
      await refused(
        scratchRun(folder, {}, { hidden_size: 2 ** 23, head_dim: 2 ** 21 }),
        'OUT_OF_MEMORY',
        /training takes/,
      )
      assert.deepEqual(readdirSync(config.out), [])
    }))
})
