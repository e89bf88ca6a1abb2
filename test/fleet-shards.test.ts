// Inputs cut into shards, answered apart, twice, at once or by killed processes, and joined: the bytes are those of one process.
import assert from 'node:assert/strict'
import {
  appendFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { mergeShards } from '../src/fleet/merge-shards.ts'
import { type Cut, planRanges, rangeLines } from '../src/fleet/ranges.ts'
import { shardsPlace } from '../src/fleet/shard-files.ts'
import { openStorage, storedFile } from '../src/fleet/storage.ts'
import { writeShard } from '../src/fleet/write-shard.ts'
import { loadModel } from '../src/index.ts'
import { readInputLines } from '../src/lines/input-line.ts'
import { cli, cliDone, cliFails, stopAt } from './cli-run.ts'
import { defaultModel } from './tiny-model.ts'

const { signal } = new AbortController()
const request = (i: number) =>
  JSON.stringify({
    ...(i % 3 === 0 && { id: `own ${i}` }),
    prompt: 'The sky '.repeat(1 + (i % 5)),
    continuations: ['blue', 'green'].slice(0, 1 + (i % 2)),
    label: i,
  })
const requests = (count: number) => Array.from({ length: count }, (_, i) => request(i))

describe('shards', () => {
  let folder: string
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'mt-llama-shards-'))
  })
  afterEach(() => rmSync(folder, { recursive: true }))

  const stored = (path: string) => storedFile(path, shardsPlace)
  const file = (name: string, content: string) => {
    writeFileSync(join(folder, name), content)
    return join(folder, name)
  }

  const inputs: [title: string, content: string][] = [
    [
      'lines',
      requests(20)
        .map(line => `${line}\n`)
        .join(''),
    ],
    ['a last line without its end', requests(7).join('\n')],
    ['empty lines and Windows line ends', `\n\n${requests(6).join('\r\n\n \r\n')}\n\n\n`],
    [
      'one line among short ones that is longer than a shard',
      `{}\n{}\n{"long": "${'x'.repeat(400)}"}\n{}\n{}\n`,
    ],
    ['a single line', request(0)],
    ['nothing', ''],
    ['white space', '\n \n'],
  ]
  const cuts: Cut[] = [
    ...[1, 2, 3, 7, 40].map(count => ({ count })),
    ...[1, 2, 5, 100].map(linesEach => ({ linesEach })),
  ]
  for (const [title, content] of inputs)
    it(`have all lines of the input, in its order and with its numbers: ${title}`, async () => {
      const input = file('in.jsonl', content)
      const numbered = async (lines: AsyncIterable<{ number: number; where: string }>) => {
        const all: string[] = []
        for await (const { where } of lines) all.push(where)
        return all
      }
      const whole = await numbered(readInputLines(Readable.from([Buffer.from(content)]), input, signal))
      for (const cut of cuts) {
        const { ranges, input: identity } = await planRanges(await stored(input), cut, signal)
        const words = JSON.stringify(cut)
        if ('count' in cut) assert.equal(ranges.length, cut.count)
        else for (const { filledLines } of ranges) assert.ok(filledLines <= cut.linesEach, words)
        assert.equal(identity.bytes, Buffer.byteLength(content))
        assert.deepEqual(
          ranges.map(({ start }) => start),
          [0, ...ranges.slice(0, -1).map(({ end }) => end)],
          words,
        )
        assert.equal(ranges.at(-1)!.end, identity.bytes)
        const found: string[] = []
        for (const range of ranges) {
          const lines = await numbered(rangeLines(await stored(input), range, signal))
          assert.equal(lines.length, range.filledLines, words)
          found.push(...lines)
        }
        assert.deepEqual(found, whole, words)
      }
    })

  it('are refused once the input has changed', async () => {
    const input = file('in.jsonl', requests(4).join('\n'))
    const { ranges } = await planRanges(await stored(input), { count: 2 }, signal)
    const bytes = readFileSync(input)
    bytes[ranges[1]!.start + 3] = 0x21
    writeFileSync(input, bytes)
    const read = async (i: number) => {
      for await (const _ of rangeLines(await stored(input), ranges[i]!, signal));
    }
    await read(0)
    await assert.rejects(read(1), {
      code: 'DATA_INVALID',
      message: `${input}: has changed since it was cut into shards. Leave it as it is until all are done.`,
    })
  })

  it('come to the bytes of one process, whatever their number, however often and in whatever order they run', async () => {
    const lines = requests(23)
    lines.splice(9, 0, '', '{"prompt": ')
    const input = file('in.jsonl', lines.join('\n'))
    const skip = ['--on-error', 'skip', '--quiet']
    const one = await cli(['score', input, ...skip, '--out', join(folder, 'one.jsonl')])
    assert.equal(one.code, 0, one.stderr)
    const whole = readFileSync(join(folder, 'one.jsonl'))
    await using model = await loadModel(defaultModel)
    for (const count of [1, 2, 5, 30]) {
      const out = join(folder, `of-${count}`)
      mkdirSync(out)
      const { ranges, input: identity } = await planRanges(await stored(input), { count }, signal)
      const indexes = ranges.map((_, i) => i).reverse()
      for (const i of [...indexes, ...indexes.slice(0, 2)])
        await writeShard(
          model,
          {
            ...{ file: await stored(input), storage: await openStorage(out, shardsPlace), input: identity },
            range: ranges[i]!,
            shard: { index: i + 1, count },
          },
          {
            options: { boundary: 'joint', tooLong: 'error', topK: 0, allowNan: false },
            ...{ onError: 'skip', inWords: error => error, signal },
          },
        )
      const shards = { storage: await openStorage(out, shardsPlace), path: out }
      const merged = await mergeShards(shards, await stored(join(folder, 'merged.jsonl')), count, signal)
      assert.deepEqual([merged.shards, merged.lines, merged.errors], [count, 24, 1])
      assert.deepEqual(readFileSync(merged.file), whole)
      assert.equal(merged.bytes, whole.length)
    }
  })

  it('are done where another process has published one meanwhile, and its join has swept this part away', async () => {
    const input = file('in.jsonl', requests(5).join('\n'))
    const { ranges, input: identity } = await planRanges(await stored(input), { count: 1 }, signal)
    await using model = await loadModel(defaultModel)
    const write = async (onProgress = () => {}) =>
      writeShard(
        model,
        {
          file: await stored(input),
          storage: await openStorage(folder, shardsPlace),
          input: identity,
          range: ranges[0]!,
          shard: { index: 1, count: 1 },
        },
        {
          options: { boundary: 'joint', tooLong: 'error', topK: 0, allowNan: false },
          ...{ onError: 'stop', inWords: error => error, signal, onProgress },
        },
      )
    const sweep = () => {
      for (const name of readdirSync(folder)) if (name.includes('.part-')) rmSync(join(folder, name))
    }
    await assert.rejects(write(sweep), { code: 'OUTPUT' })
    const done = await write()
    assert.deepEqual(await write(sweep), done)
  })

  describe('of mt-llama score --shard', () => {
    let input: string
    let out: string
    let whole: Buffer
    const shard = (part: string, ...more: string[]) => [
      'score',
      input,
      '--shard',
      part,
      '--out',
      out,
      ...more,
    ]
    beforeEach(async () => {
      input = file('in.jsonl', requests(12).join('\n'))
      out = join(folder, 'out')
      await cliDone(['score', input, '--quiet', '--out', join(folder, 'one.jsonl')])
      whole = readFileSync(join(folder, 'one.jsonl'))
    })

    it('are joined by merge, which says what it joined', async () => {
      for (const part of ['2/3', '1/3', '3/3']) await cliDone(shard(part, '--quiet'))
      const { stdout, stderr } = await cliDone(['merge', out, '--json'])
      const file = join(out, 'merged.jsonl')
      const { sha256, ...rest } = JSON.parse(stdout)
      assert.deepEqual(rest, { file, shards: 3, lines: 12, errors: 0, bytes: whole.length })
      assert.match(sha256, /^[0-9a-f]{64}$/)
      assert.equal(stderr, `3 shards: 12 lines in ${file}\n`)
      assert.deepEqual(readFileSync(file), whole)
      await cliDone(['merge', out, '--quiet', '--out', join(folder, 'other.jsonl')])
      assert.deepEqual(readFileSync(join(folder, 'other.jsonl')), whole)
    })

    it('that are done are not run again, and run at once come to the same', async () => {
      await Promise.all([
        cliDone(shard('1/2', '--quiet')),
        cliDone(shard('1/2', '--quiet')),
        cliDone(shard('2/2')),
      ])
      const done = join(out, 'shard-1-of-2.jsonl')
      const { mtimeMs } = statSync(done)
      const again = await cliDone(shard('1/2'))
      assert.equal(again.stderr, `shard 1/2: done already, in ${done}\n`)
      assert.equal(statSync(done).mtimeMs, mtimeMs)
      await cliDone(['merge', out])
      assert.deepEqual(readFileSync(join(out, 'merged.jsonl')), whole)
    })

    it('leave nothing at Ctrl-C, and what a kill leaves is swept', async () => {
      const stopped = await cli(shard('1/2'), { env: stopAt('threads;') })
      assert.equal(stopped.code, 130, stopped.stderr)
      assert.match(stopped.stderr, /stopping; shards that are done are kept; this one is to be run again/)
      assert.deepEqual(readdirSync(out), [])
      writeFileSync(join(out, 'shard-1-of-2.jsonl.part-host-1-abcd'), 'half an answ')
      await cliFails(
        ['merge', out],
        /out: shards 1 and 2 of 2 are missing\. Run them \(--shard 1\/2\), then merge again\. \[OUTPUT\]\n$/,
      )
      await cliDone(shard('1/2'))
      await cliFails(
        ['merge', out],
        /out: shard 2 of 2 is missing\. Run it \(--shard 2\/2\), then merge again\. \[OUTPUT\]\n$/,
      )
      await cliDone(shard('2/2'))
      await cliDone(['merge', out])
      assert.deepEqual(readFileSync(join(out, 'merged.jsonl')), whole)
      assert.deepEqual(
        readdirSync(out).filter(name => name.includes('part')),
        [],
      )
    })

    it('are in no way of another number of shards while none is done, and parts of a joined file are swept too', async () => {
      mkdirSync(out)
      writeFileSync(join(out, 'shard-1-of-3.jsonl.part-host-1-abcd'), 'half an answ')
      writeFileSync(join(out, 'merged.jsonl.part-host-1-abcd'), 'half of all answ')
      for (const part of ['1/2', '2/2']) await cliDone(shard(part))
      await cliDone(['merge', out])
      assert.deepEqual(readFileSync(join(out, 'merged.jsonl')), whole)
      assert.deepEqual(
        readdirSync(out).filter(name => name.includes('part')),
        [],
      )
    })

    it('that fail name the line of the whole input, and leave the others', async () => {
      const lines = requests(12)
      lines[9] = '{"prompt": "a"}'
      writeFileSync(input, lines.join('\n'))
      await cliDone(shard('1/2'))
      await cliFails(shard('2/2'), /in\.jsonl:10: no "continuations"; expected .* \[DATA_INVALID\]\n$/)
      assert.deepEqual(readdirSync(out), ['shard-1-of-2.json', 'shard-1-of-2.jsonl'])
      const { stderr } = await cliDone(shard('2/2', '--on-error', 'skip'))
      assert.match(stderr, /^shard 2\/2: 6 lines in .*shard-2-of-2\.jsonl, 1 of them errors$/m)
      assert.match(
        (await cliDone(['merge', out])).stderr,
        /^2 shards: 12 lines, 1 of them errors in .*merged\.jsonl\n$/,
      )
      const found = readFileSync(join(out, 'merged.jsonl'), 'utf8').split('\n')[9]
      assert.equal(JSON.parse(found!).error.code, 'DATA_INVALID')
    })

    it('of other settings, inputs and numbers are refused', async () => {
      await cliDone(shard('1/2'))
      await cliFails(
        shard('2/2', '--top-k', '2'),
        /out: shard-1-of-2 has other settings than this run: --top-k is 0 there and 2 here\. Shards are joined only where/,
      )
      await cliFails(shard('2/2', '--dtype', 'float32'), /: --dtype is "bfloat16" there and "float32" here\./)
      await cliFails(
        shard('2/2', '--device', 'reference'),
        /: backend is "cpu .*" there and "reference.*" here\./,
      )
      await cliFails(
        shard('2/3'),
        /out holds shards of 2, and this run is of 3\. Name another --out folder\. \[OUTPUT\]\n$/,
      )
      appendFileSync(input, `\n${request(1)}`)
      await cliFails(
        shard('2/2'),
        /out: shard-1-of-2 is of another input \(\d+ bytes\) than this run \(\d+ bytes\)\./,
      )
    })

    it('that were changed after they were written are not joined', async () => {
      for (const part of ['1/2', '2/2']) await cliDone(shard(part))
      const answers = join(out, 'shard-2-of-2.jsonl')
      appendFileSync(answers, '{}\n')
      await cliFails(
        ['merge', out],
        /shard-2-of-2\.jsonl: has changed since it was written \(\d+ bytes, its manifest says \d+\)\. Remove it, and run the shard again\. \[OUTPUT\]\n$/,
      )
      rmSync(answers)
      await cliDone(shard('2/2'))
      writeFileSync(join(out, 'shard-2-of-2.json'), '{}')
      await cliFails(
        ['merge', out],
        /shard-2-of-2\.json: does not describe a shard\. Remove it, and run the shard again\./,
      )
      rmSync(join(out, 'shard-2-of-2.json'))
      await cliFails(['merge', out], /shard 2 of 2 is missing/)
      await cliDone(shard('2/2'))
      await cliDone(['merge', out])
    })

    const refusals: [title: string, args: string[], code: number, message: RegExp][] = [
      [
        'without a folder',
        ['score', 'x.jsonl', '--shard', '1/2'],
        1,
        /--shard writes into a folder that all shards share; name it by --out DIR\./,
      ],
      [
        'of stdin',
        ['score', '--shard', '1/2', '--out', 'x'],
        1,
        /--shard takes a part of a file; name a JSONL file\./,
      ],
      [
        'of a request on the command line',
        ['score', '--prompt', 'a', '--continuation', 'b', '--shard', '1/2', '--out', 'x'],
        1,
        /--shard takes a part of a file/,
      ],
      [
        'that goes on',
        ['score', 'x.jsonl', '--shard', '1/2', '--out', 'x', '--resume'],
        1,
        /leave --resume out\./,
      ],
      [
        '0/8',
        ['score', 'x.jsonl', '--shard', '0/8'],
        2,
        /Parts are counted from 1\. Where an index begins at 0, .* add 1 to it\./,
      ],
      [
        '9/8',
        ['score', 'x.jsonl', '--shard', '9/8'],
        2,
        /Expected a part and the number of parts, such as 3\/8/,
      ],
      ['3', ['score', 'x.jsonl', '--shard', '3'], 2, /Expected a part and the number of parts/],
      ['of a folder without shards', ['merge', 'default'], 1, /^error: default holds no shards\./],
      [
        'of a folder that is not there',
        ['merge', '/nowhere'],
        1,
        /^error: \/nowhere: cannot be read \(ENOENT.*\[DATA_NOT_FOUND\]\n$/,
      ],
    ]
    for (const [title, args, wanted, message] of refusals)
      it(`are refused: ${title}`, async () => {
        const { code, stderr } = await cli(args)
        assert.match(stderr, message)
        assert.equal(code, wanted)
      })
  })
})
