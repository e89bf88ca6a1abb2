// The report of a training run in headless Chromium: what it shows, in both colour schemes and on narrow screens.
import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { train } from '../src/index.ts'
import { writeTrainReport } from '../src/training/train-report.ts'
import { cli } from './cli-run.ts'
import { noChromium, ReportBrowser } from './report-page.ts'
import { skip } from './skip.ts'
import { logOf, trainingRun } from './training-run.ts'

describe('report of a training run', () => {
  let browser: ReportBrowser
  let folder: string
  let out: string
  let file: string

  before(async function () {
    if (noChromium) return skip(this, noChromium)
    folder = mkdtempSync(join(tmpdir(), 'mt-llama-train-report-'))
    // A name that would run wherever it became markup.
    out = join(folder, `run <img src=x onerror="document.title='taken'">`)
    file = join(out, 'train-report.html')
    const evalDir = fileURLToPath(new URL('../default/data', import.meta.url))
    const changes = { steps: 30, validationShare: 0.3, validateEvery: 5, validationExamples: 4 }
    const evaluated = { evalDir, evalEvery: 15, evalTasks: ['squad', 'copa', 'winogrande'] }
    await train(trainingRun(folder, { ...changes, ...evaluated, out }))
    browser = await ReportBrowser.launch()
  })
  after(async () => {
    await browser?.close()
    if (folder) rmSync(folder, { recursive: true })
  })

  it('has curves, tokens of tasks, skipped draws, evaluations before and after, and settings', () =>
    browser.open(file, async page => {
      assert.equal(await page.locator('main img').count(), 0)
      assert.match(await page.title(), /^Training of run <img /)
      const labels = await page
        .locator('#curves svg[role=img]')
        .evaluateAll(all => all.map(one => one.ariaLabel))
      assert.deepEqual(labels, ['Loss by step', 'Norm of the gradients by step', 'Learning rate by step'])
      assert.deepEqual(
        (await page.locator('#curves .legend li').allTextContents()).map(text => text.trim()),
        ['loss, smoothed', 'loss of each step', 'validation loss'],
      )
      const cells = (caption: string) =>
        page
          .locator('table', { has: page.locator(`caption:text-is("${caption}")`) })
          .locator('tbody tr')
          .evaluateAll(rows =>
            rows.map(row =>
              Array.from(row.children as Iterable<{ textContent: string }>, cell => cell.textContent),
            ),
          )
      const log = logOf(out)
      const wanted = new Map<string, number>()
      for (const { taskTokens = {} } of log)
        for (const [task, count] of Object.entries(taskTokens as Record<string, number>))
          wanted.set(task, (wanted.get(task) ?? 0) + count)
      const tokens = (await cells('Tokens of each task')).map(([task, count]) => [
        task,
        count!.replace(/,/g, ''),
      ])
      assert.deepEqual(
        tokens,
        [...wanted].sort(([, a], [, b]) => b - a).map(([task, count]) => [task, `${count}`]),
      )
      const reasons = (await cells('Draws that made no example')).map(([reason]) => reason)
      assert.deepEqual(reasons, ['other part'])
      assert.deepEqual(
        (await cells('Every evaluation')).map(([step]) => step),
        ['0', '15', '30'],
      )
      const last = log.findLast(line => line.evaluation).evaluation.tasks.copa
      const [acc] = (await cells('after step 30 against before')).filter(([task]) => task === 'COPA (Acc.)')
      assert.deepEqual(
        [acc![2], acc!.at(-1)],
        [(100 * last.metrics.acc.value).toFixed(1), `${last.samplesDone}`],
      )
      assert.match(
        (await page.locator('#settings').textContent()) ?? '',
        /evalTasks\["squad","copa","winogrande"\]/,
      )
      assert.equal(await page.locator('#scores .plot').count(), 2)
    }))

  for (const colorScheme of ['light', 'dark'] as const)
    for (const width of [1280, 400])
      it(`has nothing serious that axe finds: ${colorScheme}, ${width} pixels`, () =>
        browser.open(
          file,
          async page => {
            assert.deepEqual(await browser.seriousFaults(page), [])
            const overflow = await page.evaluate<number>('document.documentElement.scrollWidth - innerWidth')
            assert.ok(overflow <= 0, `${overflow} pixels beyond the window`)
          },
          { colorScheme, viewport: { width, height: 800 } },
        ))

  it('is made again by mt-llama report, to the byte', async () => {
    const again = join(folder, 'again.html')
    const { code, stderr } = await cli(['report', out, '--out', again])
    assert.equal(code, 0, stderr)
    assert.equal(readFileSync(again, 'utf8'), readFileSync(file, 'utf8'))
  })

  it('shows the texts of a log as texts, and steps without evaluations', async () => {
    const log = join(out, 'log.jsonl')
    const hostile = '</title><script>document.title=1</script>'
    const line = { step: 1, loss: 1, norm: 2, learningRate: 0, tokens: 3, taskTokens: { [hostile]: 3 } }
    writeFileSync(
      log,
      `${JSON.stringify({ ...line, skipped: { [hostile]: 1 }, settings: { [hostile]: hostile } })}\n`,
    )
    const other = join(folder, 'hostile.html')
    await writeTrainReport(out, other)
    await browser.open(other, async page => {
      assert.match(await page.title(), /^Training of run/)
      assert.equal(await page.locator('script, #scores').count(), 0)
      assert.equal(await page.locator(`main :text-is("${hostile}")`).count(), 3)
    })
    writeFileSync(log, '')
    await assert.rejects(writeTrainReport(out, other), {
      code: 'DATA_NOT_FOUND',
      message: /no log of a training run/,
    })
  })
})
