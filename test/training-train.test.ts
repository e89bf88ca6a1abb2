// Training runs on a tiny model: the loss falls, what is stopped goes on to the same bits, and what is wrong is told.
import assert from 'node:assert/strict'
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import {
  loadModel,
  loadTokenizer,
  openCheckpoint,
  type ScoreRequest,
  type TrainConfig,
  type TrainStep,
  train,
  trainStream,
} from '../src/index.ts'
import { Examples } from '../src/training/examples.ts'
import { openTrainingMixture } from '../src/training/open-run.ts'
import { checkTrainConfig } from '../src/training/train-config.ts'
import { withFolder } from './checkpoint-files.ts'
import { floats, tinyGguf } from './convert-files.ts'
import { defaultModel } from './tiny-model.ts'
import { onTmpfs } from './tmpfs.ts'
import { writeRows } from './training-files.ts'
import { bytesOf, figuresOf, logOf, sameBytes, trainingRun } from './training-run.ts'

describe('training: runs', () => {
  /** Trains, and gives the steps that were done. */
  async function steps(config: TrainConfig, signal?: AbortSignal): Promise<TrainStep[]> {
    const done: TrainStep[] = []
    await train(config, { onProgress: step => done.push(step), ...(signal && { signal }) })
    return done
  }

  /** The first examples of a run, as requests. */
  async function firstExamples(config: TrainConfig, count: number): Promise<ScoreRequest[]> {
    const settings = checkTrainConfig(config)
    await using mixture = await openTrainingMixture(settings, undefined)
    const { tokenizer } = await openCheckpoint(config.model)
    const examples = new Examples(mixture, await loadTokenizer(tokenizer!), {
      ...settings,
      contamination: undefined,
    })
    const requests: ScoreRequest[] = []
    for await (const { input, target } of examples.from(0)) {
      requests.push({ prompt: input, continuations: [` ${target}`] })
      if (requests.length === count) break
    }
    return requests
  }

  it('lower the loss, and leave a checkpoint that opens', () =>
    withFolder(async folder => {
      const config = trainingRun(folder, { steps: 30 })
      const done = await steps(config)
      assert.deepEqual(
        done.map(({ step }) => step),
        Array.from({ length: 30 }, (_, i) => i + 1),
      )
      const mean = (part: TrainStep[]) => part.reduce((sum, { loss }) => sum + loss, 0) / part.length
      assert.ok(mean(done.slice(-5)) < 0.5 * mean(done.slice(0, 5)), `${done.map(({ loss }) => loss)}`)
      const checkpoint = join(config.out, 'step-0000030')
      await using trained = await loadModel(checkpoint)
      await using base = await loadModel(defaultModel)
      assert.equal(trained.info.dtype, 'float32')
      const requests = [{ prompt: 'Which letter follows c?', continuations: [' d'] }]
      const score = async (model: typeof base) =>
        (await model.score(requests))[0]!.continuations[0]!.logLikelihood
      assert.ok((await score(trained)) > (await score(base)) + 1)
      const [own, before] = [await openCheckpoint(checkpoint), await openCheckpoint(defaultModel)]
      assert.deepEqual(
        own.tensors.map(({ name, shape }) => [name, shape]),
        before.tensors.map(({ name, shape }) => [name, shape]),
      )
      assert.equal(own.storedTypes, 'F32')
    }))

  it('begin with the loss that scoring gives, however examples lie in packs', () =>
    withFolder(async folder => {
      const common = { steps: 1, eos: false, batch: 7 }
      const first: TrainStep[] = []
      for (const packTokens of [64, 100, 2048]) {
        const out = join(folder, `packs-${packTokens}`)
        const config = trainingRun(folder, { ...common, packTokens, out })
        first.push(...(await steps(config)))
      }
      const texts = logOf(join(folder, 'packs-64'))
      assert.equal(texts[1].scoredTokens, first[0]!.scoredTokens)
      const requests = await firstExamples(trainingRun(folder, common), 7)
      await using model = await loadModel(defaultModel, { dtype: 'float32', device: 'cpu' })
      const scores = (await model.score(requests)).map(({ continuations }) => continuations[0]!)
      const tokens = scores.reduce((sum, { tokens }) => sum + tokens.length, 0)
      const loss = -scores.reduce((sum, { logLikelihood }) => sum + logLikelihood, 0) / tokens
      for (const step of first) {
        assert.equal(step.scoredTokens, tokens)
        assert.ok(Math.abs(step.loss - loss) < 2e-6 * loss, `${step.loss}, want ${loss}`)
        assert.ok(Math.abs(step.norm - first[0]!.norm) < 1e-5 * step.norm)
      }
    }))

  // bench/peers/train_steps.py (torch 2.13, transformers 5.24) printed these of the same examples, whose draws are `mixture --examples 30`.
  const ofPyTorch = [
    { loss: 6.592851638793945, norm: 11.402615547180176, learningRate: 0 },
    { loss: 6.486390113830566, norm: 11.35592269897461, learningRate: 0.005 },
    { loss: 4.250260353088379, norm: 6.464931011199951, learningRate: 0.01 },
    { loss: 2.991401433944702, norm: 4.099477767944336, learningRate: 0.0075 },
    { loss: 2.2410316467285156, norm: 3.9238204956054688, learningRate: 0.005 },
    { loss: 2.0418643951416016, norm: 2.187086820602417, learningRate: 0.0025 },
  ]

  for (const device of ['cpu', 'reference'] as const)
    it(`have PyTorch's losses and norms on ${device}: schedule, clipping, decay of matrices alone`, () =>
      withFolder(async folder => {
        const changes = { device, schedule: 'linear', warmupSteps: 2, weightDecay: 0.1, maxNorm: 4 } as const
        const done = await steps(trainingRun(folder, changes))
        assert.equal(done.length, ofPyTorch.length)
        for (const [i, want] of ofPyTorch.entries()) {
          const own = done[i]!
          for (const [name, tolerance] of [
            ['learningRate', 1e-12],
            ['loss', 1e-5],
            ['norm', 1e-5],
          ] as const)
            assert.ok(
              Math.abs(own[name] - want[name]) <= tolerance * want[name],
              `step ${i + 1}: ${name} is ${own[name]}, want ${want[name]}`,
            )
        }
      }))

  it('go on to the bits of a run that was never stopped, whatever stops them', () =>
    withFolder(async folder => {
      const common: Partial<TrainConfig> = {
        ...{ steps: 9, saveEvery: 4, validationShare: 0.3, schedule: 'cosine', warmupSteps: 2 },
        ...{ weightDecay: 0.1, validateEvery: 3, validationExamples: 4 },
      }
      const whole = trainingRun(folder, { ...common, out: join(folder, 'whole') })
      const { checkpoint, tokens } = await train(whole)
      const stopped = trainingRun(folder, { ...common, out: join(folder, 'stopped') })

      const controller = new AbortController()
      await assert.rejects(
        train(stopped, {
          signal: controller.signal,
          onProgress: ({ step }) => {
            if (step === 2) controller.abort()
          },
        }),
        { code: 'ABORTED' },
      )
      assert.deepEqual(readdirSync(stopped.out).sort(), ['log.jsonl', 'step-0000002'])
      // A loop that is left.
      for await (const { step } of trainStream(stopped)) if (step === 5) break
      assert.ok(existsSync(join(stopped.out, 'step-0000005')))
      // What a process leaves that is killed after step 7: lines without a checkpoint, and one that is half-written.
      writeFileSync(join(stopped.out, 'log.jsonl'), '{"step":6,"loss":1}\n{"step":7,"lo', { flag: 'a' })
      mkdirSync(join(stopped.out, 'step-0000007.part'))
      const end = await train(stopped)

      assert.equal(end.checkpoint, join(stopped.out, 'step-0000009'))
      assert.equal(end.tokens, tokens)
      sameBytes(bytesOf(end.checkpoint), bytesOf(checkpoint))
      assert.ok('optimizer.safetensors' in bytesOf(checkpoint))
      assert.deepEqual(figuresOf(stopped.out), figuresOf(whole.out))
      const validation = (out: string) => logOf(out).filter(line => line.validationLoss !== undefined)
      assert.deepEqual(validation(stopped.out), validation(whole.out))
      assert.equal(validation(whole.out).length, 3)
      // Two checkpoints are kept.
      assert.deepEqual(readdirSync(stopped.out).sort(), [
        'log.jsonl',
        'step-0000008',
        'step-0000009',
        'train-report.html',
      ])
      // A run that is done is done.
      assert.deepEqual(await train(stopped), end)
    }))

  it('save the last step where a callback throws', () =>
    withFolder(async folder => {
      const config = trainingRun(folder)
      const onProgress = ({ step }: TrainStep) => {
        if (step === 2) throw new RangeError('enough')
      }
      await assert.rejects(train(config, { onProgress }), RangeError)
      assert.deepEqual(readdirSync(config.out).sort(), ['log.jsonl', 'step-0000002'])
    }))

  it('are the same bits on any number of threads, whatever activations are kept, others for another seed', () =>
    withFolder(async folder => {
      const settings = [
        ...[{ threads: 1 }, { threads: 2 }, { keepActivations: 'always' }, { keepActivations: 'never' }],
        { seed: 2 },
      ] as const
      const results: Buffer[] = []
      for (const [i, changes] of settings.entries()) {
        const run = trainingRun(folder, { ...changes, steps: 3, out: join(folder, `${i}`) })
        const { checkpoint } = await train(run)
        results.push(bytesOf(checkpoint)['model.safetensors']!)
      }
      assert.deepEqual(
        results.map(bytes => bytes.equals(results[0]!)),
        [true, true, true, true, false],
      )
    }))

  it('stop at a loss that is no number, naming step and examples, and keep the last checkpoint', () =>
    withFolder(async folder => {
      const config = trainingRun(folder, { steps: 4, saveEvery: 2 })
      for await (const { step } of trainStream(config)) if (step === 2) break
      const checkpoint = join(config.out, 'step-0000002')
      const file = join(checkpoint, 'model.safetensors')
      const bytes = readFileSync(file)
      // The last numbers of the file become 1e38, whose products overflow.
      const end = new Float32Array(2048).fill(1e38)
      Buffer.from(end.buffer).copy(bytes, bytes.length - end.byteLength)
      writeFileSync(file, bytes)
      await assert.rejects(train(config), {
        code: 'SCORE_NOT_FINITE',
        message:
          /^step 3: the (loss|norm of the gradients) is (NaN|Infinity|-Infinity), expected a finite number, over these examples:\n {2}draw \d+: own_\w+, .*own\/train\.jsonl, line \d+\n/,
      })
      assert.deepEqual(readdirSync(config.out).sort(), ['log.jsonl', 'step-0000002'])
    }))

  it('refuse to go on with a run of other settings, data or model', () =>
    withFolder(async folder => {
      const config = trainingRun(folder, { steps: 1 })
      await train(config)
      const refused = (changes: Partial<TrainConfig>, what: RegExp) =>
        assert.rejects(train({ ...config, ...changes }), { code: 'OUTPUT', message: what })
      await refused({ steps: 2 }, /step-0000001 is of a run with steps 1, not 2; .* Name another out folder/)
      await refused({ learningRate: 1 }, /is of a run with learningRate 0\.01, not 1;/)
      await refused({ seed: 2 }, /seed 1, not 2/)
      writeFileSync(join(folder, 'mixture.yaml'), 'sets: [{ set: own, weight: 2 }]\n')
      await refused({}, /is of a run with another mixture;/)
      writeFileSync(join(folder, 'mixture.yaml'), 'sets: [own]\n')
      await refused({ model: join(config.out, 'step-0000001') }, /another model to begin with/)
      writeRows(folder, 'own/train.jsonl', [{ letter: 'a', next: 'c' }])
      await refused({}, /other data or templates/)
      writeFileSync(join(config.out, 'step-0000001', 'training', 'state.json'), '{}')
      await refused({}, /state\.json: is no state of a training run/)
    }))

  it('have their folder for themselves', () =>
    withFolder(async folder => {
      const config = trainingRun(folder, { steps: 3 })
      for await (const { step } of trainStream(config)) {
        await assert.rejects(train(config), { code: 'OUTPUT', message: /is being written by this process/ })
        if (step === 2) break
      }
      await train(config)
    }))

  it('end with an error on a disk that is full, and keep the last checkpoint', function () {
    return withFolder(folder => {
      const config = trainingRun(folder, { steps: 3, saveEvery: 1, keep: 5 })
      mkdirSync(config.out)
      // A checkpoint takes 1.4 MB.
      return onTmpfs(this, config.out, 'size=2m', async remount => {
        await assert.rejects(train(config), {
          code: 'OUTPUT',
          message: /step-0000002: the disk is full\. The checkpoints that are there stay/,
        })
        assert.deepEqual(readdirSync(config.out).sort(), ['log.jsonl', 'step-0000001'])
        remount('size=8m')
        await train(config)
        assert.ok(existsSync(join(config.out, 'step-0000003')))
      })
    })
  })

  it('of a model that their checkpoints could not hold are an error before the first step', () =>
    withFolder(async folder => {
      const model = join(folder, 'x.gguf')
      const tokenizer = {
        'tokenizer.ggml.model': 'llama',
        'tokenizer.ggml.tokens': ['<unk>', '<s>', '</s>', '\u2581', ...'abcdef'],
        'tokenizer.ggml.scores': new Float32Array(10),
        'tokenizer.ggml.token_type': Int32Array.of(2, 3, 3, 1, 1, 1, 1, 1, 1, 1),
      }
      const factors = { type: 'F32', shape: [2], data: floats(3, 2) }
      writeFileSync(model, tinyGguf({ 'rope_freqs.weight': factors }, tokenizer))
      const config = trainingRun(folder, { model, maxLength: 32 })
      await assert.rejects(train(config), {
        code: 'CHECKPOINT_UNSUPPORTED',
        message: /"rope_freqs\.weight" is no llama3 scaling/,
      })
      assert.deepEqual(readdirSync(config.out), [])
    }))

  for (const [changes, code, message] of [
    [
      { maxLength: 4096, packTokens: 4096 },
      'INVALID_ARGUMENT',
      /may have 4096 tokens, but .* has a context of 2048/,
    ],
    [{ model: '/none' }, 'CHECKPOINT_NOT_FOUND', /\/none: no such file/],
    [{ mixture: '/none.yaml' }, 'TRAINING', /none\.yaml: cannot be read/],
    [{ dataRoot: '/none' }, 'DATA_NOT_FOUND', /1 of the 1 sets/],
    [{ evalDir: '/none' }, 'DATA_NOT_FOUND', /\/none: has none of the evaluation sets/],
    [{ out: '/proc/none' }, 'OUTPUT', /\/proc\/none: it cannot be made there/],
    [{ batch: 0 }, 'INVALID_ARGUMENT', /batch is 0/],
  ] as const)
    it(`with ${JSON.stringify(changes)} are an error`, () =>
      withFolder(async folder => {
        await assert.rejects(train(trainingRun(folder, changes)), { code, message })
      }))
})
