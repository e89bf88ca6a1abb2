// What is told of choices beside accuracy: AUC as scikit-learn has it, and a warning where nearly all answers are the same one.
import assert from 'node:assert/strict'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { collapseWarnings } from '../src/evaluation/choices.ts'
import { compare } from '../src/evaluation/compare/compare.ts'
import { countedResult } from '../src/evaluation/counted-result.ts'
import { report } from '../src/evaluation/report.ts'
import type { RunResults, SampleRecord, TaskResult } from '../src/evaluation/results.ts'
import { Tally } from '../src/evaluation/tally.ts'
import { aggregated, statisticOf } from '../src/metrics/aggregation.ts'
import { withFolder } from './checkpoint-files.ts'
import { cli } from './cli-run.ts'
import { ranked, writeRun } from './report-runs.ts'
import { carried } from './shared.ts'

interface Golden {
  scores: number[]
  partners: number[]
  value: number
  bootstrap_stderr: number
  interval: [number, number]
}

describe('choices', () => {
  const near = (own: number, want: number, tolerance: number, what: string) =>
    assert.ok(Math.abs(own - want) <= tolerance, `${what}: ${own}, want ${want} +- ${tolerance}`)

  const golden: Golden[] = JSON.parse(readFileSync(carried('auc.json'), 'utf8'))
  for (const { value, bootstrap_stderr, interval, ...all } of golden) {
    const distinct = new Set(all.scores).size
    it(`AUC of ${all.scores.length} scores, ${distinct} of them distinct, is scikit-learn's`, async () => {
      const found = await aggregated('auc', all)
      near(found.value, value, 1e-12, 'value')
      assert.equal(found.standardError, null)
      // 4,000 resamples give a deviation to 1.1 %, and a percentile to 0.04 deviations; ties make steps of both.
      near(found.bootstrapError!, bootstrap_stderr, 0.1 * bootstrap_stderr, 'bootstrap error')
      near(found.interval!.low, interval[0], 0.2 * bootstrap_stderr, 'low')
      near(found.interval!.high, interval[1], 0.2 * bootstrap_stderr, 'high')
    })
  }

  it('AUC of a single class is not defined', () => {
    for (const partners of [[], [0], [1, 1, 1]])
      assert.ok(Number.isNaN(statisticOf('auc', { scores: partners.map((_, i) => i), partners })()))
  })

  /** A record of a choice; `lead` is by how much the second choice is likelier. */
  const record = (id: number, gold: number, lead: number, fields: object = {}) =>
    ranked(`${id}`, (lead > 0 ? 1 : 0) === gold, {
      ...{ choices: ['No', 'Yes'], gold, logLikelihoods: [-3, -3 + lead], prediction: lead > 0 ? 1 : 0 },
      ...fields,
    }) as SampleRecord
  const resultOf = async (records: readonly SampleRecord[]): Promise<TaskResult> => {
    const tally = new Tally()
    for (const one of records) tally.add(one)
    const known = { title: 'SST-2', headline: ['acc'], decimals: 1, files: [], skipped: 0 } as const
    const counted = await countedResult(tally, { ...known, samplesTotal: records.length })
    return { ...counted, timing: { tokens: 1, seconds: 1 } }
  }
  /** So many records, of which one in two has each gold; the first `yes` of them are answered by the second choice. */
  const answers = (count: number, yes: number, fields: object = {}) =>
    Array.from({ length: count }, (_, i) => record(i, i % 2, i < yes ? 1 : -1, fields))

  const known = [0, 1, 0, 1, 1, 0, 1, 0, 0, 1]
  const leads = [-2, 1, -1, 3, -1, 0.5, 2, -3, 1, 0.25]

  it('AUC does not change where one answer becomes likelier in all samples, as accuracy does', async () => {
    const plain = await resultOf(known.map((gold, i) => record(i, gold, leads[i]!)))
    const biased = await resultOf(known.map((gold, i) => record(i, gold, leads[i]! - 10)))
    assert.deepEqual([plain.metrics.acc!.value, biased.metrics.acc!.value], [0.7, 0.5])
    // Of 25 pairs, 19 are in order and 2 are tied: counted by hand.
    assert.equal(plain.metrics.auc!.value, 20 / 25)
    assert.deepEqual(biased.metrics.auc, plain.metrics.auc)
    assert.deepEqual(biased.commonest, { answer: 'No', share: 1, right: 0.5, predictions: 10 })
  })

  const three = { choices: ['Yes', 'Maybe', 'No'], logLikelihoods: [-1, -2, -3], prediction: 0 }
  const ofClass = { kind: 'generate', choices: ['no.', 'yes.'], logLikelihoods: undefined }
  const rows: [what: string, records: SampleRecord[], warnings: RegExp[]][] = [
    [
      'all answers the same',
      answers(20, 0),
      [
        /^SST-2: 100\.0 % of 20 predictions are "No", which is right for 50\.0 %; the accuracy tells little, AUC \(50\.0\) /,
      ],
    ],
    ['91 of 100', answers(100, 91), [/^SST-2: 91\.0 % of 100 predictions are "Yes"/]],
    ['90 of 100', answers(100, 90), []],
    ['9 of 9, which chance gives too', answers(9, 0), []],
    ['10 of 10', answers(10, 0), [/100\.0 % of 10/]],
    ['three choices', answers(12, 0, three), [/are "Yes", .*; the accuracy tells little\.$/]],
    [
      'choices of their own',
      answers(12, 0).map((one, i) => ({ ...one, choices: [`a ${i}`, `b ${i}`] })) as SampleRecord[],
      [/100\.0 % of 12 predictions are "choice 1"/],
    ],
    ['classes found in texts', answers(12, 12, ofClass), [/are "yes\."/]],
    [
      'texts in which no class was found, which count as the first',
      answers(30, 12, ofClass).map((one, i) => ({ ...one, ...(i >= 12 && { failed: true as const }) })),
      [/100\.0 % of 12 predictions are "yes\."/],
    ],
    [
      'scores that are not finite, which choose nothing',
      answers(40, 20).map((one, i) =>
        i < 20 ? one : ({ ...one, logLikelihoods: [null, null], prediction: null } as SampleRecord),
      ),
      [/100\.0 % of 20 predictions are "Yes"/],
    ],
    [
      'an answer that is always right',
      Array.from({ length: 12 }, (_, i) => record(i, 0, -1)),
      [/100\.0 % of 12 predictions are "No", which is right for 100\.0 %; the accuracy tells little\.$/],
    ],
    [
      'several right answers',
      answers(12, 0, { golds: [0, 1] }),
      [/which is right for 100\.0 %; the accuracy tells little\.$/],
    ],
    [
      'one of two templates',
      [...answers(12, 0, { template: 'plain' }), ...answers(12, 6, { template: 'x' })],
      [/^SST-2, template "plain": 100\.0 % of 12 predictions are "No"/],
    ],
    ['one choice alone', answers(12, 0, { choices: ['No'], logLikelihoods: [-1] }), []],
    [
      'texts of any words',
      answers(12, 0, { ...ofClass, choices: undefined, prediction: 'No', gold: ['No'] }),
      [],
    ],
  ]
  for (const [what, records, warnings] of rows)
    it(`${warnings.length > 0 ? 'a warning' : 'no warning'} of ${what}`, async () => {
      const found = collapseWarnings([await resultOf(records)])
      assert.equal(found.length, warnings.length, found.join('\n'))
      for (const [i, warning] of warnings.entries()) assert.match(found[i]!, warning)
    })

  it('templates have an AUC each, and no common one', async () => {
    const records = ['a', 'b'].flatMap((template, way) =>
      known.map((gold, i) => record(i, gold, way === 0 ? leads[i]! : -leads[i]!, { template })),
    )
    const { metrics, templates } = await resultOf(records)
    assert.equal(metrics.auc, undefined)
    assert.deepEqual(
      templates!.map(one => one.metrics.auc!.value),
      [20 / 25, 5 / 25],
    )
  })

  it('a comparison has the difference of AUC, with the way in which leads of the right choice go', () =>
    withFolder(async folder => {
      const run = (name: string, change: (lead: number, gold: number) => number, first: object = {}) =>
        writeRun({
          dir: join(folder, name),
          tasks: {
            sst2: known.map((gold, i) => record(i, gold, change(leads[i]!, gold), i === 0 ? first : {})),
          },
        })
      const a = run('a', lead => lead)
      const b = run('b', (lead, gold) => lead + (gold === 1 ? 0.1 : -0.1))
      const withNaN = run('c', lead => lead, { logLikelihoods: [null, null], prediction: null })
      const { others } = await compare([a, b, withNaN])
      const [better, partly] = others.map(({ tasks }) => tasks.sst2!.metrics.auc!)
      assert.deepEqual([better!.before, better!.after], [20 / 25, 20 / 25 + better!.difference])
      assert.deepEqual([better!.higher, better!.lower, better!.mcnemar], [10, 0, null])
      // Without the first sample, of 20 pairs 14 are in order and 2 tied.
      assert.deepEqual([partly!.pairs, partly!.before, partly!.difference], [9, 15 / 20, 0])
    }))

  it('eval warns on stderr, in results.json, table and report, and again where samples are judged anew', () =>
    withFolder(async folder => {
      mkdirSync(join(folder, 'sst2'))
      const rows = Array.from({ length: 12 }, (_, i) => ({ sentence: `line ${i} `, label: i % 2 }))
      writeFileSync(
        join(folder, 'sst2/validation.jsonl'),
        rows.map((row, idx) => `${JSON.stringify({ ...row, idx })}\n`).join(''),
      )
      const out = join(folder, 'out')
      const warning = /SST-2: 100\.0 % of 12 predictions are "(No|Yes)", which is right for 50\.0 %;/
      const run = ['eval', '--data-dir', folder, '--tasks', 'sst2', '--out', out]
      const first = await cli([...run, '--gate', 'sst2.auc>=0'])
      const again = await cli(['eval', '--rescore', out, '--gate', 'sst2.auc>1'])
      assert.deepEqual([first.code, again.code], [0, 100], first.stderr)
      for (const { stderr, stdout } of [first, again]) {
        assert.match(stderr, new RegExp(`^warning: ${warning.source}`, 'm'))
        assert.match(stdout, new RegExp(`^- Warning: ${warning.source}`, 'm'))
        assert.match(stdout, /^\| SST-2 \(AUC\) +\| +\d+\.\d \|/m)
        const results: RunResults = JSON.parse(readFileSync(join(out, 'results.json'), 'utf8'))
        assert.match(results.warnings![0]!, warning)
        assert.equal(results.tasks.sst2!.commonest!.share, 1)
        assert.equal(report(results, { card: false }), readFileSync(join(out, 'table.md'), 'utf8'))
      }
      const html = join(folder, 'report.html')
      assert.equal((await cli(['report', out, '--out', html])).code, 0)
      assert.match(readFileSync(html, 'utf8'), /<li>Warning: SST-2: 100\.0 % of 12 predictions/)
    }))
})
