// Opens reports in headless Chromium, for tests: from their files, without a network.
import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { pathToFileURL } from 'node:url'
import type { AxeResults } from 'axe-core'
import { type Browser, chromium, type Page } from 'playwright-core'

const executablePath = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'].find(
  path => existsSync(path),
)
const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8')
const limit = 60_000

/** Why there is no browser; undefined where there is one. */
export const noChromium = executablePath
  ? undefined
  : 'there is no Chromium; Debian has it as the package chromium'

export class ReportBrowser {
  readonly #browser: Browser

  private constructor(browser: Browser) {
    this.#browser = browser
  }

  static async launch(): Promise<ReportBrowser> {
    return new ReportBrowser(await chromium.launch({ executablePath: executablePath!, timeout: limit }))
  }

  close(): Promise<void> {
    return this.#browser.close()
  }

  /** Opens a file, runs a check, and sees that the page asked for nothing and complained of nothing. */
  async open(
    file: string,
    check: (page: Page) => Promise<void>,
    options: Parameters<Browser['newContext']>[0] = {},
  ): Promise<void> {
    const context = await this.#browser.newContext({ offline: true, ...options })
    try {
      const page = await context.newPage()
      page.setDefaultTimeout(limit)
      const faults: string[] = []
      const requests: string[] = []
      page.on('console', message => faults.push(message.text()))
      page.on('pageerror', error => faults.push(String(error)))
      page.on('request', request => requests.push(request.url()))
      const url = pathToFileURL(file).href
      await page.goto(url)
      await check(page)
      assert.deepEqual([faults, requests], [[], [url]])
    } finally {
      await context.close()
    }
  }

  /** What axe finds to be serious or critical: the rule, then the elements. */
  async seriousFaults(page: Page): Promise<string[][]> {
    await page.evaluate(axe)
    const { violations, passes } = await page.evaluate<AxeResults>('axe.run()')
    assert.ok(passes.some(({ id }) => id === 'color-contrast'))
    return violations
      .filter(({ impact }) => impact === 'serious' || impact === 'critical')
      .map(({ id, nodes }) => [id, ...nodes.map(({ html }) => html)])
  }
}
