// Tests task files: what is refused, by file and line; includes, groups, shots and splits; and the commands that read them.
import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { runToEnd } from '../src/evaluation/run.ts'
import { loadWork } from '../src/evaluation/work.ts'
import type { MtLlamaError } from '../src/index.ts'
import { card } from '../src/protocols/card.ts'
import { loadOwnTasks, withOwnTasks } from '../src/protocols/own/own.ts'
import type { GenerateAsk, RankAsk } from '../src/protocols/protocol.ts'
import { cli } from './cli-run.ts'
import { fakeModel, settings } from './fake-model.ts'

const rows = [
  { q: 'Is water wet?', a: 'yes', label: 0, options: ['yes', 'no'] },
  { q: 'Is fire cold?', a: 'no', label: 1, options: ['yes', 'no'] },
  { q: 'Is ice cold?', a: 'yes', label: 0, options: ['yes', 'no'] },
]
const base = {
  task: 'own',
  dataset_path: 'json',
  dataset_kwargs: { data_files: { test: 'rows.jsonl' } },
  test_split: 'test',
  output_type: 'multiple_choice',
  doc_to_text: '{{q}}',
  doc_to_target: 'label',
  doc_to_choice: 'options',
}
/** Aliases of aliases, ten times ten times ten and so on. */
const bomb = [
  'metadata:',
  '  a0: &a0 [x, x]',
  ...Array.from({ length: 9 }, (_, i) => `  a${i + 1}: &a${i + 1} [${Array(10).fill(`*a${i}`).join(', ')}]`),
].join('\n')

type Changes = Record<string, unknown>

describe('task files', () => {
  let folder: string
  const put = (name: string, text: string) => {
    mkdirSync(dirname(join(folder, name)), { recursive: true })
    writeFileSync(join(folder, name), text)
    return join(folder, name)
  }
  /** YAML with a key a line: JSON is YAML. A change to undefined leaves a key out. */
  const yaml = (changes: Changes = {}) =>
    Object.entries({ ...base, ...changes })
      .filter(([, value]) => value !== undefined)
      .map(([key, value]) => `${key}: ${JSON.stringify(value)}\n`)
      .join('')
  const load = async (text: string, limit: number | null = null) => {
    const own = await loadOwnTasks([put('own.yaml', text)], folder)
    const tasks = own.tasks.map(({ task }) => task)
    return { ...own, work: await loadWork(tasks, withOwnTasks(card, own.tasks), { dataDir: folder, limit }) }
  }
  before(() => {
    folder = mkdtempSync(join(tmpdir(), 'mt-llama-tasks-'))
    put('rows.jsonl', rows.map(row => JSON.stringify(row)).join('\n'))
  })
  after(() => rmSync(folder, { recursive: true }))

  const refusals: [what: string, text: string | Changes, message: RegExp][] = [
    [
      'Python',
      `${'task: own\n'}process_docs: !function utils.process\n`,
      /own\.yaml:2: "!function utils.process" is Python code, which is not run/,
    ],
    ['broken YAML', 'task: own\n  - x: [\n', /own\.yaml:\d: not valid YAML: /],
    ['no mapping', '- a\n', /own\.yaml:1: expected a mapping/],
    ['an unknown key', { doc_to_txt: 'x' }, /own\.yaml:9: unknown key "doc_to_txt"; a task has task, /],
    ['a key that objects inherit', { constructor: 'x' }, /unknown key "constructor"/],
    [
      'a metric that objects inherit',
      { metric_list: [{ metric: 'constructor' }] },
      /unknown metric "constructor" of output_type multiple_choice/,
    ],
    [
      'a split that objects inherit',
      { dataset_path: 'set', dataset_kwargs: undefined, test_split: 'constructor' },
      /no data of the split "constructor"/,
    ],
    ['aliases without end', `${yaml()}${bomb}\n`, /own\.yaml:9: Excessive alias count/],
    [
      'a key that needs Python',
      { use_prompt: 'x' },
      /own\.yaml:9: use_prompt is not supported: write the template/,
    ],
    ['no doc_to_text', { doc_to_text: undefined }, /own\.yaml:1: no doc_to_text; a task needs it/],
    [
      'an unknown output_type',
      { output_type: 'rank' },
      /own\.yaml:5: output_type "rank" is not supported; there are multiple_choice, /,
    ],
    [
      'an unknown filter',
      { output_type: 'generate_until', filter_list: [{ name: 'x', filter: [{ function: 'shout' }] }] },
      /own\.yaml:9: unknown filter "shout"; there are take_first, /,
    ],
    [
      'a pattern with no equal',
      {
        output_type: 'generate_until',
        filter_list: [{ name: 'x', filter: [{ function: 'regex', regex_pattern: '(a)\\1' }] }],
      },
      /own\.yaml:9: regex_pattern "\(a\)\\\\1": \\1, a reference to a group, is not supported/,
    ],
    [
      'an unknown metric',
      { metric_list: [{ metric: 'bleu' }] },
      /own\.yaml:9: unknown metric "bleu" of output_type multiple_choice; there are acc, /,
    ],
    [
      'a metric of other questions',
      { metric_list: [{ metric: 'word_perplexity' }] },
      /unknown metric "word_perplexity"/,
    ],
    [
      'an unknown flag',
      { output_type: 'generate_until', metric_list: [{ metric: 'exact_match', ignore_cases: true }] },
      /metric exact_match has no flag "ignore_cases"; it has ignore_case, /,
    ],
    [
      'another aggregation',
      { metric_list: [{ metric: 'acc', aggregation: 'median' }] },
      /aggregation "median" of acc is not supported; expected mean/,
    ],
    [
      'sampling',
      { output_type: 'generate_until', generation_kwargs: { do_sample: true, temperature: 0.7 } },
      /do_sample: true is not supported/,
    ],
    [
      'a broken template',
      { doc_to_text: '{% if %}' },
      /own\.yaml:6: doc_to_text "{% if %}" is not valid Jinja: /,
    ],
    [
      'a template with a name that is nowhere',
      { doc_to_text: '{{question}}' },
      /rows\.jsonl, line 1: doc_to_text "{{question}}" \(.*own\.yaml:6\) does not render: UndefinedError: 'question' is undefined; the row has q, a, label, options/,
    ],
    [
      'a template that fails on row 2',
      { doc_to_text: "{{q if label == 0 else q[a]['x']}}" },
      /rows\.jsonl, line 2: doc_to_text .* \(.*own\.yaml:6\) does not render: UndefinedError/,
    ],
    [
      'choices that are no list',
      { doc_to_choice: '{{a}}' },
      /line 1: doc_to_choice \(.*own\.yaml:8\) gives "yes"; expected a list of texts/,
    ],
    [
      'a label out of range',
      { doc_to_target: '{{label + 1}}' },
      /line 2: doc_to_target \(.*own\.yaml:7\) gives 2; expected the index or the text of one of 2 choices/,
    ],
    [
      'a split without files',
      { test_split: 'validation' },
      /own\.yaml:4: no data_files for the split "validation"; there are some for test/,
    ],
    ['no split', { test_split: undefined }, /own has neither test_split nor validation_split/],
    [
      'a folder that is not there',
      { dataset_path: 'nowhere', dataset_kwargs: undefined },
      /own\.yaml:3: no data of the split "test"\. own: no data in .*nowhere/,
    ],
    [
      'more shots than rows',
      { num_fewshot: 4, fewshot_split: 'test', fewshot_config: { sampler: 'first_n' } },
      /num_fewshot is 4, and there are 2 rows to take shots from/,
    ],
    [
      'an unknown sampler',
      { fewshot_config: { sampler: 'best' } },
      /sampler "best" is not supported; there are default, first_n/,
    ],
    [
      'an include that is not there',
      { include: 'other.yaml' },
      /own\.yaml:9: include other\.yaml: .*cannot be read/,
    ],
    ['an include of itself', { include: 'own.yaml' }, /own\.yaml:9: own\.yaml includes this file again/],
    [
      'a choice that YAML takes for no text',
      `${yaml({ doc_to_choice: undefined })}doc_to_choice: [Yes, No]\n`,
      /own\.yaml:8: a choice of doc_to_choice is true; expected a text/,
    ],
    [
      'a group of a task that is not there',
      'group: g\ntask:\n  - missing\n',
      /own\.yaml:3: no task "missing" in the files of /,
    ],
  ]
  for (const [what, text, message] of refusals)
    it(`refuse ${what}`, async () => {
      await assert.rejects(load(typeof text === 'string' ? text : yaml(text)), (error: MtLlamaError) => {
        assert.match(error.message, message)
        assert.ok(['TASK', 'DATA_NOT_FOUND'].includes(error.code), error.code)
        return true
      })
    })

  it('choices, targets and shots are those of the file', async () => {
    const config = { sampler: 'first_n', fewshot_delimiter: '\n' }
    const changes = {
      description: 'Answer.\n',
      num_fewshot: 1,
      fewshot_split: 'train',
      fewshot_config: config,
    }
    const files = { data_files: { test: 'rows.jsonl', train: 'rows.jsonl' } }
    const { work } = await load(yaml({ ...changes, dataset_kwargs: files, target_delimiter: ': ' }))
    const [, second] = work[0]!.asks as RankAsk[]
    assert.equal(second!.prompt, 'Answer.\nIs water wet?: yes\nIs fire cold?')
    assert.deepEqual([second!.choices, second!.gold], [['yes', 'no'], 1])
    assert.deepEqual(work[0]!.form.metrics, ['acc', 'acc_norm'])
  })

  it('a folder is a data set, its files the splits, as Hugging Face names them', async () => {
    put('set/sub/dev.jsonl', JSON.stringify(rows[1]))
    const { work } = await load(
      yaml({
        ...{ dataset_path: 'set', dataset_name: 'sub', dataset_kwargs: undefined },
        test_split: 'validation',
      }),
    )
    assert.deepEqual(
      work[0]!.asks.map(ask => ask.prompt),
      ['Is fire cold?'],
    )
  })

  it('several targets: any of them is right', async () => {
    const { work } = await load(yaml({ doc_to_target: '{{[0, 1]}}' }))
    const [ask] = work[0]!.asks as RankAsk[]
    assert.deepEqual(ask!.golds, [0, 1])
  })

  it('included keys come before own ones', async () => {
    put('common.yaml', yaml({ description: 'A. ', doc_to_text: 'other' }))
    const { work } = await load("include: common.yaml\ntask: mine\ndoc_to_text: 'B {{q}}'\n")
    assert.equal(work[0]!.task.name, 'mine')
    assert.equal(work[0]!.asks[0]!.prompt, 'A. B Is water wet?')
  })

  it('a name of a built-in task is told apart by .yaml', async () => {
    assert.equal((await load(yaml({ task: 'copa' }))).work[0]!.task.name, 'copa.yaml')
  })

  it('several filters give a figure each', async () => {
    const filter = (name: string, steps: object[]) => ({ name, filter: steps })
    const { work } = await load(
      yaml({
        output_type: 'generate_until',
        filter_list: [
          filter('raw', [{ function: 'take_first' }]),
          filter('bare', [{ function: 'remove_whitespace' }, { function: 'lowercase' }]),
        ],
      }),
    )
    const { form, asks } = work[0]!
    assert.deepEqual(form.metrics, ['exact_match,raw', 'exact_match,bare'])
    if (form.kind !== 'generate') return assert.fail(form.kind)
    assert.deepEqual(form.judge(asks[0] as GenerateAsk, { generated: ' YES ' }).scores, {
      'exact_match,raw': 0,
      'exact_match,bare': 1,
    })
  })

  it('groups find their tasks beside them and mean over them', async () => {
    put('group/a.yaml', yaml({ task: 'a' }))
    put('group/b.yaml', yaml({ task: 'b', doc_to_text: 'q' }))
    const file = put(
      'group/all.yaml',
      'group: all\ntask:\n  - a\n  - task: b\n    task_alias: B\n  - group: inner\n    task: [a]\naggregate_metric_list:\n  - metric: acc\n    weight_by_size: false\n',
    )
    const own = await loadOwnTasks([file], folder)
    assert.deepEqual(own.groups.find(({ name }) => name === 'all')!.tasks, ['a', 'b'])
    const tasks = own.tasks.map(({ task }) => task)
    const work = await loadWork(tasks, withOwnTasks(card, own.tasks), { dataDir: folder, limit: null })
    const results = await runToEnd(fakeModel(), { work, settings, groups: own.groups })
    // The fake model takes the shorter choice, "no", which is right once in three.
    assert.deepEqual(Object.keys(results.groups!), ['all'])
    const { value, tasks: count } = results.groups!.all!.figures.acc!
    assert.ok(Math.abs(value - 1 / 3) < 1e-12)
    assert.equal(count, 2)
  })

  it('mt-llama tasks validate shows one example', async () => {
    const file = put('own.yaml', yaml())
    const { code, stdout, stderr } = await cli([
      'tasks',
      'validate',
      file,
      '--data-root',
      folder,
      '--row',
      '2',
    ])
    assert.deepEqual([code, stderr], [0, ''])
    assert.equal(
      stdout,
      'own: 3 items; metrics acc, acc_norm\n--- prompt ---\nIs fire cold?\n--- choices, as they follow it ---\n" yes"\n" no"\n--- target ---\n1: no\n',
    )
  })

  it('mt-llama tasks lists built-in tasks and those of files', async () => {
    const { code, stdout } = await cli(['tasks', 'list', put('own.yaml', yaml()), '--json'])
    assert.equal(code, 0)
    const listed: { name: string; asks: string }[] = JSON.parse(stdout)
    assert.equal(listed.find(({ name }) => name === 'copa')!.asks, 'card, release')
    assert.equal(listed.at(-1)!.name, 'own')
  })

  it('mt-llama eval runs files beside built-in tasks, goes on with them, and refuses a changed definition', async () => {
    const file = put('own.yaml', yaml())
    const out = join(folder, 'out')
    const run = () =>
      cli([
        'eval',
        '--tasks',
        `copa,${file}`,
        '--data-root',
        folder,
        '--limit',
        '2',
        '--out',
        out,
        '--json',
        '--quiet',
      ])
    const first = await run()
    assert.equal(first.code, 0, first.stderr)
    assert.deepEqual(Object.keys(JSON.parse(first.stdout).tasks), ['copa', 'own'])
    const second = await run()
    assert.equal(second.stdout, first.stdout)
    put('own.yaml', yaml({ metric_list: [{ metric: 'acc' }] }))
    const third = await run()
    assert.equal(third.code, 1)
    assert.match(third.stderr, /holds results of own by another definition than the task file has now/)
  })
})
