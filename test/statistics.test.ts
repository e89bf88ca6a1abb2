// Holds intervals, tests and the bootstrap to scipy, statsmodels and lm-evaluation-harness (bench/peers/golden/intervals.py).
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { drain } from '../src/calls/slices.ts'
import { perByte, perCharacter, perToken } from '../src/metrics/accuracy.ts'
import { type Aggregation, aggregated } from '../src/metrics/aggregation.ts'
import { bootstrapMeans, percentile } from '../src/metrics/bootstrap.ts'
import { mcnemar } from '../src/metrics/mcnemar.ts'
import { figureOf, meanOf } from '../src/metrics/mean.ts'
import { wilson } from '../src/metrics/wilson.ts'
import { judgeRanking } from '../src/protocols/ranking.ts'
import { carried } from './shared.ts'

interface Golden {
  wilson: [count: number, n: number, low: number, high: number][]
  mcnemar: [gained: number, lost: number, p: number][]
  aggregated: {
    aggregation: Aggregation
    scores: number[]
    partners: number[]
    value: number
    bootstrap_stderr: number
    interval: [number, number]
  }[]
  bootstrap: { values: number[]; mean_stderr: number; bootstrap_stderr: number; interval: [number, number] }[]
}

const golden: Golden = JSON.parse(readFileSync(carried('statistics.json'), 'utf8'))

function assertNear(actual: number, wanted: number, tolerance: number, what: string): void {
  assert.ok(Math.abs(actual - wanted) <= tolerance, `${what}: ${actual}, want ${wanted} +- ${tolerance}`)
}

describe('statistics', () => {
  for (const [count, n, low, high] of golden.wilson)
    it(`Wilson's interval of ${count} in ${n} is that of scipy and statsmodels`, () => {
      const interval = wilson(count, n)
      assertNear(interval.low, low, 1e-12, 'low')
      assertNear(interval.high, high, 1e-12, 'high')
    })

  for (const [gained, lost, p] of golden.mcnemar)
    it(`McNemar's test of ${gained} gained and ${lost} lost is scipy's exact binomial test, either way round`, () => {
      assertNear(mcnemar(gained, lost), p, 1e-9 * p, 'p')
      assert.equal(mcnemar(lost, gained), mcnemar(gained, lost))
    })

  it("McNemar's test of no flips is 1, of very many uneven ones 0", () => {
    assert.equal(mcnemar(0, 0), 1)
    assert.equal(mcnemar(0, 5000), 0)
  })

  for (const [i, row] of golden.bootstrap.entries())
    it(`sample ${i} of ${row.values.length}: standard errors are the harness's, the bootstrap's interval is scipy's`, async () => {
      const { value, standardError, bootstrapError, interval } = await figureOf(row.values)
      assertNear(value, row.values.reduce((sum, one) => sum + one, 0) / row.values.length, 1e-12, 'value')
      assertNear(standardError!, row.mean_stderr, 1e-12, 'standard error')
      // The harness draws 20,000 resamples, whose deviation is known to 1 / sqrt(40,000) = 0.5 %.
      assertNear(bootstrapError!, row.bootstrap_stderr, 0.015 * row.bootstrap_stderr, 'bootstrap error')
      assert.equal(interval?.method, 'bootstrap')
      // A percentile of 10,000 resamples is known to 0.027 standard errors.
      assertNear(interval!.low, row.interval[0], 0.1 * row.mean_stderr, 'low')
      assertNear(interval!.high, row.interval[1], 0.1 * row.mean_stderr, 'high')
    })

  for (const { aggregation, value, bootstrap_stderr, interval, ...all } of golden.aggregated)
    it(`${aggregation}: the bootstrap's error and interval are those of the harness's function`, async () => {
      const found = await aggregated(aggregation, all)
      assertNear(found.value, value, 1e-12 * value, 'value')
      // The harness draws 2,000 resamples: the deviation is known to 1 / sqrt(4,000) = 1.6 %, more where tails are long.
      assertNear(found.bootstrapError!, bootstrap_stderr, 0.1 * bootstrap_stderr, 'bootstrap error')
      // A percentile of 4,000 resamples is known to 0.04 standard errors in a normal's tail, and less well in longer ones.
      assertNear(found.interval!.low, interval[0], 0.2 * bootstrap_stderr, 'low')
      assertNear(found.interval!.high, interval[1], 0.2 * bootstrap_stderr, 'high')
    })

  it('a figure is the same to the bit whenever it is computed, and leaves the event loop its turns', async () => {
    const values = Array.from({ length: 3000 }, (_, i) => (i % 7) / 7)
    let turns = 0
    const timer = setInterval(() => turns++, 1)
    const first = await figureOf(values)
    clearInterval(timer)
    assert.ok(turns > 0)
    assert.deepEqual(await figureOf(values), first)
  })

  it("a metric of zeros and ones has Wilson's interval, where all are alike too", async () => {
    assert.deepEqual(await figureOf([1, 0, 0, 0]), {
      ...{ value: 0.25, standardError: 0.25 },
      bootstrapError: (await figureOf([1, 0, 0, 0])).bootstrapError,
      interval: { ...wilson(1, 4), method: 'wilson' },
    })
    const alike = await figureOf([1, 1, 1])
    assert.deepEqual([alike.standardError, alike.bootstrapError], [0, 0])
    assert.deepEqual(alike.interval, { ...wilson(3, 3), method: 'wilson' })
  })

  it('a single sample has no standard error, and an interval only if it is 0 or 1', async () => {
    const none = { standardError: null, bootstrapError: null }
    assert.deepEqual(await figureOf([0.5]), { value: 0.5, ...none, interval: null })
    assert.deepEqual(await figureOf([1]), {
      value: 1,
      ...none,
      interval: { ...wilson(1, 1), method: 'wilson' },
    })
  })

  it('values far from 0 lose no digits of their standard error', () => {
    const { standardError } = meanOf([1, 2, 3, 4].map(value => value + 1e9))
    assertNear(standardError!, meanOf([1, 2, 3, 4]).standardError!, 1e-9, 'standard error')
  })

  it('10,000 resamples are drawn of few values, 1,000 of many', () => {
    assert.equal(drain(bootstrapMeans([0, 0.5])).length, 10_000)
    assert.equal(drain(bootstrapMeans(Array.from({ length: 20_000 }, () => 0.5))).length, 1000)
  })

  it("percentiles are numpy's", () => {
    const sorted = Float64Array.of(1, 2, 4, 8)
    assert.deepEqual(
      [0, 0.5, 0.9, 1].map(share => percentile(sorted, share)),
      [1, 3, 6.800000000000001, 8],
    )
  })

  it('log-likelihoods are divided by characters, bytes and tokens', () => {
    assert.deepEqual(perCharacter([-6, -6], ['abc', 'éé']), [-2, -3])
    assert.deepEqual(perByte([-6, -6], ['abc', 'éé']), [-2, -1.5])
    assert.deepEqual(perToken([-6, -6], [1, 4]), [-6, -1.5])
  })

  it('a ranking is judged by each of the four', () => {
    const ask = { kind: 'rank', id: '0', prompt: 'p', choices: ['abcdefgh', 'éé', 'ab'] } as const
    const answer = { logLikelihoods: [-9, -4, -3], tokens: [9, 2, 1], isGreedy: [false, false, false] }
    // Sums: -9, -4, -3. Per character: -1.125, -2, -1.5. Per byte: -1.125, -1, -1.5. Per token: -1, -2, -3.
    const right = [0, 1, 2].map(gold => judgeRanking({ ...ask, gold }, answer).scores)
    assert.deepEqual(right, [
      { acc: 0, acc_norm: 1, acc_bytes: 0, acc_per_token: 1 },
      { acc: 0, acc_norm: 0, acc_bytes: 1, acc_per_token: 0 },
      { acc: 1, acc_norm: 0, acc_bytes: 0, acc_per_token: 0 },
    ])
  })
})
