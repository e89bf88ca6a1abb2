// Tests the writer of lines: what is on the disk after each way to end, on a full disk too, and what is never lost.
import assert from 'node:assert/strict'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { LineWriter, openToAppend } from '../src/files/line-writer.ts'
import { jsonLines } from './cli-run.ts'
import { onTmpfs } from './tmpfs.ts'

const place = { folder: 'test folder', kept: 'Lines before are kept' }

describe('LineWriter', () => {
  let folder: string
  let file: string
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'mt-llama-lines-'))
    file = join(folder, 'lines.jsonl')
  })
  afterEach(() => rmSync(folder, { recursive: true, force: true }))

  const writer = () => new LineWriter(file, place, () => openToAppend(file))
  const content = () => readFileSync(file, 'utf8')

  it('writes lines in order, and after what the file has', async () => {
    writeFileSync(file, '{"n":-1}\n')
    const lines = writer()
    for (let n = 0; n < 1000; n++) lines.add({ n })
    assert.ok(lines.waiting > 0)
    await lines.written()
    assert.equal(lines.waiting, 0)
    lines.add({ n: 1000 })
    await lines.close()
    assert.deepEqual(
      jsonLines(content()),
      Array.from({ length: 1002 }, (_, n) => ({ n: n - 1 })),
    )
  })

  it('makes no file before there is a line', async () => {
    await writer().close()
    assert.equal(existsSync(file), false)
  })

  it('that was closed goes on where it was', async () => {
    const lines = writer()
    for (const n of [1, 2]) {
      lines.add({ n })
      await lines.close()
    }
    assert.equal(content(), '{"n":1}\n{"n":2}\n')
  })

  it('that cannot open its file fails as it is closed, not before', async () => {
    const lines = new LineWriter(file, place, () => openToAppend(join(folder, 'none', 'x')))
    lines.add({ n: 1 })
    await lines.written()
    lines.add({ n: 2 })
    assert.equal((lines.failure as { code: string }).code, 'OUTPUT')
    await assert.rejects(lines.close(), { code: 'OUTPUT' })
  })

  for (const [what, before] of Object.entries({ 'a new file': '', 'a file of other lines': '{"n":-1}\n' }))
    it(`on a full disk leaves whole lines alone in ${what}, and writes no more`, async function () {
      await onTmpfs(this, folder, 'size=16k', async remount => {
        if (before) writeFileSync(file, before)
        const lines = new LineWriter(file, place, await openToAppend(file), before.length)
        lines.add({ n: 0 })
        await lines.written()
        for (let n = 1; n < 2000; n++) lines.add({ n })
        await lines.written()
        remount('size=1m')
        lines.add({ n: 'later' })
        await assert.rejects(lines.close(), {
          code: 'OUTPUT',
          message: /the disk is full\. Lines before are kept/,
        })
        const found = jsonLines(content())
        assert.ok(content().endsWith('}\n'))
        assert.ok(found.length > 100 && found.length < 2000)
        assert.deepEqual(
          found,
          Array.from(found, (_, i) => ({ n: before ? i - 1 : i })),
        )
      })
    })
})
