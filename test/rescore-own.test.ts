// Judges saved samples of task files and of defineTask() again: what may have changed since, and what is refused.
import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { defineTask, evaluate, loadTasks, type OwnTask, registerMetric, rescore } from '../src/index.ts'
import { loadOwnJudging } from '../src/protocols/own/own.ts'
import { cli } from './cli-run.ts'
import { fakeModel } from './fake-model.ts'

const choices = {
  ...{ task: 'mine', dataset_path: 'json', output_type: 'multiple_choice', test_split: 'test' },
  dataset_kwargs: { data_files: { test: 'rows.jsonl' } },
  ...{ doc_to_text: '{{q}}', doc_to_choice: ['no', 'yes'], doc_to_target: 'right' },
  metric_list: [{ metric: 'acc' }],
}
const answers = {
  ...choices,
  ...{ output_type: 'generate_until', doc_to_choice: null, doc_to_target: '{{a}}' },
  metric_list: [{ metric: 'exact_match' }],
}
const refusedQuestions = /holds samples of mine by other questions than the task has now/

describe('samples of tasks of one’s own, judged again', () => {
  let folder: string
  let out: string
  let file: string
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'mt-llama-rescore-'))
    out = join(folder, 'run')
    file = join(folder, 'mine.yaml')
    const rows = [0, 1, 1, 0].map((right, i) => ({ q: `Is ${i} odd?`, right, a: 'mill.' }))
    writeFileSync(join(folder, 'rows.jsonl'), rows.map(row => JSON.stringify(row)).join('\n'))
  })
  afterEach(() => rmSync(folder, { recursive: true }))

  const run = async (config: object, options: { pmi?: boolean } = {}) => {
    writeFileSync(file, JSON.stringify(config))
    const { tasks } = await loadTasks([file], folder)
    return evaluate(fakeModel(), { dataDir: folder, tasks, out, ...options })
  }
  const again = async (config: object) => {
    writeFileSync(file, JSON.stringify(config))
    return rescore(out, { tasks: await loadOwnJudging([file]) })
  }
  const texts = () =>
    ['results.json', 'table.md', 'samples/mine.jsonl'].map(name => readFileSync(join(out, name), 'utf8'))

  for (const [words, config, options] of [
    ['choices', choices, {}],
    ['choices with F1, which is no mean', { ...choices, metric_list: [{ metric: 'f1' }] }, {}],
    ['choices with PMI by the run', choices, { pmi: true }],
    ['choices with PMI by the file', { ...choices, metric_list: [{ metric: 'acc_mutual_info' }] }, {}],
    ['answers', answers, {}],
  ] as const)
    it(`${words}: come to what they came to, byte for byte, when the data is gone`, async () => {
      await run(config, options)
      const before = texts()
      rmSync(join(folder, 'rows.jsonl'))
      writeFileSync(
        join(out, 'samples/mine.jsonl'),
        before[2]!.replaceAll(/"scores":\{[^}]*\}/g, '"scores":{"x":9}'),
      )
      await again(config)
      assert.deepEqual(texts(), before)
    })

  it('take the metrics that a file has now, and the run goes on with it', async () => {
    await run(choices)
    const changed = { ...choices, metric_list: [{ metric: 'f1' }, { metric: 'acc_bytes' }] }
    const { tasks } = await again(changed)
    assert.deepEqual(Object.keys(tasks.mine!.metrics), ['f1', 'acc_bytes'])
    assert.deepEqual(tasks.mine!.aggregations, { f1: 'f1' })
    const { tasks: own } = await loadTasks([file], folder)
    const unasked = fakeModel(() => assert.fail('a sample was run again'))
    const anew = await evaluate(unasked, { dataDir: folder, tasks: own, out })
    assert.deepEqual(anew.tasks.mine!.metrics, tasks.mine!.metrics)
    const back = await again(choices)
    assert.deepEqual(
      [Object.keys(back.tasks.mine!.metrics), back.tasks.mine!.aggregations],
      [['acc', 'auc'], undefined],
    )
  })

  it('take the flags and filters that a file has now', async () => {
    const before = await run(answers)
    const filter = [{ function: 'regex', regex_pattern: '(mill)' }, { function: 'take_first' }]
    const flagged = { metric: 'exact_match', ignore_punctuation: true }
    const changed = { ...answers, filter_list: [{ name: 'found', filter }], metric_list: [flagged] }
    const { tasks } = await again(changed)
    assert.deepEqual(Object.keys(before.tasks.mine!.metrics), ['exact_match'])
    assert.deepEqual(Object.keys(tasks.mine!.metrics), ['exact_match,found'])
  })

  it('take a metric that is registered since', async () => {
    await run(answers)
    registerMetric('letters_rescored', { score: (prediction, gold) => prediction.length + gold.length })
    const { tasks } = await again({ ...answers, metric_list: [{ metric: 'letters_rescored' }] })
    const lengths = readFileSync(join(out, 'samples/mine.jsonl'), 'utf8')
      .trim()
      .split('\n')
      .map(line => JSON.parse(line).generated.length + 'mill.'.length)
    const mean = lengths.reduce((sum, length) => sum + length, 0) / lengths.length
    assert.equal(tasks.mine!.metrics.letters_rescored!.value, mean)
  })

  it('of defineTask() too, not of another version', async () => {
    const defined = (version: string, metrics: string[]): OwnTask =>
      defineTask<{ q: string; right: number }>({
        ...{ kind: 'choice', name: 'mine', files: join(folder, 'rows.jsonl'), version, metrics },
        ...{ prompt: ({ q }) => q, choices: () => ['no', 'yes'], gold: ({ right }) => right },
      })
    await evaluate(fakeModel(), { dataDir: folder, tasks: [defined('1', ['acc'])], out })
    const { tasks } = await rescore(out, { tasks: [defined('1', ['acc_norm'])] })
    assert.deepEqual(Object.keys(tasks.mine!.metrics), ['acc_norm'])
    await assert.rejects(rescore(out, { tasks: [defined('2', ['acc'])] }), {
      code: 'OUTPUT',
      message: refusedQuestions,
    })
  })

  for (const [words, changes, message] of [
    ['another prompt', { doc_to_text: '{{q}} Say yes or no.' }, refusedQuestions],
    ['other choices', { doc_to_choice: ['No', 'Yes'] }, refusedQuestions],
    ['other data', { dataset_kwargs: { data_files: { test: 'others.jsonl' } } }, refusedQuestions],
    ['another delimiter', { target_delimiter: '\n' }, refusedQuestions],
    ['shots', { num_fewshot: 1 }, refusedQuestions],
    [
      'a metric whose scores were not asked for',
      { metric_list: [{ metric: 'acc_mutual_info' }] },
      /was asked without the scores of its choices alone, which acc_mutual_info needs/,
    ],
  ] as const)
    it(`are refused where the file has ${words} now, and stay as they are`, async () => {
      await run(choices)
      const before = texts()
      await assert.rejects(again({ ...choices, ...changes }), { code: 'OUTPUT', message })
      assert.deepEqual(texts(), before)
    })

  it('are refused without their task', async () => {
    await run(choices)
    await assert.rejects(rescore(out), {
      code: 'INVALID_ARGUMENT',
      message: /the run has task "mine" by protocol own, which this version cannot judge/,
    })
  })

  it('from the command line', async () => {
    await run(choices)
    const changed = { ...choices, metric_list: [{ metric: 'acc_bytes' }] }
    writeFileSync(file, JSON.stringify(changed))
    const { code } = await cli(['eval', '--quiet', '--rescore', out, '--tasks', file])
    assert.equal(code, 0)
    assert.match(texts()[1]!, /acc_bytes/)
    writeFileSync(file, JSON.stringify({ ...changed, doc_to_text: 'q' }))
    const refused = await cli(['eval', '--quiet', '--rescore', out, '--tasks', file])
    assert.notEqual(refused.code, 0)
    assert.match(refused.stderr, refusedQuestions)
  })

  it('a sample without a finite score has no perplexity', async () => {
    const rolling = {
      ...{ ...choices, output_type: 'loglikelihood_rolling', doc_to_choice: null },
      ...{ doc_to_text: '', doc_to_target: '{{q}}', metric_list: null },
    }
    await run(rolling)
    const samples = join(out, 'samples', 'mine.jsonl')
    writeFileSync(
      samples,
      readFileSync(samples, 'utf8').replace(/"logLikelihood":-?[\d.]+/, '"logLikelihood":null'),
    )
    await assert.rejects(again(rolling), {
      code: 'SCORE_NOT_FINITE',
      message: /^sample "0": the log-likelihood of the text is NaN or infinite\. /,
    })
  })
})
