// The report of saved runs as a file: what it holds, and what it must not hold.
import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { html } from '../src/report/html.ts'
import { writeReport } from '../src/report/report.ts'
import type { PageData } from '../src/report/samples.ts'
import { cli } from './cli-run.ts'
import { hostile, ranked, writeRun } from './report-runs.ts'

describe('report', () => {
  let folder: string
  let out: string
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'mt-llama-report-'))
    out = join(folder, 'report.html')
  })
  afterEach(() => rmSync(folder, { recursive: true }))

  const write = async (dirs: readonly string[], limit = Number.POSITIVE_INFINITY) => {
    await writeReport(dirs, out, limit)
    return readFileSync(out, 'utf8')
  }
  const dataOf = (text: string): PageData =>
    JSON.parse(text.split('<script type="application/json" id="data">')[1]!.split('</script>')[0]!)
  const run = (name: string, records: object[], protocol = 'card') =>
    writeRun({ dir: join(folder, name), protocol, tasks: { copa: records } })

  it('holds every sample of an evaluation, and the figures of its tables', async () => {
    const dir = join(folder, 'run')
    const evaluated = await cli(['eval', '--quiet', '--out', dir])
    assert.equal(evaluated.code, 0, evaluated.stderr)
    const { code, stdout, stderr } = await cli(['report', dir, '--out', out, '--json'])
    assert.deepEqual([code, stderr], [0, ''])
    const text = readFileSync(out, 'utf8')
    const results = JSON.parse(readFileSync(join(dir, 'results.json'), 'utf8'))
    const { samples, tasks } = dataOf(text)
    const expected = Object.keys(results.tasks).flatMap(name =>
      readFileSync(join(dir, 'samples', `${name}.jsonl`), 'utf8')
        .split('\n')
        .filter(Boolean)
        .map(line => [results.tasks[name].title, JSON.parse(line)]),
    )
    assert.equal(expected.length, 53)
    assert.deepEqual(
      samples.map(({ task, ask, answers }) => [tasks[task]!.title, { ...ask, ...answers[0] }]),
      expected,
    )
    assert.deepEqual(JSON.parse(stdout), {
      file: out,
      bytes: Buffer.byteLength(text),
      runs: ['run'],
      samples: 53,
    })
    const { value, interval } = results.tasks.wic.metrics.acc
    const [figure, low, high] = [value, interval.low, interval.high].map(one => (100 * one).toFixed(1))
    assert.ok(text.includes(`<td>${figure}<small>${low} to ${high}</small></td>`))
  })

  it('names nothing outside itself, and only its own script may run', async () => {
    const text = await write([run('a', [ranked('0', true)])])
    const [markup] = text.split('<script type="application/json"')
    assert.doesNotMatch(text, /https?:|url\(|@import|\bimport\s*\(|\bfetch\(/)
    assert.doesNotMatch(markup!, /\ssrc=|<link|<iframe|\sstyle=|\son\w+=/)
    assert.match(text, /default-src &#39;none&#39;|default-src 'none'/)
  })

  it('keeps texts of samples, tasks and runs from becoming markup', async () => {
    const dir = writeRun({
      dir: join(folder, '<b>run&'),
      tasks: {
        copa: [ranked(hostile, true, { prompt: hostile, choices: [hostile, 'no'], template: hostile })],
      },
      results: { copa: { title: hostile } },
    })
    const text = await write([dir])
    assert.equal(text.match(/<\/script/g)?.length, 2)
    assert.doesNotMatch(text, /<img|<b>|<!--/)
    assert.ok(!/[\u2028\u2029]/.test(text.split('id="data">')[1]!))
    const { samples, tasks } = dataOf(text)
    assert.deepEqual(
      [samples[0]!.ask.prompt, samples[0]!.ask.id, tasks[0]!.title],
      [hostile, hostile, hostile],
    )
  })

  it('escapes what stands between tags and in attributes', () => {
    const list = [html`<i>${'>'}</i>`, false as const, undefined, 1]
    assert.equal(
      html`<p title="${`"'<&`}">${list}</p>`.text,
      '<p title="&#34;&#39;&#60;&#38;"><i>&#62;</i>1</p>',
    )
  })

  it('pairs the samples of runs of one protocol by id, and holds a question once', async () => {
    const a = run('a', [ranked('0', true), ranked('1', false)])
    const b = run('b', [ranked('1', true), ranked('0', false), ranked('2', true)])
    const { samples } = dataOf(await write([a, b]))
    assert.deepEqual(
      samples.map(({ ask, answers }) => [
        ask.id,
        answers.map(one => (one?.scores as { acc: number } | undefined)?.acc ?? null),
      ]),
      [
        ['0', [1, 0]],
        ['1', [0, 1]],
        ['2', [null, 1]],
      ],
    )
  })

  it('compares runs of one protocol by the tasks that both have', async () => {
    const records = Array.from({ length: 12 }, (_, i) => ranked(`${i}`, i < 2))
    const better = Array.from({ length: 12 }, (_, i) => ranked(`${i}`, i > 1))
    const a = writeRun({ dir: join(folder, 'a'), tasks: { copa: records, rte: records } })
    const b = writeRun({ dir: join(folder, 'b'), tasks: { copa: better } })
    const c = writeRun({ dir: join(folder, 'c'), protocol: 'other', tasks: { copa: better } })
    const text = await write([a, b, c])
    const [, table] = text.split('<caption>b against a</caption>')
    const cells = [...table!.split('</tbody>')[0]!.matchAll(/<t[dh]\b[^>]*>([^<]*)</g)].map(
      ([, cell]) => cell,
    )
    // 10 pairs went up and 2 down: McNemar's p is 2 * (C(12,0) + C(12,1) + C(12,2)) / 2 ** 12 = 158 / 4096.
    assert.deepEqual(cells.slice(9).toSpliced(4, 1), [
      'COPA (Acc.)',
      '16.7',
      '83.3',
      '+66.7*',
      '10',
      '2',
      '0.0386',
      '12',
    ])
    assert.ok(!text.includes('c against a'))
  })

  it('leaves apart what different protocols ask', async () => {
    const a = run('a', [ranked('0', true)])
    const b = run('b', [ranked('0', false, { prompt: 'Otherwise' })], 'release')
    const { samples } = dataOf(await write([a, b]))
    assert.deepEqual(
      samples.map(({ ask, answers }) => [ask.prompt, answers.map(one => one !== null)]),
      [
        ['Question 0?', [true, false]],
        ['Otherwise', [false, true]],
      ],
    )
  })

  it('takes the first samples of each task where it is told how many', async () => {
    const dir = writeRun({
      dir: join(folder, 'a'),
      tasks: { copa: [ranked('0', true), ranked('1', true)], rte: [ranked('7', true), ranked('8', true)] },
    })
    assert.deepEqual(
      dataOf(await write([dir], 1)).samples.map(({ ask }) => ask.id),
      ['0', '7'],
    )
  })

  it('draws a dot for each template and none for what spreads over them', async () => {
    const figure = (value: number) => ({ value, standardError: null, bootstrapError: null, interval: null })
    const template = (name: string, value: number) => ({
      ...{ template: name, samples: 2 },
      metrics: { acc: { ...figure(value), standardError: 0.1 } },
    })
    const dir = writeRun({
      dir: join(folder, 'a'),
      protocol: 't0',
      tasks: { copa: [ranked('0', true, { template: 'one' }), ranked('0', false, { template: 'two' })] },
      results: {
        copa: {
          headline: ['acc_mean', 'acc_min'],
          metrics: { acc_mean: figure(0.5), acc_min: figure(0.25) },
          templates: [template('one', 0.25), template('two', 0.75)],
        },
      },
    })
    const text = await write([dir])
    const at = (percent: number) => 200 + (540 * percent) / 100
    assert.deepEqual(
      [...text.matchAll(/class="template" cx="([\d.]+)"/g)].map(([, x]) => Number(x)),
      [at(25), at(75)],
    )
    assert.deepEqual(
      [...text.matchAll(/class="sign" cx="([\d.]+)"/g)].map(([, x]) => Number(x)),
      [at(50)],
    )
    assert.equal(dataOf(text).tasks[0]!.metric, 'acc')
  })

  it('gives the titles of a plot room as they are long, and the longest to those that point at them', async () => {
    const rows = (title: string) =>
      writeRun({
        dir: join(folder, title.length.toString()),
        tasks: { own: [ranked('0', true)] },
        results: { own: { title } },
      })
    const heads = async (title: string) => {
      const text = await write([rows(title)])
      const [, x, shown, whole] =
        /<text class="row" x="([\d.]+)"[^>]*>([^<]*)(?:<title>([^<]*)<\/title>)?/.exec(text)!
      return { x: Number(x), shown, whole }
    }
    assert.deepEqual(await heads('short'), { x: 188, shown: 'short (Acc.)', whole: undefined })
    const long = 'a_task_of_forty_one_letters_in_all_as_it_is'
    assert.deepEqual(await heads(long), { x: 7.5 * 50, shown: `${long} (Acc.)`, whole: undefined })
    const longer = await heads('語'.repeat(60))
    assert.deepEqual(longer, { x: 408, shown: `${'語'.repeat(30)}…`, whole: `${'語'.repeat(60)} (Acc.)` })
  })

  describe('refuses', () => {
    const cases: [what: string, dirs: () => string[], code: string, message: RegExp][] = [
      [
        'a folder without a run',
        () => [join(folder, 'none')],
        'DATA_NOT_FOUND',
        /none.results\.json: no such file/,
      ],
      [
        'a run twice',
        () => [run('a', [ranked('0', true)]), `${folder}/./a`],
        'INVALID_ARGUMENT',
        /named twice/,
      ],
      [
        'runs of different data',
        () => [run('a', [ranked('0', true)]), run('b', [ranked('0', true, { prompt: 'Else' })])],
        'DATA_INVALID',
        /COPA, sample "0": its prompt is "Question 0\?" in .*Else/,
      ],
      [
        'a broken line of samples',
        () => {
          const dir = run('a', [ranked('0', true)])
          writeFileSync(join(dir, 'samples', 'copa.jsonl'), `{}\n${JSON.stringify(ranked('0', true))}\n`)
          return [dir]
        },
        'DATA_INVALID',
        /copa\.jsonl, line 1: not a record/,
      ],
      [
        'a folder as its file',
        () => {
          mkdirSync(out)
          return [run('a', [ranked('0', true)])]
        },
        'OUTPUT',
        /report\.html: .*folder is in the way/,
      ],
    ]
    for (const [what, dirs, code, message] of cases)
      it(what, () => assert.rejects(write(dirs()), { code, message }))
  })
})
