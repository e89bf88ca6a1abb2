// Tests tasks that a program defines, and its metrics, through the public evaluate().
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { defineTask, evaluate, loadTasks, type MtLlamaError, registerMetric } from '../src/index.ts'
import { fakeModel } from './fake-model.ts'

interface Row {
  q: string
  a: string
  right: number
}

describe('defineTask() and registerMetric()', () => {
  let folder: string
  let file: string
  before(() => {
    folder = mkdtempSync(join(tmpdir(), 'mt-llama-define-'))
    file = join(folder, 'rows.jsonl')
    const rows: Row[] = [
      { q: 'Is water wet?', a: 'the mill', right: 0 },
      { q: 'Is fire cold?', a: 'a mill', right: 1 },
    ]
    writeFileSync(file, rows.map(row => JSON.stringify(row)).join('\n'))
  })
  after(() => rmSync(folder, { recursive: true }))

  const choice = () =>
    defineTask<Row>({
      ...{ kind: 'choice', name: 'yes-no', files: file },
      prompt: ({ q }, index) => `${index + 1}. ${q}`,
      choices: () => ['yes', 'no'],
      gold: ({ right }) => right,
      metrics: ['acc', 'f1'],
    })

  it('choices, generation, continuations and texts run beside built-in tasks', async () => {
    registerMetric('shared_words', {
      flags: ['min'],
      score: (prediction, gold, { min }) => {
        const words = new Set(gold.split(' '))
        const count = prediction.split(' ').filter(word => words.has(word)).length
        return Number(count >= Number(min))
      },
    })
    const generate = defineTask<Row>({
      ...{ kind: 'generate', name: 'answers', files: [file] },
      prompt: ({ q }) => q,
      gold: ({ a }) => a,
      extract: text => text.trim() || null,
      metrics: ['exact_match', { name: 'shared_words', min: 1 }],
    })
    const continuation = defineTask<Row>({
      ...{ kind: 'continuation', name: 'after', files: file },
      prompt: ({ q }) => q,
      continuation: ({ a }) => ` ${a}`,
    })
    const rolling = defineTask<Row>({ kind: 'rolling', name: 'texts', files: file, text: ({ q }) => q })
    const tasks = ['copa', choice(), generate, continuation, rolling]
    const dataDir = new URL('../default/data', import.meta.url).pathname
    const results = await evaluate(fakeModel(), { dataDir, tasks, limit: 2 })
    const values = (name: string) =>
      Object.entries(results.tasks[name]!.metrics).map(([metric, { value }]) => [metric, value])
    assert.deepEqual(Object.keys(results.tasks), ['copa', 'yes-no', 'answers', 'after', 'texts'])
    // The fake model takes the shorter choice, answers " the mill ", and gives minus the length for a log-likelihood.
    assert.deepEqual(values('yes-no'), [
      ['acc', 0.5],
      ['f1', 2 / 3],
      ['auc', 0.5],
    ])
    assert.deepEqual(values('answers'), [
      ['exact_match', 0.5],
      ['shared_words', 1],
    ])
    assert.deepEqual(values('after'), [
      ['perplexity', Math.exp(8)],
      ['acc', 0],
    ])
    assert.deepEqual(values('texts').slice(0, 2), [
      ['word_perplexity', Math.exp(26 / 6)],
      ['byte_perplexity', Math.exp(1)],
    ])
  })

  it('loadTasks() gives tasks and groups of files', async () => {
    const yaml = join(folder, 'own.yaml')
    writeFileSync(
      yaml,
      'task: own\ndataset_path: json\ndataset_kwargs: {data_files: {test: rows.jsonl}}\ntest_split: test\n' +
        "output_type: multiple_choice\ndoc_to_text: q\ndoc_to_choice: ['yes', 'no']\ndoc_to_target: right\n",
    )
    const group = join(folder, 'all.yaml')
    writeFileSync(group, 'group: all\ntask: own\naggregate_metric_list: {metric: acc}\n')
    const { tasks, groups } = await loadTasks([group], folder)
    const results = await evaluate(fakeModel(), { dataDir: folder, tasks, groups })
    assert.equal(results.groups!.all!.figures.acc!.value, 0.5)
  })

  const refusals: [what: string, define: () => unknown, message: RegExp][] = [
    [
      'a kind',
      () => defineTask({ kind: 'x', name: 'a', files: file } as never),
      /kind is "x"; expected one of choice, /,
    ],
    [
      'a built-in name',
      () => defineTask<Row>({ kind: 'rolling', name: 'copa', files: file, text: r => r.q }),
      /there is a built-in task copa/,
    ],
    [
      'a file',
      () => defineTask<Row>({ kind: 'rolling', name: 'x', files: 'rows.txt', text: r => r.q }),
      /"rows\.txt" is no file of rows/,
    ],
    [
      'a metric',
      () => defineTask<Row>({ kind: 'rolling', name: 'x', files: file, text: r => r.q, metrics: ['acc'] }),
      /unknown metric "acc"/,
    ],
    [
      'a flag',
      () =>
        defineTask<Row>({
          kind: 'generate',
          name: 'x',
          files: file,
          prompt: r => r.q,
          gold: r => r.a,
          metrics: [{ name: 'exact_match', loud: true }],
        }),
      /metric exact_match has no flag "loud"/,
    ],
    [
      'a metric that is there',
      () => registerMetric('exact_match', { score: () => 1 }),
      /there is a metric exact_match already/,
    ],
    [
      'a metric without a function',
      () => registerMetric('mine', {} as never),
      /metric mine: no function score/,
    ],
  ]
  for (const [what, define, message] of refusals)
    it(`refuse ${what}`, () => {
      assert.throws(
        define,
        (error: MtLlamaError) => error.code === 'INVALID_ARGUMENT' && message.test(error.message),
      )
    })

  it('a function that throws is named with its row', async () => {
    const task = defineTask<Row>({
      ...{ kind: 'rolling', name: 'x', files: file },
      text: ({ q, right }) => (right === 0 ? q : (undefined as unknown as string[])[0]!),
    })
    await assert.rejects(evaluate(fakeModel(), { dataDir: folder, tasks: [task] }), (error: MtLlamaError) => {
      assert.match(error.message, /rows\.jsonl, line 2: text\(\) of task x threw: /)
      return error.code === 'TASK'
    })
  })
})
