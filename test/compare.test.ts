// Tests comparisons of saved runs: pairs, differences, flips, and what is refused.
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { drain } from '../src/calls/slices.ts'
import type { RankRecord } from '../src/evaluation/results.ts'
import { compare } from '../src/index.ts'
import { bootstrapMeans, middle95 } from '../src/metrics/bootstrap.ts'
import { cli } from './cli-run.ts'
import { sample, samplesOf, writeRun } from './saved-run.ts'

function assertNear(actual: number, wanted: number): void {
  assert.ok(Math.abs(actual - wanted) < 1e-9, `${actual}, want ${wanted}`)
}

describe('compare', () => {
  let folder: string
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'mt-llama-compare-'))
  })
  afterEach(() => rmSync(folder, { recursive: true, force: true }))

  const run = (
    name: string,
    ...args: Parameters<typeof writeRun> extends [string, ...infer Rest] ? Rest : never
  ) => writeRun(join(folder, name), ...args)
  const compared = async (a: readonly object[], b: readonly object[]) => {
    const { others } = await compare([run('a', { copa: a }), run('b', { copa: b })])
    return others[0]!.tasks.copa!
  }

  it('pairs samples by id, in whatever order, and tests what flips exactly', async () => {
    const before = [1, 1, 0, 0, 0, 0, 0, 0, 0, 0]
    const after = [1, 0, 1, 1, 1, 1, 1, 1, 1, 1]
    const task = await compared(samplesOf(before), samplesOf(after).reverse())
    const differences = after.map((score, i) => score - before[i]!)
    assert.deepEqual(task.metrics.acc, {
      pairs: 10,
      ...{ before: 0.2, after: 0.9, difference: 0.7 },
      // The sample deviation of -1, 0 and eight ones is 0.6749485577; scipy's sem gives 0.2134374746.
      standardError: task.metrics.acc!.standardError,
      interval: middle95(drain(bootstrapMeans(differences))),
      ...{ higher: 8, lower: 1 },
      // scipy.stats.binomtest(1, 9).pvalue
      mcnemar: 0.0390625,
      ...{ beyondChance: true, isWorse: false },
    })
    assert.ok(Math.abs(task.metrics.acc!.standardError! - 0.21343747458109497) < 1e-12)
    assert.deepEqual([task.pairs, task.onlyFirst, task.onlyOther], [10, 0, 0])
    assert.deepEqual(
      task.flips.map(({ id }) => id),
      ['1', '2', '3', '4', '5', '6', '7', '8', '9'],
    )
    assert.deepEqual(task.flips[0], {
      ...{ id: '1', gold: 0 },
      before: { score: 1, prediction: 0 },
      after: { score: 0, prediction: 1 },
    })
  })

  it('seven flips against one are within chance', async () => {
    const task = await compared(samplesOf([1, 0, 0, 0, 0, 0, 0, 0]), samplesOf([0, 1, 1, 1, 1, 1, 1, 1]))
    assert.deepEqual([task.metrics.acc!.mcnemar, task.metrics.acc!.beyondChance], [0.0703125, false])
  })

  it('scores between 0 and 1 have no test; an interval without 0 is beyond chance', async () => {
    const before = Array.from({ length: 30 }, (_, i) => (i % 5) / 10)
    const shift = (by: number) => samplesOf(before.map(score => score + by))
    const up = await compared(samplesOf(before), shift(0.25))
    assert.deepEqual([up.metrics.acc!.mcnemar, up.metrics.acc!.beyondChance], [null, true])
    const same = await compared(samplesOf(before), shift(0))
    assert.deepEqual(same.metrics.acc!.interval, { low: 0, high: 0 })
    assert.equal(same.metrics.acc!.beyondChance, false)
    assert.deepEqual(same.flips, [])
  })

  it('F1 stands beside exact match, by which flips are told', async () => {
    const rows = (scores: [em: number, f1: number][]) =>
      scores.map(([exact_match, f1], i) => ({ ...sample(`${i}`, 0), scores: { f1, exact_match } }))
    const headline = { headline: ['f1', 'exact_match'] }
    const a = run(
      'a',
      {
        squad: rows([
          [0, 0.5],
          [1, 1],
          [0, 0.2],
        ]),
      },
      headline,
    )
    const b = run(
      'b',
      {
        squad: rows([
          [1, 1],
          [1, 1],
          [0, 0.3],
        ]),
      },
      headline,
    )
    const task = (await compare([a, b])).others[0]!.tasks.squad!
    assert.equal(task.flipMetric, 'exact_match')
    assert.deepEqual(
      task.flips.map(({ id }) => id),
      ['0'],
    )
    assert.deepEqual([task.metrics.f1!.higher, task.metrics.f1!.mcnemar], [2, null])
  })

  it('templates of an item are one pair, its mean, and samples of their own among the flips', async () => {
    // In each item both templates flip: eight flips would be beyond chance, four items of one direction are not.
    const rows = (acc: number) =>
      ['0', '1', '2', '3'].flatMap(id => ['a', 'b'].map(template => sample(id, acc, { template })))
    const results = { headline: ['acc_median'], templates: [] }
    const paths = [
      run('a', { copa: rows(0) }, results),
      run('b', { copa: [...rows(1), sample('4', 1, { template: 'a' })] }, results),
    ]
    const task = (await compare(paths)).others[0]!.tasks.copa!
    assert.deepEqual([task.pairs, task.onlyOther, task.headline, task.flipMetric], [8, 1, ['acc'], 'acc'])
    assert.deepEqual(
      [task.metrics.acc!.pairs, task.metrics.acc!.higher, task.metrics.acc!.mcnemar],
      [4, 4, 0.125],
    )
    assert.equal(task.flips.length, 8)
    assert.deepEqual([task.flips[1]!.id, task.flips[1]!.template], ['0', 'b'])
    const mixed = rows(0).map((row, i) => (i < 3 ? { ...row, scores: { acc: 1 } } : row))
    const other = (await compare([run('a', { copa: rows(0) }, results), run('c', { copa: mixed }, results)]))
      .others[0]!
    assert.deepEqual(
      [other.tasks.copa!.metrics.acc!.after, other.tasks.copa!.metrics.acc!.mcnemar],
      [0.375, null],
    )
  })

  it('of a run that was limited or stopped, what both have is compared, and the rest counted', async () => {
    const torn = `${samplesOf([1, 1])
      .map(row => JSON.stringify(row))
      .join('\n')}\n{"kind":"ra`
    const a = run('a', { copa: samplesOf([0, 1, 1, 1]) })
    const task = (await compare([a, run('b', { copa: torn })])).others[0]!.tasks.copa!
    assert.deepEqual([task.pairs, task.onlyFirst, task.onlyOther], [2, 2, 0])
    assert.deepEqual([task.metrics.acc!.before, task.metrics.acc!.after], [0.5, 1])
  })

  it('perplexities are compared as they are made of samples; a higher one is worse', async () => {
    const rows = (logLikelihoods: number[]) =>
      logLikelihoods.map((score, i) => ({
        ...{
          kind: 'roll',
          id: `${i}`,
          prompt: `text ${i}`,
          logLikelihood: score,
          tokens: 5,
          truncatedTokens: 0,
        },
        ...{ scores: { word_perplexity: score }, pairedWith: { word_perplexity: i + 1 } },
      }))
    const results = {
      headline: ['word_perplexity'],
      aggregations: { word_perplexity: 'weighted_perplexity' as const },
    }
    const before = Array.from({ length: 12 }, (_, i) => -2 * (i + 1))
    const paths = [before, before.map(score => score - 1)].map((scores, i) =>
      run(`${i}`, { reviews: rows(scores) }, results),
    )
    const task = (await compare(paths)).others[0]!.tasks.reviews!
    const { before: first, after, interval, mcnemar, ...found } = task.metrics.word_perplexity!
    // The sum of the log-likelihoods is -156 and -168, that of the words 78.
    assertNear(first, Math.exp(156 / 78))
    assertNear(after, Math.exp(168 / 78))
    assertNear(found.difference, Math.exp(168 / 78) - Math.exp(156 / 78))
    assert.ok(interval!.low > 0 && interval!.low < found.difference && found.difference < interval!.high)
    assert.deepEqual([mcnemar, found.beyondChance, found.isWorse], [null, true, true])
    assert.deepEqual([task.flipMetric, task.flips], [null, []])
    const back = (await compare(paths.reverse())).others[0]!.tasks.reviews!.metrics.word_perplexity!
    assert.deepEqual([back.beyondChance, back.isWorse], [true, false])
  })

  it('several runs are each compared with the first', async () => {
    const paths = [
      [0, 0],
      [0, 1],
      [1, 1],
    ].map((scores, i) => run(`${i}`, { copa: samplesOf(scores) }))
    const { first, others } = await compare(paths)
    assert.equal(first.path, paths[0])
    assert.deepEqual(
      others.map(({ path, tasks }) => [path, tasks.copa!.metrics.acc!.difference]),
      [
        [paths[1], 0.5],
        [paths[2], 1],
      ],
    )
  })

  describe('refuses', () => {
    const rows = samplesOf([1, 0, 1])
    const changed = (changes: Partial<RankRecord>) => [rows[0]!, { ...rows[1]!, ...changes }, rows[2]!]
    const cases: [what: string, other: readonly object[] | string, message: RegExp][] = [
      [
        'an id that is there twice',
        [...rows, rows[1]!],
        /b\/samples\/copa\.jsonl, line 4: sample "1" is there twice, on line 2 too; samples are paired by their ids/,
      ],
      [
        'another prompt',
        changed({ prompt: 'Why?' }),
        /COPA, sample "1": its prompt is "Which, 1\?" in .*a\/samples\/copa\.jsonl and "Why\?" in .*b\/samples\/copa\.jsonl\. Only runs of the same data and prompts can be compared\./,
      ],
      ['another gold answer', changed({ gold: 1 }), /COPA, sample "1": its gold is 0 in .* and 1 in /],
      [
        'other choices',
        changed({ choices: ['this', 'it'] }),
        /its choices is \["this","that"\] in .* and \["this","it"\] in /,
      ],
      [
        'another kind of question',
        changed({ kind: 'generate' } as never),
        /its kind is "rank" in .* and "generate" in /,
      ],
      [
        'no sample in common',
        [sample('x', 1)],
        /COPA: no sample of .*a\/samples\/copa\.jsonl is in .*b\/samples\/copa\.jsonl too\./,
      ],
      ['no samples at all', '', /COPA: no sample of /],
      [
        'a record without scores',
        changed({ scores: undefined } as never),
        /line 2: a record without id or scores\./,
      ],
      [
        'a record with a number for its id',
        changed({ id: 1 } as never),
        /line 2: a record without id or scores\./,
      ],
      [
        'a record without the headline metric',
        changed({ scores: { f1: 1 } }),
        /COPA: samples of .* have no score acc\. eval --rescore judges saved samples again\./,
      ],
      [
        'a line that is no record',
        `nonsense\n${JSON.stringify(rows[1])}\n`,
        /b\/samples\/copa\.jsonl, line 1: not a record of a sample, and other lines follow\./,
      ],
    ]
    for (const [what, other, message] of cases)
      it(what, () =>
        assert.rejects(compare([run('a', { copa: rows }), run('b', { copa: other })]), {
          code: 'DATA_INVALID',
          message,
        }),
      )

    it('data files of other names', () =>
      assert.rejects(
        compare([run('a', { copa: rows }), run('b', { copa: rows }, { files: ['copa/test.jsonl'] })]),
        {
          code: 'DATA_INVALID',
          message:
            /COPA: .*a\/samples\/copa\.jsonl is of copa\/validation\.jsonl, .*b\/samples\/copa\.jsonl of copa\/test\.jsonl\./,
        },
      ))

    it('a task that one of them lacks, whichever it is, and says what both have', async () => {
      const [both, one] = [run('both', { copa: rows, rte: rows }), run('one', { copa: rows })]
      for (const runs of [
        [both, one],
        [one, both],
      ])
        await assert.rejects(compare(runs), {
          code: 'DATA_NOT_FOUND',
          message: `${one} has no results of rte, which ${both} has. To compare what both have, name the tasks: copa.`,
        })
      assert.deepEqual(Object.keys((await compare([both, one], { tasks: ['copa'] })).others[0]!.tasks), [
        'copa',
      ])
      await assert.rejects(compare([both, one], { tasks: ['copa', 'rte', 'toString'] }), {
        code: 'DATA_NOT_FOUND',
        message: `${both} has no results of toString; it has copa, rte.`,
      })
    })

    it('folders that hold no run', async () => {
      const a = run('a', { copa: rows })
      const nowhere = {
        code: 'DATA_NOT_FOUND',
        message: /results\.json: no such file\. Name the --out folder of an evaluation\./,
      }
      await assert.rejects(compare([a, join(folder, 'nowhere')]), nowhere)
      await assert.rejects(compare([join(a, 'results.json'), a]), nowhere)
      rmSync(join(run('b', { copa: rows }), 'samples'), { recursive: true })
      await assert.rejects(compare([a, join(folder, 'b')]), {
        code: 'DATA_NOT_FOUND',
        message: /b\/samples\/copa\.jsonl: no such file\. Samples are compared one by one/,
      })
      writeFileSync(join(folder, 'b', 'results.json'), '{}')
      await assert.rejects(compare([a, join(folder, 'b')]), {
        code: 'DATA_INVALID',
        message: /b\/results\.json: not results of an evaluation\./,
      })
    })

    it('arguments of a wrong kind', async () => {
      const a = run('a', { copa: rows })
      const bad: [runs: unknown, tasks: unknown, message: RegExp][] = [
        [[a], undefined, /^runs is .*; expected the folders of two runs or more$/],
        [a, undefined, /^runs is .*; expected the folders of two runs or more$/],
        [[a, 7], undefined, /^run is 7; expected the name of a folder or file$/],
        [[a, `${a}\0`], undefined, /^run is .*; expected the name of a folder or file, which holds no NUL$/],
        [[a, a], 'copa', /^tasks is "copa"; expected a list of names of tasks$/],
        [[a, a], [1], /^tasks is \[1\]; expected a list of names of tasks$/],
      ]
      for (const [runs, tasks, message] of bad)
        await assert.rejects(compare(runs as string[], { tasks: tasks as string[] }), {
          code: 'INVALID_ARGUMENT',
          message,
        })
    })
  })

  describe('mt-llama compare', () => {
    it('prints a table for each run, and as many flips as are asked for', async () => {
      const a = run('a', { copa: samplesOf([1, 0, 0, 0, 0, 0, 0, 0, 1]) })
      const b = run('b', { copa: samplesOf([1, 1, 1, 1, 1, 1, 1, 1, 1]) })
      const { code, stdout, stderr } = await cli(['compare', a, b, '--flips', '1'])
      assert.deepEqual([code, stderr], [0, ''])
      assert.match(stdout, /^- A: .*\/a \(fake, protocol card, float32, fake\)\n- B: /)
      assert.match(
        stdout,
        /\| COPA \(Acc\.\) \| 22\.2 \| 100\.0 \| \+77\.8\* \| \+44\.4 to \+100\.0 \| +7 \| +0 \| +0\.0156 \| +9 \|/,
      )
      assert.match(
        stdout,
        /Samples of COPA with another score \(Acc\.\), the first 1 of 7:\n\n- sample "1": A 0 \(1\), B 1 \(0\); gold 0\n/,
      )
    })

    it('--json prints what compare() gives', async () => {
      const paths = [run('a', { copa: samplesOf([1, 0]) }), run('b', { copa: samplesOf([1, 1]) })]
      const { code, stdout } = await cli(['compare', ...paths, '--json'])
      assert.equal(code, 0)
      assert.deepEqual(JSON.parse(stdout), JSON.parse(JSON.stringify(await compare(paths))))
    })

    const usage: [args: string[], code: number, message: RegExp][] = [
      [['only-one'], 2, /missing required argument 'others'/],
      [['', 'b'], 2, /Expected the name of a folder\./],
      [['a', ''], 2, /Expected the name of a folder\./],
      [['a', 'b', '--flips', '-1'], 2, /Expected a whole number of at least 0\./],
      [
        ['/nowhere', '/nowhere'],
        1,
        /^error: \/nowhere\/results\.json: no such file\..* \[DATA_NOT_FOUND\]\n$/,
      ],
    ]
    for (const [args, wanted, message] of usage)
      it(`${args.map(arg => JSON.stringify(arg)).join(' ')} is refused`, async () => {
        const { code, stderr } = await cli(['compare', ...args])
        assert.equal(code, wanted, stderr)
        assert.match(stderr, message)
      })
  })
})
