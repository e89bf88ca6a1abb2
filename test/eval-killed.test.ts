// mt-llama eval killed, stopped, run twice at once, or on a disk that fills up: nothing that is done is lost.
import assert from 'node:assert/strict'
import type { ChildProcess } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type CliOptions, cli } from './cli-run.ts'
import { onTmpfs } from './tmpfs.ts'

const sampleCount = 200

describe('mt-llama eval --out', () => {
  let top: string
  let whole: Buffer
  const journalOf = (out: string) => join(out, 'samples', 'rte.jsonl')
  const args = (out: string, ...more: string[]) => [
    ...['eval', '--data-dir', join(top, 'data'), '--tasks', 'rte', '--out', out, '--device', 'reference'],
    ...more,
  ]
  /** Runs the command, and kills it after two minutes. */
  const run = (commandLine: string[], options: CliOptions = {}) =>
    cli(commandLine, {
      ...options,
      onStart: child => {
        const timer = setTimeout(() => child.kill('SIGKILL'), 120_000)
        child.on('exit', () => clearTimeout(timer))
        options.onStart?.(child)
      },
    })
  const content = (file: string) => (existsSync(file) ? readFileSync(file) : Buffer.alloc(0))
  const journal = (out: string) => content(journalOf(out))
  const linesOf = (file: string) => content(file).filter(byte => byte === 10).length
  const lineCount = (out: string) => linesOf(journalOf(out))
  /** Sends the signal once the file has so many lines. */
  const signalAt = (file: string, lines: number, signal: NodeJS.Signals) => (child: ChildProcess) => {
    const timer = setInterval(() => {
      if (linesOf(file) < lines) return
      clearInterval(timer)
      child.kill(signal)
    }, 5)
    child.on('exit', () => clearInterval(timer))
  }
  const results = (out: string) => JSON.parse(readFileSync(join(out, 'results.json'), 'utf8'))

  before(async () => {
    top = mkdtempSync(join(tmpdir(), 'mt-llama-killed-'))
    mkdirSync(join(top, 'data', 'rte'), { recursive: true })
    const row = (i: number) =>
      JSON.stringify({ premise: `${i} ${'long '.repeat(i % 7)}`, hypothesis: 'h', label: i % 2 })
    writeFileSync(
      join(top, 'data', 'rte', 'validation.jsonl'),
      Array.from({ length: sampleCount }, (_, i) => row(i)).join('\n'),
    )
    const out = join(top, 'whole')
    const { code, stderr } = await run(args(out))
    assert.equal(code, 0, stderr)
    whole = journal(out)
  })
  after(() => rmSync(top, { recursive: true, force: true }))

  it('killed again and again goes on where it was, and comes to the same', async () => {
    const out = join(top, 'killed')
    let before = 0
    for (const share of [0, 0.15, 0.3, 0.5, 0.9]) {
      // A run that goes on has said so before it adds a line.
      const more = Math.min(sampleCount, before && before + 1)
      const lines = Math.max(Math.floor(share * sampleCount), more)
      const { code, stderr } = await run(args(out), { onStart: signalAt(journalOf(out), lines, 'SIGKILL') })
      assert.ok(code === null || code === 0, stderr)
      assert.ok(lineCount(out) >= Math.max(before, lines), `${lineCount(out)} after ${before}`)
      if (lines > 1) assert.ok(results(out).tasks.rte.samplesDone > 0)
      if (before > 0 && before < sampleCount) {
        assert.match(
          stderr,
          new RegExp(`RTE: ${before} of ${sampleCount} samples are done, going on with the others`),
        )
        assert.match(
          stderr,
          /killed: process \d+ on \S+, since \S+, has ended without giving the folder back/,
        )
      }
      const found = journal(out)
      const end = found.lastIndexOf(10) + 1
      assert.deepEqual(found.subarray(0, end), whole.subarray(0, end))
      before = lineCount(out)
    }
    const { code } = await run(args(out))
    assert.equal(code, 0)
    assert.deepEqual(journal(out), whole)
    const [ours, theirs] = [out, join(top, 'whole')].map(folder => results(folder).tasks.rte)
    assert.deepEqual({ ...ours, timing: 0 }, { ...theirs, timing: 0 })
    assert.deepEqual(readdirSync(out).sort(), ['results.json', 'samples', 'table.md'])
    assert.deepEqual(readdirSync(join(out, 'samples')), ['rte.jsonl'])
  })

  it('killed at any moment, then run again, ends with the files of a run that nothing disturbed', async function () {
    const moments = process.env.MT_LLAMA_VERIFY === '1' ? 30 : 4
    this.timeout(moments * 60_000)
    const files = (out: string) => {
      const { tasks, ...rest } = results(out)
      const table = readFileSync(join(out, 'table.md'), 'utf8')
      return [journal(out), table, { ...rest, tasks: { rte: { ...tasks.rte, timing: 0 } } }]
    }
    const start = Date.now()
    await run(args(join(top, 'timed')))
    const duration = Date.now() - start
    for (let i = 0; i < moments; i++) {
      const out = join(top, `moment-${i}`)
      const delay = Math.random() * duration
      const { code } = await run(args(out), {
        onStart: child => setTimeout(() => child.kill('SIGKILL'), delay),
      })
      const done = lineCount(out)
      const again = await run(args(out))
      const words = `killed after ${delay.toFixed(0)} of ${duration} ms (${code}), ${done} samples done`
      assert.equal(again.code, 0, `${words}: ${again.stderr}`)
      assert.deepEqual(files(out), files(join(top, 'whole')), words)
    }
  })

  it('stopped by Ctrl-C, then again sooner, keeps the samples of both', async () => {
    const out = join(top, 'stopped')
    let before = 0
    for (const more of [80, 1]) {
      const { code, stderr } = await run(args(out), {
        onStart: signalAt(journalOf(out), before + more, 'SIGINT'),
      })
      assert.ok(code === 130 || code === 0, `${code} ${stderr}`)
      assert.ok(lineCount(out) >= before + Math.min(more, sampleCount - before))
      before = lineCount(out)
      assert.equal(results(out).tasks.rte.samplesDone, before)
    }
    const redo = await run(args(out, '--redo'), {
      onStart: signalAt(`${journalOf(out)}.part`, 1, 'SIGINT'),
    })
    assert.ok(redo.code === 130 || redo.code === 0, redo.stderr)
    assert.ok(lineCount(out) >= before)
    assert.equal(results(out).tasks.rte.samplesDone, lineCount(out))
  })

  it('a complete run is not repeated, and says so; --redo repeats it', async () => {
    const out = join(top, 'whole')
    const again = await run(args(out))
    assert.equal(again.code, 0)
    assert.match(again.stderr, /RTE: done already, all 200 samples \(--redo runs them again\)/)
    assert.match(again.stdout, /\| RTE/)
    const redo = await run(args(out, '--redo'))
    assert.equal(redo.code, 0)
    assert.doesNotMatch(redo.stderr, /done already/)
    assert.deepEqual(journal(out), whole)
  })

  it('of two at once one is refused, naming the other, which comes to its end', async () => {
    const out = join(top, 'twice')
    const both = await Promise.all([run(args(out)), run(args(out))])
    const [done, refused] = both.sort((a, b) => a.code! - b.code!)
    // A run that starts after the other's end finds everything done.
    assert.equal(done!.code, 0, done!.stderr)
    if (refused!.code !== 0) {
      assert.match(
        refused!.stderr,
        /^error: .*twice is being written by process \d+ on \S+, since \S+\. Wait for it or stop it\. Name another --out folder\. \[OUTPUT\]\n$/m,
      )
    }
    assert.deepEqual(journal(out), whole)
    assert.equal(results(out).tasks.rte.status, 'complete')
  })

  it('on a disk that fills up keeps what is done, and goes on once there is room', async function () {
    const disk = join(top, 'disk')
    mkdirSync(disk)
    await onTmpfs(this, disk, 'size=40k', async remount => {
      const { code, stderr } = await run(args(disk))
      assert.equal(code, 1)
      assert.match(
        stderr,
        /error: .*rte\.jsonl: the disk is full\. What was finished before is saved; make room, or name an --out folder on another disk\. \[OUTPUT\]\n$/,
      )
      const found = journal(disk)
      assert.ok(found.length > 16_000 && found.at(-1) === 10)
      assert.deepEqual(found, whole.subarray(0, found.length))
      remount('size=4m')
      const again = await run(args(disk))
      assert.equal(again.code, 0, again.stderr)
      assert.deepEqual(journal(disk), whole)
    })
  })
})
