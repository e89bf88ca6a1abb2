// mt-llama eval --shard and merge: the folder of a run in shards is that of a run in one, but for its timing.
import assert from 'node:assert/strict'
import { cpSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { cli, cliDone, cliFails, haltAt, stopAt } from './cli-run.ts'
import { type KindsOfRuns, kindsOfRuns } from './kinds-of-runs.ts'

describe('mt-llama eval --shard', () => {
  let top: string
  let kinds: KindsOfRuns
  before(() => {
    top = mkdtempSync(join(tmpdir(), 'mt-llama-eval-shards-'))
    kinds = kindsOfRuns(top)
  })
  after(() => rmSync(top, { recursive: true }))

  /** All of a run's files; what differs between two runs of the same settings is taken out. */
  const files = (folder: string) => {
    const names = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter(name => /\./.test(name))
    return Object.fromEntries(
      names.sort().map(name => {
        const text = readFileSync(join(folder, name), 'utf8')
        return [
          name,
          name === 'results.json'
            ? text.replace(/"timing": \{\s*"tokens": \d+,\s*"seconds": [\d.e-]+\s*\}/g, '"timing": {}')
            : text,
        ]
      }),
    )
  }
  const copa = () => ['eval', '--quiet', '--data-dir', kinds.dataDir, '--tasks', 'copa']

  const rows: [title: string, args: () => string[], counts: number[]][] = [
    ['of one task, in more shards than it has samples', copa, [1, 4, 9]],
    [
      'of task files that rank, generate and roll, in a group',
      () => {
        const { dataDir, taskFiles } = kinds
        return ['eval', '--quiet', '--data-root', dataDir, '--tasks', taskFiles.join(',')]
      },
      [2, 8],
    ],
    [
      'by templates, some of which ask nothing of some items',
      () => [...copa(), '--protocol', 't0', '--templates-dir', kinds.templatesDir],
      [3],
    ],
    [
      'of several languages, with their mean',
      () => [...copa().slice(0, -1), 'pawsx', '--protocol', 'release'],
      [2],
    ],
  ]
  for (const [title, args, counts] of rows)
    it(`is joined to the run in one: ${title}`, async () => {
      const name = title.replaceAll(/\W+/g, '-')
      const one = join(top, `${name}-one`)
      await cliDone([...args(), '--out', one])
      const whole = files(one)
      assert.ok(Object.keys(whole).length > 2)
      for (const count of counts) {
        const out = join(top, `${name}-of-${count}`)
        for (let i = count; i > 0; i--) await cliDone([...args(), '--out', out, '--shard', `${i}/${count}`])
        const { stdout } = await cliDone(['merge', out, '--quiet'])
        assert.deepEqual(files(join(out, 'merged')), whole, `${count} shards`)
        assert.equal(stdout, whole['table.md'])
        // Joined again, nothing changes.
        await cliDone(['merge', out, '--quiet'])
        assert.deepEqual(files(join(out, 'merged')), whole, `${count} shards, again`)
      }
    })

  it('that is done is not run again; two at once come to the same; gates judge what is joined', async () => {
    const out = join(top, 'twice')
    const shard = (part: string) => [...copa(), '--out', out, '--shard', part]
    await Promise.all([cliDone(shard('1/2')), cliDone(shard('1/2')), cliDone(shard('2/2'))])
    assert.deepEqual(readdirSync(out).sort(), ['shard-1-of-2', 'shard-2-of-2'])
    const again = await cliDone(shard('1/2').filter(word => word !== '--quiet'))
    assert.equal(again.stderr, `shard 1/2: done already, in ${join(out, 'shard-1-of-2')}\n`)
    assert.equal(again.stdout, '')
    await cliDone(['merge', out, '--quiet'])
    const gated = await cli(['eval', '--quiet', '--rescore', join(out, 'merged'), '--gate', 'copa.acc>=2'])
    assert.equal(gated.code, 100, gated.stderr)
  })

  describe('that comes late, after a merge has removed what it has begun,', () => {
    const late = async (out: string, more: string[]) => {
      const shard = copa().filter(word => word !== '--quiet')
      let others: Promise<unknown> | undefined
      const ended = await cli([...shard, '--out', out, '--shard', '1/2'], {
        env: haltAt('before texts'),
        onStderr: (text, child) => {
          if (others || !text.includes('before texts')) return
          others = (async () => {
            for (const part of ['1/2', '2/2'])
              await cliDone([...copa(), ...more, '--out', out, '--shard', part])
            await cliDone(['merge', out, '--quiet'])
          })().finally(() => child.kill('SIGCONT'))
        },
      })
      await others
      return ended
    }
    it('has nothing to do', async () => {
      const out = join(top, 'late')
      const { code, stderr } = await late(out, [])
      assert.equal(code, 0, stderr)
      assert.match(
        stderr,
        /^shard 1\/2: nothing to do, another process has done it, and the shards are joined already$/m,
      )
      assert.deepEqual(readdirSync(out).sort(), ['merged', 'shard-1-of-2', 'shard-2-of-2'])
    })

    it('fails where those are of other settings', async () => {
      const { code, stderr } = await late(join(top, 'late-others'), ['--limit', '4'])
      assert.match(stderr, /^error: /m)
      assert.equal(code, 1)
    })
  })

  it('that was stopped is gone on with, and missing until it is complete', async () => {
    const out = join(top, 'stopped')
    const args = ['eval', '--tasks', 'copa,rte', '--out', out]
    const stopped = await cli([...args, '--shard', '1/2'], { env: stopAt('data: the embedded') })
    assert.equal(stopped.code, 130, stopped.stderr)
    const [part] = readdirSync(out)
    assert.match(part!, /^shard-1-of-2\.part-[0-9a-f]{8}$/)
    await cliDone([...args, '--shard', '2/2'])
    await cliFails(
      ['merge', out],
      /stopped: of 2 shards these are missing or not complete: 1\. Run them \(--shard 1\/2\), then merge again\. \[OUTPUT\]\n$/,
    )
    const { stderr } = await cliDone([...args, '--shard', '1/2'])
    assert.match(stderr, /^shard 1\/2: saved in .*shard-1-of-2; mt-llama merge .*stopped joins all shards$/m)
    assert.deepEqual(readdirSync(out).sort(), ['shard-1-of-2', 'shard-2-of-2'])
    // What a process of another machine holds is left alone, and swept once all is joined.
    cpSync(join(out, 'shard-1-of-2'), join(out, 'shard-1-of-2.part-00000000'), { recursive: true })
    await cliDone(['merge', out])
    assert.ok(!existsSync(join(out, 'shard-1-of-2.part-00000000')))
  })

  it('runs beside what a machine has left that is gone', async () => {
    const out = join(top, 'gone')
    const shard = [...copa(), '--out', out, '--shard', '1/1']
    await cliDone(shard)
    const left = join(out, 'shard-1-of-1.part-00000000')
    cpSync(join(out, 'shard-1-of-1'), left, { recursive: true })
    writeFileSync(join(left, 'run.lock-gone-1-2-3'), '')
    rmSync(join(out, 'shard-1-of-1'), { recursive: true })
    await cliDone(shard)
    assert.deepEqual(readdirSync(out).sort(), ['shard-1-of-1', 'shard-1-of-1.part-00000000'])
  })

  it('of other settings, data and numbers is refused', async () => {
    const out = join(top, 'others')
    const shard = (part: string, ...more: string[]) => [...copa(), '--out', out, '--shard', part, ...more]
    await cliDone(shard('1/2'))
    await cliFails(shard('1/2', '--dtype', 'float32'), /: --dtype is "bfloat16" there and "float32" here\./)
    await cliFails(shard('1/2', '--limit', '4'), /shard-1-of-2 .*: --limit is null there and 4 here/)
    await cliFails(
      shard('1/3'),
      /others holds shards of 2, and this run is of 3\. Name another --out folder\./,
    )
    await cliDone(shard('2/2', '--limit', '4'))
    await cliFails(
      ['merge', out],
      /shard-2-of-2 (has other settings|is of other tasks or data) than shard-1-of-2/,
    )
    rmSync(join(out, 'shard-2-of-2'), { recursive: true })
    await cliDone(shard('2/2'))
    const journal = join(out, 'shard-2-of-2', 'samples', 'copa.jsonl')
    writeFileSync(
      journal,
      readFileSync(journal, 'utf8')
        .split(/(?<=\n)/)
        .slice(1)
        .join(''),
    )
    await cliFails(
      ['merge', out],
      /copa\.jsonl: 2 samples; the shard has 3\. Remove its folder, and run the shard again\./,
    )
  })

  const refusals: [title: string, args: string[], message: RegExp][] = [
    ['without a folder', [], /--shard writes into a folder that all shards share; name it by --out DIR\./],
    [
      'with a gate',
      ['--out', 'x', '--gate', 'copa.acc>=1'],
      /gates judge all samples, .* --rescore DIR\/merged\./,
    ],
    ['in S3', ['--out', 's3://bucket/x'], /--out s3:\/\/\.\.\. is for score and fleet\./],
    ['that is done again', ['--out', 'x', '--redo'], /--redo is not for shards/],
  ]
  for (const [title, args, message] of refusals)
    it(`is refused ${title}`, () => cliFails(['eval', '--shard', '1/2', ...args], message))
})
