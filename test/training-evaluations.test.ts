// Evaluations during training: figures of the weights of their step, on one sample, each of them once whatever stops the run.
import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { loadWork } from '../src/evaluation/work.ts'
import {
  type EvaluateProgress,
  evaluate,
  loadModel,
  type SampleRecord,
  type TrainConfig,
  type TrainEvaluation,
  type TrainOptions,
  type TrainStep,
  train,
} from '../src/index.ts'
import { card } from '../src/protocols/card.ts'
import { builtInTasks } from '../src/tasks/built-in/registry.ts'
import { checkTrainConfig } from '../src/training/train-config.ts'
import { trainConfigText } from '../src/training/train-config-file.ts'
import { withFolder } from './checkpoint-files.ts'
import { cli, jsonLines } from './cli-run.ts'
import { bytesOf, figuresOf, logOf, sameBytes, trainingRun } from './training-run.ts'

describe('training: evaluations', () => {
  const evalDir = fileURLToPath(new URL('../default/data', import.meta.url))
  const evalTasks = ['copa', 'squad', 'mnli']
  const configOf = (folder: string, changes: Partial<TrainConfig> = {}) =>
    trainingRun(folder, { evalDir, evalEvery: 2, evalTasks, steps: 5, learningRate: 1e-3, ...changes })
  const evaluationsOf = (out: string): TrainEvaluation[] =>
    logOf(out).flatMap(({ evaluation }) => evaluation ?? [])
  const without = ({ seconds, path, ...figures }: TrainEvaluation) => figures
  const samplesOf = (evaluation: TrainEvaluation, task: string): SampleRecord[] =>
    jsonLines(readFileSync(join(evaluation.path, 'samples', `${task}.jsonl`), 'utf8'))

  it('have the figures of evaluate() on the checkpoint of their step, and change no weight', () =>
    withFolder(async folder => {
      const config = configOf(folder, { keep: 10, evalSamples: 1000 })
      const [told, steps]: [TrainEvaluation[], TrainStep[]] = [[], []]
      const { checkpoint } = await train(config, {
        onEvaluation: one => told.push(one),
        onProgress: one => steps.push(one),
      })
      assert.deepEqual(
        told.map(({ step }) => step),
        [0, 2, 4, 5],
      )
      assert.deepEqual(
        steps.map(({ evaluation }) => evaluation?.step),
        [undefined, 2, undefined, 4, 5],
      )
      assert.deepEqual(evaluationsOf(config.out), JSON.parse(JSON.stringify(told)))
      for (const evaluation of told) {
        const { step, tasks } = evaluation
        const path = step === 0 ? config.model : join(config.out, `step-000000${step}`)
        await using model = await loadModel(path, { dtype: 'float32', device: 'cpu' })
        const want = await evaluate(model, { dataDir: evalDir, tasks: evalTasks, tooLong: 'truncate-left' })
        assert.deepEqual(Object.keys(tasks), ['squad', 'copa', 'mnli'])
        for (const [name, { title, samplesDone, metrics }] of Object.entries(tasks)) {
          const { headline, ...result } = want.tasks[name]!
          assert.deepEqual([title, samplesDone], [result.title, result.samplesDone])
          const shown = name === 'copa' ? [...headline, 'auc'] : headline
          assert.deepEqual(Object.keys(metrics), shown)
          for (const metric of shown) assert.deepEqual(metrics[metric], result.metrics[metric])
        }
      }
      const plain = await train({ ...config, evalEvery: 0, out: join(folder, 'plain') })
      sameBytes(bytesOf(checkpoint), bytesOf(plain.checkpoint))
      const [first, last] = [told[0]!, told.at(-1)!].map(one => samplesOf(one, 'mnli'))
      assert.notDeepEqual(first, last)
    }))

  it('draw the same items of each task every time, from all of them', async () => {
    const tasks = ['copa', 'squad', 'winogrande'].map(name => builtInTasks.get(name)!)
    const ids = async (sample?: number) => {
      const data = { dataDir: evalDir, limit: null, ...(sample !== undefined && { sample }) }
      return (await loadWork(tasks, card, data)).map(({ asks }) => asks.map(({ id, prompt }) => id + prompt))
    }
    const all = await ids()
    const three = await ids(3)
    assert.deepEqual(await ids(3), three)
    assert.deepEqual(await ids(100), all)
    for (const [i, own] of three.entries()) {
      assert.equal(own.length, 3)
      assert.deepEqual(
        own,
        all[i]!.filter(one => own.includes(one)),
      )
    }
    // One that takes the first of each would be a sample of one article, or of one label.
    assert.notDeepEqual(
      three,
      all.map(one => one.slice(0, 3)),
    )
  })

  it('are made once each, whatever stops the run, with the bits of one that was never stopped', () =>
    withFolder(async folder => {
      const config = configOf(folder, { evalSamples: 3, saveEvery: 3 })
      const whole = await train({ ...config, out: join(folder, 'whole') })
      const run = async (options: (stop: () => void) => TrainOptions) => {
        const controller = new AbortController()
        const run = train(config, { ...options(() => controller.abort()), signal: controller.signal })
        await assert.rejects(run, { code: 'ABORTED' })
      }
      // Within the evaluation before step 1, and within that after step 2.
      let rows = 0
      const asked: EvaluateProgress[] = []
      await run(stop => ({
        onEvaluating: progress => {
          asked.push(progress)
          if (progress.task === 'copa' && progress.samplesDone === 1) stop()
        },
      }))
      await run(stop => ({ onEvaluation: ({ step }) => step === 0 && ++rows && stop() }))
      assert.equal(rows, 1)
      assert.deepEqual(
        evaluationsOf(config.out).map(({ step }) => step),
        [0],
      )
      let evaluated = 0
      await run(stop => ({ onEvaluating: () => ++evaluated === 2 && stop() }))
      // A process that is killed after it has written, before its next checkpoint.
      writeFileSync(join(config.out, 'log.jsonl'), '{"step":4,"evaluation":{"step":4}}\n{"st', { flag: 'a' })
      const end = await train(config)
      sameBytes(bytesOf(end.checkpoint), bytesOf(whole.checkpoint))
      assert.deepEqual(figuresOf(config.out), figuresOf(join(folder, 'whole')))
      assert.deepEqual(
        evaluationsOf(config.out).map(without),
        evaluationsOf(join(folder, 'whole')).map(without),
      )
      const again: unknown[] = []
      await train(config, { onEvaluating: one => again.push(one), onEvaluation: one => again.push(one) })
      assert.deepEqual(again, [])
    }))

  it('of a run that is no more are replaced', () =>
    withFolder(async folder => {
      const config = configOf(folder, { steps: 2, evalSamples: 2, evalTasks: ['copa'] })
      const controller = new AbortController()
      const { signal } = controller
      await assert.rejects(train(config, { signal, onEvaluation: () => controller.abort() }), {
        code: 'ABORTED',
      })
      const file = join(config.out, 'eval/step-0000000/samples/copa.jsonl')
      writeFileSync(
        file,
        readFileSync(file, 'utf8').replace(/"logLikelihoods":\[[^\]]+\]/, '"logLikelihoods":[1,2]'),
      )
      await train({ ...config, seed: 2 })
      assert.doesNotMatch(readFileSync(file, 'utf8'), /\[1,2\]/)
      assert.deepEqual(
        evaluationsOf(config.out).map(({ step }) => step),
        [0, 2],
      )
    }))

  it('see the adapters of LoRA as they are', () =>
    withFolder(async folder => {
      const lora = { rank: 4, alpha: 64, targets: 'all-linear' } as const
      const config = configOf(folder, {
        lora,
        learningRate: 1e-2,
        evalTasks: ['copa'],
        steps: 4,
        evalEvery: 4,
      })
      const { checkpoint } = await train(config)
      const [before, after] = evaluationsOf(config.out).map(one => samplesOf(one, 'copa'))
      await using model = await loadModel(config.model, {
        adapters: [checkpoint],
        dtype: 'float32',
        device: 'cpu',
      })
      const out = join(folder, 'adapted')
      await evaluate(model, { dataDir: evalDir, tasks: ['copa'], out })
      const want: SampleRecord[] = jsonLines(readFileSync(join(out, 'samples/copa.jsonl'), 'utf8'))
      for (const [i, record] of want.entries()) {
        const own = after![i]!
        assert.ok(record.kind === 'rank' && own.kind === 'rank')
        for (const [choice, logLikelihood] of record.logLikelihoods.entries()) {
          const found = own.logLikelihoods[choice]!
          assert.ok(
            Math.abs(found - logLikelihood!) < 1e-4 * Math.abs(found),
            `${found}, want ${logLikelihood}`,
          )
        }
      }
      assert.notDeepEqual(before, after)
    }))

  it('are told by the command, and the tasks at hand are the default', () =>
    withFolder(async folder => {
      const config = configOf(folder, { evalEvery: 0, evalTasks: [], evalSamples: 2, steps: 1 })
      const file = join(folder, 'run.yaml')
      writeFileSync(file, trainConfigText(checkTrainConfig(config)))
      const { code, stderr } = await cli(['train', '--config', file, '--eval-every', '5'])
      assert.equal(code, 0, stderr)
      for (const step of [0, 1])
        assert.match(
          stderr,
          new RegExp(
            `^after step ${step}: XQuAD-en \\d+\\.\\d/\\d+\\.\\d, .*, COPA \\d+\\.\\d( \\(AUC \\d+\\.\\d\\))?, .*; \\d+\\.\\d s$`,
            'm',
          ),
        )
      assert.equal(Object.keys(evaluationsOf(config.out)[0]!.tasks).length, 11)
    }))

  for (const [changes, code, message] of [
    [{ evalDir: null }, 'INVALID_ARGUMENT', /evalEvery is 2, but evalDir is null/],
    [
      { evalTasks: ['copa', 'sst3'] },
      'INVALID_ARGUMENT',
      /evalTasks is \["copa","sst3"\]; expected a list of tasks, of xquad, /,
    ],
    [{ evalTasks: ['xcopa_it'] }, 'INVALID_ARGUMENT', /protocol card does not say how to ask about/],
    [{ evalTasks: ['mnli_mismatched'] }, 'DATA_NOT_FOUND', /mnli/],
    [{ evalEvery: -1 }, 'INVALID_ARGUMENT', /evalEvery is -1/],
    [{ evalSamples: 0 }, 'INVALID_ARGUMENT', /evalSamples is 0/],
  ] as const)
    it(`with ${JSON.stringify(changes)} are an error before the first step`, () =>
      withFolder(async folder => {
        const started: unknown[] = []
        const run = train(configOf(folder, changes), { onStart: one => started.push(one) })
        await assert.rejects(run, { code, message })
        assert.deepEqual(started, [])
      }))
})
