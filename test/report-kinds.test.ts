// Reports of real runs of every kind in headless Chromium: task files with a group, protocol t0, languages of protocol release.
import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Page } from 'playwright-core'
import type { GenerateRecord, RankRecord, SampleRecord } from '../src/evaluation/results.ts'
import { type EvaluateOptions, evaluate, loadModel, loadTasks, type RunResults } from '../src/index.ts'
import { writeReport } from '../src/report/report.ts'
import { jsonLines } from './cli-run.ts'
import { type KindsOfRuns, kindsOfRuns } from './kinds-of-runs.ts'
import { noChromium, ReportBrowser } from './report-page.ts'
import { skip } from './skip.ts'
import { defaultModel } from './tiny-model.ts'

describe('reports of every kind of run', () => {
  let folder: string
  let kinds: KindsOfRuns
  let browser: ReportBrowser
  before(async function () {
    if (noChromium) return skip(this, noChromium)
    folder = mkdtempSync(join(tmpdir(), 'mt-llama-report-kinds-'))
    kinds = kindsOfRuns(folder)
    const own = await loadTasks(kinds.taskFiles, kinds.dataDir)
    const runs: Record<string, Partial<EvaluateOptions>> = {
      own,
      'own-and-card': { tasks: ['copa', ...own.tasks], groups: own.groups },
      t0: { protocol: 't0', templatesDir: kinds.templatesDir, tasks: ['copa'] },
      release: { protocol: 'release', tasks: ['copa', 'pawsx'] },
    }
    for (const [side, path] of [
      ['a', defaultModel],
      ['b', kinds.contrary],
    ] as const) {
      await using model = await loadModel(path)
      for (const [name, options] of Object.entries(runs))
        await evaluate(model, { dataDir: kinds.dataDir, ...options, out: join(folder, `${name}-${side}`) })
    }
    browser = await ReportBrowser.launch()
  })
  after(async () => {
    await browser?.close()
    if (folder) rmSync(folder, { recursive: true })
  })

  const open = async (names: readonly string[], check: (page: Page) => Promise<void>) => {
    const file = join(folder, `${names.join('-')}.html`)
    await writeReport(
      names.map(name => join(folder, name)),
      file,
      Number.POSITIVE_INFINITY,
    )
    await browser.open(file, async page => {
      await check(page)
      assert.deepEqual(await browser.seriousFaults(page), [])
    })
  }
  const saved = (run: string): RunResults =>
    JSON.parse(readFileSync(join(folder, run, 'results.json'), 'utf8'))
  const samples = (run: string, task: string): SampleRecord[] =>
    jsonLines(readFileSync(join(folder, run, 'samples', `${task}.jsonl`), 'utf8'))
  /** The samples of the first run whose score is lower, and higher, in the second. */
  const flipsOf = (task: string, metric: string, [a, b] = ['own-a', 'own-b']) => {
    const [before, after] = [a!, b!].map(run => samples(run, task))
    const by = (sign: number) =>
      before!
        .filter(({ scores }, i) => sign * (after![i]!.scores[metric]! - scores[metric]!) > 0)
        .map(({ id, template }) => (template === undefined ? id : `${id} · ${template}`))
    return { worse: by(-1), better: by(1) }
  }
  const table = async (page: Page, caption: string) => {
    const rows = page.locator('table', { has: page.locator('caption', { hasText: caption }) }).locator('tr')
    return Promise.all((await rows.all()).map(row => row.locator('th, td').allInnerTexts()))
  }
  const listed = async (page: Page) => {
    const rows = await page.locator('[role=option] > div:first-child').allTextContents()
    return rows.map(text => text.split(' · ').slice(1).join(' · '))
  }
  const percent = (value: number) => (100 * value).toFixed(1)

  it('task files: groups, perplexities and all kinds of answers; flips between two runs', () =>
    open(['own-a', 'own-b'], async page => {
      const { groups } = saved('own-a')
      assert.deepEqual(
        (await table(page, 'Groups of own-a')).map(row => row.slice(0, 2)),
        [
          ['Group', 'Score'],
          ['feel (Acc.)', percent(groups!.feel!.figures.acc!.value)],
          ['feel (acc_norm)', percent(groups!.feel!.figures.acc_norm!.value)],
        ],
      )
      assert.deepEqual((await table(page, 'Other tasks'))[0], [
        ...[
          'Run',
          'Cold things (Acc.)',
          'touch (Acc.)',
          'answer (exact_match,as is v1.0/exact_match,letters)',
        ],
        ...['line (perplexity/Acc.)', 'text (word_perplexity/byte_perplexity/bits_per_byte)'],
      ])
      await page.selectOption('#other', { label: 'own-b' })
      await page.selectOption('#task', { label: 'touch' })
      const flips = flipsOf('touch', 'acc')
      assert.ok(flips.better.length > 0 && flips.worse.length > 0)
      for (const [which, wanted] of Object.entries(flips)) {
        await page.selectOption('#which', which)
        assert.deepEqual(await listed(page), wanted, which)
      }
      await page.locator('[role=option]').first().click()
      const record = samples('own-a', 'touch').find(({ id }) => id === flips.better[0]) as RankRecord
      assert.deepEqual(
        await page.locator('.sides section:first-child .tokens').nth(1).locator('.token').allTextContents(),
        record.tokenTexts![1],
      )

      await page.selectOption('#which', 'all')
      const facts = () => page.locator('.sides section:first-child dt').allTextContents()
      const shown = async (task: string) => {
        await page.selectOption('#task', { label: task })
        await page.locator('[role=option]').first().click()
        return (await page.locator('.sides section:first-child').textContent()) ?? ''
      }
      assert.match(await shown('answer'), /Generated.*As judged/s)
      const [generated] = samples('own-a', 'answer') as GenerateRecord[]
      assert.ok(generated!.tokenTexts!.length > 1)
      assert.deepEqual(
        await page.locator('.sides section:first-child .token').allTextContents(),
        generated!.tokenTexts!.map(text => text.replaceAll('\n', '↵').replaceAll('\t', '⇥') || '…'),
      )
      assert.deepEqual(await facts(), ['exact_match,as is v1.0', 'exact_match,letters', 'ended by'])
      // A perplexity is none of one sample, and the one continuation is not chosen among others.
      assert.doesNotMatch(await shown('line'), /chosen|right answer|share/)
      assert.deepEqual(await facts(), ['acc'])
      assert.match(await shown('text'), /not judged/)
      assert.deepEqual(await facts(), ['log-likelihood', 'tokens'])
    }))

  it('a task of a file stands beside itself in a run of other tasks too, and alone is compared with it', () =>
    open(['own-a', 'own-and-card-b'], async page => {
      assert.deepEqual(await page.locator('#other option').allTextContents(), ['none', 'own-and-card-b'])
      const differences = await table(page, 'own-and-card-b against own-a')
      assert.deepEqual(
        new Set(differences.slice(1).map(([name]) => name!.split(' (')[0])),
        new Set(['Cold things', 'touch', 'answer', 'line', 'text']),
      )
    }))

  it('protocol t0: a dot for each template, and flips by template', () =>
    open(['t0-a', 't0-b'], async page => {
      const { templates } = saved('t0-a').tasks.copa!
      assert.equal(templates!.length, 3)
      const dots = page.locator('.plot .run0 circle.template')
      assert.equal(await dots.count(), 3)
      await page.selectOption('#other', { label: 't0-b' })
      const flips = flipsOf('copa', 'acc', ['t0-a', 't0-b'])
      assert.ok(flips.better.length > 0 && flips.worse.length > 0)
      for (const [which, wanted] of Object.entries(flips)) {
        await page.selectOption('#which', which)
        assert.deepEqual(await listed(page), wanted, which)
      }
      await page.locator('[role=option]').first().click()
      const [id, template] = flips.better[0]!.split(' · ')
      assert.equal(
        await page.locator('#sample-title').textContent(),
        `COPA, sample ${id}, template ${template}`,
      )
    }))

  it('protocol release: a table by language with the mean, and answers in which no class was found', () =>
    open(['release-a', 'release-b'], async page => {
      const [heads, first] = await table(page, 'PAWS-X by language')
      assert.equal(heads!.at(-1), 'mean of 7 (Acc.)')
      assert.equal(first!.at(-1), percent(saved('release-a').languageMeans.pawsx!.metrics.acc!.value))
      const failed = samples('release-a', 'pawsx_de').filter(one => one.failed)
      assert.ok(failed.length > 0)
      await page.selectOption('#task', { label: 'PAWS-X-de' })
      await page.selectOption('#which', 'failed')
      assert.deepEqual(
        await listed(page),
        failed.map(({ id }) => id),
      )
      await page.locator('[role=option]').first().click()
      const side = await page.locator('.sides section:first-child').textContent()
      assert.match(side ?? '', /none was found in the text/)
    }))
})
