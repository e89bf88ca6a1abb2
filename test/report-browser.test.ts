// The report in headless Chromium: opened from its file, filtered, scrolled, by keyboard, in both colour schemes, printed.
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Page } from 'playwright-core'
import { writeReport } from '../src/report/report.ts'
import { noChromium, ReportBrowser } from './report-page.ts'
import { hostile, ranked, tokens, writeRun } from './report-runs.ts'
import { skip } from './skip.ts'

const bodyStyle =
  '(({ backgroundColor, color }) => ({ backgroundColor, color }))(getComputedStyle(document.body))'

describe('report in a browser', () => {
  let browser: ReportBrowser
  let folder: string
  /** Two runs of COPA and RTE, with three flips: two better in b, one worse. */
  let two: string
  /** A run of 20,000 samples. */
  let long: string

  before(async function () {
    if (noChromium) return skip(this, noChromium)
    folder = mkdtempSync(join(tmpdir(), 'mt-llama-report-'))
    const copa = (right: readonly boolean[]) =>
      right.map((isRight, i) => ranked(`${i}`, isRight, i === 0 ? tokens : {}))
    const rte = (isRight: boolean) => [ranked('r', isRight, { prompt: hostile, choices: [hostile, 'no'] })]
    const a = writeRun({
      dir: join(folder, 'a'),
      tasks: { copa: copa([true, false, false, true]), rte: rte(true) },
    })
    const b = writeRun({
      dir: join(folder, 'b'),
      tasks: { copa: copa([true, true, true, true]), rte: rte(false) },
    })
    two = join(folder, 'two.html')
    await writeReport([a, b], two, Number.POSITIVE_INFINITY)
    const many = Array.from({ length: 20_000 }, (_, i) => ranked(`${i}`, i % 3 > 0, tokens))
    long = join(folder, 'long.html')
    await writeReport([writeRun({ dir: join(folder, 'long'), tasks: { copa: many } })], long, many.length)
    browser = await ReportBrowser.launch()
  })
  after(async () => {
    await browser?.close()
    if (folder) rmSync(folder, { recursive: true })
  })

  const open = (...args: Parameters<ReportBrowser['open']>) => browser.open(...args)
  const titles = (page: Page) => page.locator('[role=option] > div:first-child').allTextContents()
  const ids = async (page: Page) => (await titles(page)).map(text => text.split(' · ')[1])
  const count = async (page: Page) => (await page.locator('#count').textContent()) ?? ''

  it('opens from its file and lists the samples of the first run', () =>
    open(two, async page => {
      assert.deepEqual(await ids(page), ['0', '1', '2', '3', 'r'])
      assert.equal(await count(page), '5 of 5 samples')
    }))

  it('filters by verdict, task and text', () =>
    open(two, async page => {
      await page.selectOption('#which', 'wrong')
      assert.deepEqual(await ids(page), ['1', '2'])
      assert.equal(await count(page), '2 of 5 samples')
      await page.selectOption('#which', 'all')
      await page.selectOption('#task', { label: 'RTE' })
      assert.deepEqual(await ids(page), ['r'])
      await page.selectOption('#task', '')
      await page.fill('#text', 'QUESTION 3')
      await page.locator('[role=option]').nth(1).waitFor({ state: 'detached' })
      assert.deepEqual(await ids(page), ['3'])
    }))

  it('shows two runs side by side with their flips', () =>
    open(two, async page => {
      await page.selectOption('#other', { label: 'b' })
      assert.match(await count(page), /Flips from a to b: 2 better, 1 worse\.$/)
      const expected = { flips: ['1', '2', 'r'], better: ['1', '2'], worse: ['r'] }
      for (const [which, flips] of Object.entries(expected)) {
        await page.selectOption('#which', which)
        assert.deepEqual(await ids(page), flips, which)
      }
      await page.locator('[role=option]').click()
      assert.deepEqual(await page.locator('.sides h4').allTextContents(), ['a: ✓ right', 'b: ✗ wrong'])
      const chosen = page.locator('.sides section:nth-child(2) li.chosen')
      assert.match(
        (await chosen.textContent()) ?? '',
        /^no\s*chosen\s*log-likelihood -1, per token -0\.500, share 88\.1 %/,
      )
    }))

  it('shows each choice token by token: text, log-probability and shade, with a legend', () =>
    open(two, async page => {
      await page.selectOption('#other', { label: 'b' })
      await page.locator('[role=option]').first().click()
      const shades = ['at least 50 %', '10 %', '1 %', '0.1 %', 'less']
      assert.deepEqual(await page.locator('.scale span').allTextContents(), shades)
      const lists = page.locator('.sides > section:first-child .tokens')
      const wanted = [
        [' yes 0.00 shade0', '… -1.50 shade1', 'é -3.00 shade2'],
        ['↵ -5.25 shade3', '⇥ -11.13 shade4', 'لا NaN shade4'],
      ]
      for (const [i, rows] of wanted.entries()) {
        const list = lists.nth(i)
        assert.equal(await list.getAttribute('aria-label'), 'Tokens and their log-probabilities')
        const found: string[] = []
        for (const item of await list.locator('li').all()) {
          const [token, number] = [item.locator('.token'), item.locator('.number')]
          const classes = (await token.getAttribute('class')) ?? ''
          found.push(`${await token.textContent()} ${await number.textContent()} ${classes.split(' ')[1]}`)
        }
        assert.deepEqual(found, rows)
      }
      assert.equal(await page.locator('.sides > section:nth-child(2) .tokens').count(), 2)
      await page.locator('[role=option]').nth(1).click()
      assert.equal(await page.locator('.tokens, .scale').count(), 0)
    }))

  it('shows hostile texts as texts', () =>
    open(two, async page => {
      await page.locator('[role=option]').last().click()
      assert.equal(await page.locator('#sample pre').first().textContent(), hostile)
      assert.equal(await page.locator('#sample img, #list img').count(), 0)
      assert.equal(await page.title(), 'Evaluation of a, b')
    }))

  it('keeps few rows of 20,000 in the page, wherever it is scrolled', () =>
    open(long, async page => {
      assert.equal(await count(page), '20,000 of 20,000 samples')
      for (const place of [0, 0.37, 1]) {
        await page.locator('#list').evaluate((list, place) => {
          list.scrollTop = place * (list.scrollHeight - list.clientHeight)
        }, place)
        const inSight = await page.locator('#list').evaluate(list => Math.ceil(list.scrollTop / 52) + 5)
        await page.locator(`[aria-posinset="${inSight}"]`).waitFor()
        assert.ok((await page.locator('[role=option]').count()) < 40)
        await page.locator('#list').scrollIntoViewIfNeeded()
        const box = (await page.locator('#list').boundingBox())!
        const [x, y] = [box.x + 50, box.y + box.height / 2]
        const seen = await page.evaluate(
          `document.elementFromPoint(${x}, ${y}).closest('[role=option]') !== null`,
        )
        assert.ok(seen, `a row in the middle at ${place}`)
      }
    }))

  it('goes by keyboard alone: to the list, through it, and into the sample', () =>
    open(long, async page => {
      const focused = () => page.evaluate<string>('document.activeElement.id')
      const active = () =>
        page.evaluate(
          "document.getElementById(document.getElementById('list').getAttribute('aria-activedescendant'))?.ariaPosInSet",
        )
      const reached: string[] = []
      for (let i = 0; i < 20 && !reached.includes('list'); i++) {
        await page.keyboard.press('Tab')
        reached.push(await focused())
      }
      assert.deepEqual(reached.slice(-5), ['run', 'task', 'which', 'text', 'list'])
      const steps: [key: string, position: string][] = [
        ['ArrowDown', '1'],
        ['ArrowDown', '2'],
        ['ArrowUp', '1'],
        ['ArrowUp', '1'],
        ['End', '20000'],
        ['ArrowDown', '20000'],
        ['Home', '1'],
      ]
      for (const [key, position] of steps) {
        await page.keyboard.press(key)
        assert.equal(await active(), position, key)
      }
      await page.keyboard.press('Enter')
      assert.deepEqual(
        [await focused(), await page.locator('#sample-title').textContent()],
        ['sample-title', 'COPA, sample 0'],
      )
    }))

  for (const colorScheme of ['light', 'dark'] as const)
    for (const width of [1280, 400])
      it(`has nothing serious that axe finds: ${colorScheme}, ${width} pixels`, () =>
        open(
          two,
          async page => {
            await page.selectOption('#other', { label: 'b' })
            await page.locator('[role=option]').first().click()
            assert.deepEqual(await browser.seriousFaults(page), [])
            const { backgroundColor, color } = await page.evaluate<Record<string, string>>(bodyStyle)
            const [ground, text] = [backgroundColor, color].map(one => Number(/\d+/.exec(one!)![0]))
            assert.equal(ground! < text!, colorScheme === 'dark')
            const overflow = await page.evaluate<number>('document.documentElement.scrollWidth - innerWidth')
            assert.ok(overflow <= 0, `${overflow} pixels beyond the window`)
          },
          { colorScheme, viewport: { width, height: 800 } },
        ))

  it('prints tables, plots and the chosen sample, dark on light, without filters and list', () =>
    open(
      two,
      async page => {
        await page.locator('[role=option]').first().click()
        await page.emulateMedia({ media: 'print', colorScheme: 'dark' })
        for (const [selector, isSeen] of Object.entries({
          '#scores table': true,
          '.plot': true,
          '#sample-title': true,
          '.scale': true,
          '.tokens': true,
          '#filters': false,
          '#list': false,
        }))
          assert.equal(await page.locator(selector).first().isVisible(), isSeen, selector)
        assert.equal((await page.evaluate<Record<string, string>>(bodyStyle)).color, 'rgb(0, 0, 0)')
        assert.equal((await page.pdf()).subarray(0, 4).toString(), '%PDF')
      },
      { colorScheme: 'dark' },
    ))
})
