// Scores that are NaN or infinite are an error that says where and why, or counted and shown where that is asked for.
import assert from 'node:assert/strict'
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { report } from '../src/evaluation/report.ts'
import { runToEnd } from '../src/evaluation/run.ts'
import { RunFolder } from '../src/evaluation/run-folder.ts'
import { wrong } from '../src/evaluation/run-task.ts'
import type { Scorer } from '../src/evaluation/scorer.ts'
import { evaluate, loadTasks } from '../src/index.ts'
import type { Ask, Form } from '../src/protocols/protocol.ts'
import { cardWork } from './card-work.ts'
import { cli, jsonLines, root } from './cli-run.ts'
import { fakeModel, settings } from './fake-model.ts'

describe('scores that are not finite', () => {
  let folder: string
  before(() => {
    folder = mkdtempSync(join(tmpdir(), 'mt-llama-nan-'))
  })
  after(() => rmSync(folder, { recursive: true }))

  /** A model that gives the score for the second choice of the third sample, or for a token of the third answer. */
  const giving = (score: number, dtype = 'float16'): Scorer => {
    const fake = fakeModel()
    return {
      ...fake,
      info: { ...fake.info, dtype: dtype as 'float16' },
      async *scoreStream(requests, options) {
        let request = 0
        for await (const result of fake.scoreStream(requests, options)) {
          if (request++ === 2) result.continuations[1]!.logLikelihood = score
          yield result
        }
      },
      async *generateEach(prompts, options) {
        let prompt = 0
        for await (const result of fake.generateEach(prompts, options))
          yield prompt++ === 2 ? { ...result, logProbs: [-1, score] } : result
      },
    }
  }
  const run = async (model: Scorer, task: string, changes: { allowNan?: boolean; folder?: RunFolder } = {}) =>
    runToEnd(model, { work: await cardWork([task], settings), settings, ...changes })

  for (const score of [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY]) {
    it(`${score} ends the run, naming task, sample and choice`, async () => {
      await assert.rejects(run(giving(score), 'copa'), {
        code: 'SCORE_NOT_FINITE',
        message:
          /^COPA, sample 3 \("2"\): the log-likelihood of choice 2 is NaN or infinite\. .*; allowNan counts such samples as wrong and goes on\.$/,
      })
      await assert.rejects(run(giving(score), 'squad'), {
        code: 'SCORE_NOT_FINITE',
        message:
          /^SQuAD, sample 3 \("[^"]+"\): the log-probability of a generated token is NaN or infinite\. /,
      })
    })

    it(`${score} is counted as wrong and shown where it is allowed`, async () => {
      for (const [task, title] of [
        ['copa', 'COPA'],
        ['squad', 'SQuAD'],
      ] as const) {
        const sound = (await run(fakeModel(), task)).tasks[task]!
        const results = await run(giving(score), task, { allowNan: true })
        const { notFinite, samplesDone, samplesTotal } = results.tasks[task]!
        assert.deepEqual([sound.notFinite, notFinite, samplesDone], [0, 1, samplesTotal])
        assert.match(
          report(results, { card: false }),
          new RegExp(`- The model gave NaN or an infinity \\(counted as wrong\\): ${title} 1\\.`),
        )
      }
    })
  }

  for (const [dtype, cause] of [
    [
      'float16',
      /a value has overflowed float16, which ends at 65504: try dtype 'bfloat16' or dtype 'float32'/,
    ],
    ['bfloat16', /the checkpoint is broken, or a value has overflowed: try dtype 'float32'/],
    ['float32', /Most likely the checkpoint is broken; allowNan/],
  ] as const) {
    it(`the likely cause in ${dtype} is named`, () =>
      assert.rejects(run(giving(Number.NaN, dtype), 'copa'), { message: cause }))
  }

  for (const [words, metrics, ask, outcome] of [
    ['class 0', ['acc', 'f1'], { gold: 0 }, { scores: { acc: 0, f1: 1 }, pairedWith: { f1: 0 } }],
    ['class 1', ['acc', 'f1'], { gold: 1 }, { scores: { acc: 0, f1: 0 }, pairedWith: { f1: 1 } }],
    [
      'class 1 by the first choice',
      ['f1'],
      { gold: 0, positive: 0, template: 't' },
      { scores: { f1: 0 }, pairedWith: { f1: 1 } },
    ],
    ['no class', ['acc', 'f1'], { gold: 0, template: 't' }, { scores: { acc: 0 } }],
    ['no class of a text', ['f1'], { kind: 'generate', gold: 'a' }, { scores: { f1: 0 } }],
  ] as const)
    it(`count as the wrong one of two classes for F1: ${words}`, () =>
      assert.deepEqual(wrong({ metrics } as unknown as Form, { kind: 'rank', ...ask } as unknown as Ask), {
        prediction: null,
        ...outcome,
      }))

  for (const output_type of ['loglikelihood', 'loglikelihood_rolling'])
    it(`of a task with a perplexity (${output_type}): end the run, allowed or not`, async () => {
      const file = join(folder, `${output_type}.yaml`)
      const config = {
        ...{ task: 'mine', dataset_path: 'json', output_type, test_split: 'test' },
        dataset_kwargs: { data_files: { test: 'rows.jsonl' } },
        ...{ doc_to_text: output_type === 'loglikelihood' ? 'It is' : '', doc_to_target: ' {{a}}' },
      }
      writeFileSync(file, JSON.stringify(config))
      writeFileSync(join(folder, 'rows.jsonl'), '{"a":"ice"}\n{"a":"fire"}\n')
      const { tasks } = await loadTasks([file], folder)
      const fake = fakeModel()
      const model: Scorer = {
        ...fake,
        async *scoreStream(requests, options) {
          for await (const result of fake.scoreStream(requests, options)) {
            if (result.continuations[0]!.logLikelihood < -' ice'.length)
              result.continuations[0]!.logLikelihood = Number.NaN
            yield result
          }
        },
        async perplexity(text, options) {
          const result = await fake.perplexity(text, options)
          return String(text).includes('fire') ? { ...result, logLikelihood: Number.NaN } : result
        },
      }
      for (const allowNan of [false, true])
        await assert.rejects(evaluate(model, { dataDir: folder, tasks, allowNan }), {
          code: 'SCORE_NOT_FINITE',
          message:
            /^mine, sample 2 .*; the perplexity of a task has no value with such a sample, whatever allowNan says\.$/,
        })
    })

  it('a journal holds them as null; who does not allow them does not get past them', async () => {
    const out = join(folder, 'journal')
    const saved = async (allowNan: boolean) => {
      await using opened = await RunFolder.open(out)
      return run(giving(Number.NaN), 'copa', { allowNan, folder: opened })
    }
    await assert.rejects(saved(false), { code: 'SCORE_NOT_FINITE' })
    const records = () => jsonLines(readFileSync(join(out, 'samples', 'copa.jsonl'), 'utf8'))
    assert.equal(records().length, 2)
    await using opened = await RunFolder.open(out)
    // The second of these answers is the fourth sample of all.
    const sound = fakeModel()
    await run(sound, 'copa', { folder: opened })
    assert.equal(records().length, 6)
    await run(giving(Number.NaN), 'copa', { folder: opened, ...{ redo: true, allowNan: true } })
    const third = records()[2]
    assert.deepEqual(
      [third.logLikelihoods[1], third.prediction, third.scores, third.tied],
      [null, null, { acc: 0, acc_norm: 0, acc_bytes: 0, acc_per_token: 0 }, undefined],
    )
    await assert.rejects(run(sound, 'copa', { folder: opened }), {
      code: 'SCORE_NOT_FINITE',
      message: /^COPA, sample 3/,
    })
    const results = await run(sound, 'copa', { folder: opened, allowNan: true })
    assert.equal(results.tasks.copa?.notFinite, 1)
  })

  it('of a real model: the command fails, or shows how many where that is asked for', async () => {
    const model = join(folder, 'model')
    cpSync(join(root, 'default', 'model'), model, { recursive: true })
    const file = join(model, 'model.safetensors')
    const bytes = readFileSync(file)
    const start = 8 + Number(bytes.readBigUInt64LE(0))
    const header: Record<string, { data_offsets?: [number, number] }> = JSON.parse(
      bytes.toString('utf8', 8, start),
    )
    // The norms' weights of 1 become bfloat16's 2^63, and what they scale overflows. NaN chooses the token 0, the end here.
    for (const [name, { data_offsets }] of Object.entries(header)) {
      if (!data_offsets || !name.includes('norm')) continue
      for (let at = data_offsets[0]; at < data_offsets[1]; at += 2) bytes.writeUInt16LE(0x5f00, start + at)
    }
    writeFileSync(file, bytes)
    const config = join(model, 'config.json')
    writeFileSync(config, readFileSync(config, 'utf8').replace('"eos_token_id": 257', '"eos_token_id": 0'))
    const args = ['eval', '--model', model, '--quiet', '--dtype', 'float16']
    for (const [task, title] of [
      ['copa', 'COPA'],
      ['squad', 'SQuAD'],
    ] as const) {
      const refused = await cli([...args, '--tasks', task])
      assert.deepEqual([refused.code, refused.stdout], [1, ''])
      assert.match(
        refused.stderr,
        new RegExp(
          `^error: ${title}, sample 1 .* is NaN or infinite\\. Most likely a value has overflowed float16, which ends at 65504: try --dtype bfloat16 or --dtype float32; else the checkpoint is broken; --allow-nan counts such samples as wrong and goes on\\. \\[SCORE_NOT_FINITE\\]\\n$`,
        ),
      )
      const { code, stdout } = await cli([...args, '--tasks', task, '--allow-nan'])
      assert.equal(code, 0)
      assert.match(stdout, new RegExp(`NaN or an infinity \\(counted as wrong\\): ${title} [46]\\.`))
    }
  })
})
