// Tests the gates of mt-llama eval: conditions on figures of every kind of run, comparisons with a saved run, JUnit XML.
import assert from 'node:assert/strict'
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { cli, jsonLines } from './cli-run.ts'
import { type KindsOfRuns, kindsOfRuns } from './kinds-of-runs.ts'
import { samplesOf, writeRun } from './saved-run.ts'

describe('the gates of mt-llama eval', () => {
  let folder: string
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'mt-llama-gates-'))
  })
  afterEach(() => rmSync(folder, { recursive: true, force: true }))

  /** Gives all samples of a task of a saved run this score. */
  const set = (run: string, task: string, metric: string, score: number) => {
    const file = join(run, 'samples', `${task}.jsonl`)
    const rows = jsonLines(readFileSync(file, 'utf8'))
    const changed = rows.map(row => ({ ...row, scores: { ...row.scores, [metric]: score } }))
    writeFileSync(file, changed.map(row => `${JSON.stringify(row)}\n`).join(''))
  }
  const evaluate = (...args: string[]) => cli(['eval', '--quiet', '--tasks', 'copa,squad', ...args])

  it('that hold leave exit code 0, one that does not gives 100 after all is saved and printed', async () => {
    const out = join(folder, 'out')
    const good = await evaluate('--out', out, '--gate', 'copa.acc>=0', '--gate', 'squad.f1 <= 1')
    assert.deepEqual([good.code, good.stderr], [0, ''])
    const { tasks } = JSON.parse(readFileSync(join(out, 'results.json'), 'utf8'))
    const { value } = tasks.copa.metrics.acc
    // The very value is a bound that >= and <= hold and > and < do not.
    for (const [operator, wanted] of [
      ['>=', 0],
      ['<=', 0],
      ['>', 100],
      ['<', 100],
    ] as const) {
      const { code, stderr, stdout } = await evaluate('--out', out, '--gate', `copa.acc${operator}${value}`)
      assert.equal(code, wanted, stderr)
      assert.match(stdout, /### Unseen tasks/)
      const text = `gate copa.acc${operator}${value}: FAILED; copa.acc is ${value}\n`
      assert.equal(stderr, wanted === 0 ? '' : text)
    }
    const json = await evaluate('--json', '--gate', 'copa.acc_norm>1')
    assert.equal(json.code, 100)
    assert.deepEqual(
      JSON.parse(json.stdout).gates.map(({ gate, passed }: { gate: string; passed: boolean }) => [
        gate,
        passed,
      ]),
      [['copa.acc_norm>1', false]],
    )
  })

  it('are judged on saved samples too', async () => {
    const out = join(folder, 'out')
    assert.equal((await evaluate('--out', out)).code, 0)
    const again = (gate: string) => cli(['eval', '--quiet', '--rescore', out, '--gate', gate])
    assert.equal((await again('copa.acc>1')).code, 100)
    assert.equal((await again('copa.acc<=1')).code, 0)
    assert.match((await again('copa.f1<=1')).stderr, /copa has no metric "f1"; it has acc, /)
  })

  const refused: [args: string[], code: number, message: RegExp][] = [
    [
      ['--gate', 'copa.f1>=0.5'],
      1,
      /^error: gate copa\.f1>=0\.5: copa has no metric "f1"; it has acc, acc_norm, acc_bytes, acc_per_token, auc\. \[INVALID_ARGUMENT\]\n$/,
    ],
    [['--gate', 'rte.acc>=0.5'], 1, /gate rte\.acc>=0\.5: no task "rte" is run; there are squad, copa\. /],
    [['--gate', 'toString.acc>=0.5'], 1, /no task "toString" is run/],
    [['--gate', 'copa.toString>=0.5'], 1, /copa has no metric "toString"/],
    ...[
      'copa>=0.5',
      'copa.acc',
      'copa.acc=0.5',
      'copa.acc==0.5',
      'copa.acc>=',
      'copa.acc>=x',
      'copa.acc>=0.5%',
      'copa.acc>=1e999',
      'acc',
      '',
    ].map((gate): [string[], number, RegExp] => [
      ['--gate', gate],
      2,
      /Expected TASK\.METRIC, one of >=, <=, > or <, and a number, as in copa\.acc>=0\.85/,
    ]),
    [
      ['--gate-vs', '/nowhere'],
      1,
      /--gate-vs compares saved samples, so it needs --out DIR for those of this run\./,
    ],
    [
      ['--gate-vs', '/nowhere', '--out', '/nowhere/.'],
      1,
      /--gate-vs \/nowhere is the run's own folder\. Name another run's\./,
    ],
    [['--junit', ''], 2, /Expected the name of a file\./],
    [['--junit', '/'], 1, /^error: \/\.part|a folder is in the way of the file\. Name another --junit file/],
    [
      ['--junit', '/dev/null/eval.xml'],
      1,
      /a part of the path is a file, not a folder\. Name another --junit file/,
    ],
  ]
  for (const [args, wanted, message] of refused)
    it(`${args.join(' ')} is refused before anything is loaded`, async () => {
      const { code, stderr } = await evaluate(...args, '--model', '/nowhere', '--data-dir', '/nowhere')
      assert.equal(code, wanted, stderr)
      assert.match(stderr, message)
    })

  it('--gate-vs passes beside an equal run, and fails where samples are worse beyond chance', async () => {
    const [base, out] = [join(folder, 'base'), join(folder, 'out')]
    assert.equal((await evaluate('--out', base)).code, 0)
    const same = await evaluate('--out', out, '--gate-vs', base)
    assert.deepEqual([same.code, same.stderr], [0, ''])
    // All six samples of the base are right and six of this run wrong: p is 2 / 2^6.
    set(base, 'copa', 'acc', 1)
    set(out, 'copa', 'acc', 0)
    const junit = join(folder, 'eval.xml')
    const worse = await evaluate('--out', out, '--gate-vs', base, '--junit', junit)
    assert.equal(worse.code, 100)
    assert.match(
      worse.stderr,
      /^gate copa\.acc not worse than .*\/base: FAILED; 0 against 1 there, 6 pairs, 0 up, 6 down, McNemar's p 0\.03125\n$/,
    )
    assert.match(
      readFileSync(junit, 'utf8'),
      /<testsuite name="gates" tests="3" failures="1" errors="0" skipped="0" time="0\.000">/,
    )
    // The other way round the run is better, which passes.
    set(base, 'copa', 'acc', 0)
    set(out, 'copa', 'acc', 1)
    assert.equal((await evaluate('--out', out, '--gate-vs', base)).code, 0)
  })

  it('--gate-vs refuses a run of other data or tasks before a model is loaded', async () => {
    const out = ['--out', join(folder, 'out'), '--model', '/nowhere']
    const base = writeRun(join(folder, 'base'), { copa: samplesOf([1, 0]) })
    const other = await evaluate('--tasks', 'copa', ...out, '--gate-vs', base)
    assert.equal(other.code, 1)
    assert.match(
      other.stderr,
      /COPA, sample "0": its prompt is "Which, 0\?" in .* and "The kettle .* in .*default\/data\./,
    )
    const lacks = await evaluate(...out, '--gate-vs', base)
    assert.match(lacks.stderr, /base has no results of squad; it has copa\. \[DATA_NOT_FOUND\]/)
  })

  it('--junit reports each task and gate', async () => {
    const junit = join(folder, 'eval.xml')
    const { code } = await evaluate('--junit', junit, '--gate', 'copa.acc>1', '--gate', 'squad.f1>=0')
    assert.equal(code, 100)
    const text = readFileSync(junit, 'utf8')
    assert.match(
      text,
      /^<\?xml version="1\.0" encoding="UTF-8"\?>\n<testsuites name="mt-llama eval" tests="4" failures="1" errors="0" skipped="0" time="/,
    )
    assert.match(
      text,
      /<testcase classname="mt-llama\.tasks" name="copa" time="[\d.]+">\n +<system-out>acc [\d.]+ \(95 %: /,
    )
    assert.match(
      text,
      /<testcase classname="mt-llama\.gates" name="copa\.acc&gt;1" time="0\.000">\n +<failure message="copa\.acc is [\d.]+"\/>\n/,
    )
    assert.match(text, /name="squad\.f1&gt;=0" time="0\.000">\n +<system-out>squad\.f1 is /)
  })

  interface Kind {
    args(kinds: KindsOfRuns): string[]
    /** Gates that hold, whatever the model. */
    holding: string[]
    /** One that does not, and the path of its figure in results.json. */
    failing: [gate: string, figure: string[]]
    /** One that names no metric of the run, and what is said. */
    unknown: [gate: string, message: string]
    /** A task whose samples are made worse than a saved run's, its metric, and the number of pairs. */
    worse: [task: string, metric: string, pairs: number]
  }
  const rows: Record<string, Kind> = {
    'protocol t0': {
      args: ({ templatesDir }) => ['--protocol', 't0', '--templates-dir', templatesDir, '--tasks', 'copa'],
      holding: ['copa.acc_mean>=0', 'copa.acc_median<=1', 'copa.acc_per_token>=0'],
      failing: ['copa.acc_min>1', ['tasks', 'copa', 'metrics', 'acc_min']],
      unknown: [
        'copa.acc_mode>0',
        'copa has no metric "acc_mode"; it has acc, acc_norm, acc_bytes, acc_per_token, acc_mean, acc_median, acc_min, acc_max.',
      ],
      // Pairs are items, each asked about by several templates.
      worse: ['copa', 'acc', 6],
    },
    'protocol release': {
      args: () => ['--protocol', 'release', '--tasks', 'pawsx'],
      holding: ['pawsx.acc>=0', 'pawsx_zh.acc<=1'],
      failing: ['pawsx.acc>1', ['languageMeans', 'pawsx', 'metrics', 'acc']],
      unknown: ['pawsx.f1>0', 'pawsx has no metric "f1"; it has acc.'],
      worse: ['pawsx_ja', 'acc', 6],
    },
    'one language of a set': {
      args: () => ['--protocol', 'release', '--tasks', 'pawsx_en'],
      holding: ['pawsx_en.acc>=0'],
      failing: ['pawsx_en.acc>1', ['tasks', 'pawsx_en', 'metrics', 'acc']],
      // Over fewer languages the mean would be another figure, so there is none.
      unknown: ['pawsx.acc>0', 'no task "pawsx" is run; there are pawsx_en.'],
      worse: ['pawsx_en', 'acc', 6],
    },
    'task files': {
      args: ({ taskFiles, dataDir }) => ['--tasks', taskFiles.join(','), '--data-root', dataDir],
      holding: ['feel.acc>=0', 'answer.exact_match,as is v1.0<=1', 'text.word_perplexity > 1', 'line.acc<=1'],
      failing: ['feel.acc_norm>1', ['groups', 'feel', 'figures', 'acc_norm']],
      unknown: ['feel.f1>0', 'feel has no metric "f1"; it has acc, acc_norm.'],
      worse: ['touch', 'acc', 6],
    },
  }
  for (const [kind, { args, holding, failing, unknown, worse }] of Object.entries(rows))
    it(`judge figures of ${kind}, and samples against a saved run's`, async () => {
      const kinds = kindsOfRuns(folder)
      const [base, out, junit] = ['base', 'out', 'eval.xml'].map(name => join(folder, name)) as [
        ...[string, string, string],
      ]
      const evaluate = (...more: string[]) =>
        cli(['eval', '--quiet', '--data-dir', kinds.dataDir, ...args(kinds), ...more])
      const gates = (texts: string[]) => texts.flatMap(text => ['--gate', text])

      const first = await evaluate('--out', base, ...gates([...holding, failing[0]]), '--junit', junit)
      assert.equal(first.code, 100, first.stderr)
      const results = JSON.parse(readFileSync(join(base, 'results.json'), 'utf8'))
      const { value } = failing[1].reduce((at, name) => at[name], results)
      const found = `${failing[0].split('>')[0]} is ${value}`
      assert.equal(first.stderr, `gate ${failing[0]}: FAILED; ${found}\n`)
      const text = readFileSync(junit, 'utf8')
      assert.ok(text.includes(`<testsuite name="gates" tests="${holding.length + 1}" failures="1" `), text)
      assert.ok(text.includes(`<failure message="${found}"/>`), text)

      const refused = await evaluate('--gate', unknown[0])
      assert.equal(refused.stderr, `error: gate ${unknown[0]}: ${unknown[1]} [INVALID_ARGUMENT]\n`)
      assert.equal(refused.code, 1)

      cpSync(base, out, { recursive: true })
      const versus = ['--out', out, '--gate-vs', base]
      const same = await evaluate(...versus, ...gates(holding))
      assert.deepEqual([same.code, same.stderr], [0, ''])
      const [task, metric, pairs] = worse
      set(base, task, metric, 1)
      set(out, task, metric, 0)
      const lower = await evaluate(...versus, '--junit', junit)
      assert.equal(lower.code, 100, lower.stderr)
      assert.equal(
        lower.stderr,
        `gate ${task}.${metric} not worse than ${base}: FAILED; 0 against 1 there, ${pairs} pairs, 0 up, 6 down, McNemar's p 0.03125\n`,
      )
      assert.match(readFileSync(junit, 'utf8'), /<testsuite name="gates" tests="\d+" failures="1" /)
    })
})
