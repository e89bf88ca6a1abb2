// Lines in and lines out of score and generate: what comes back with an answer, lines that fail, files that are gone on with.
import assert from 'node:assert/strict'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type CliResult, cli, jsonLines, onTerminal } from './cli-run.ts'
import { skip } from './skip.ts'

const long = 'x'.repeat(3000)
/** Samples, so that a text depends on the stream of random numbers that its line has. */
const generate = ['generate', '--quiet', '--max-tokens', '4', '--temperature', '1', '--seed', '5']

describe('lines of mt-llama score and generate', () => {
  let folder: string
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'mt-llama-lines-'))
  })
  afterEach(() => rmSync(folder, { recursive: true }))

  const file = (name: string, content: string | Buffer) => {
    writeFileSync(join(folder, name), content)
    return join(folder, name)
  }
  const linesOf = (values: readonly object[]) => values.map(value => `${JSON.stringify(value)}\n`).join('')

  describe('--prompt', () => {
    it('stands for a file of one line', async () => {
      const request = { prompt: 'The sky is', continuations: [' blue', ' green'] }
      const texts = request.continuations.flatMap(text => ['--continuation', text])
      const [score, scoreFile, text, textFile] = await Promise.all([
        cli(['score', '--quiet', '--prompt', request.prompt, ...texts]),
        cli(['score', '--quiet'], { stdin: JSON.stringify(request) }),
        cli([...generate, '--prompt', 'ab']),
        cli(generate, { stdin: '{"prompt": "ab"}' }),
      ])
      assert.equal(score.code, 0, score.stderr)
      assert.equal(jsonLines(score.stdout)[0].continuations.length, 2)
      assert.equal(score.stdout, scoreFile.stdout)
      assert.equal(text.code, 0, text.stderr)
      assert.equal(text.stdout, textFile.stdout)
    })

    it('that is too long is named so', async () => {
      const { code, stderr } = await cli([...generate, '--prompt', long])
      assert.equal(code, 1)
      assert.match(stderr, /^error: --prompt: 3001 tokens leave no room .* \[CONTEXT_LENGTH\]\n$/)
    })

    const rows: [title: string, args: string[], message: RegExp][] = [
      [
        'beside a file',
        ['generate', 'x.jsonl', '--prompt', 'a'],
        /^error: --prompt is all of the input; leave x\.jsonl out\. \[INVALID_ARGUMENT\]\n$/,
      ],
      [
        'without a text to score',
        ['score', '--prompt', 'a'],
        /^error: --prompt and --continuation make a request together; give both\. \[INVALID_ARGUMENT\]\n$/,
      ],
      ['without the prompt', ['score', '--continuation', 'a'], /^error: --prompt and --continuation make/],
    ]
    for (const [title, args, message] of rows)
      it(`${title} is refused`, async () => {
        const { code, stderr } = await cli(args)
        assert.equal(code, 1)
        assert.match(stderr, message)
      })
  })

  describe('fields that a command does not read', () => {
    it('come back beside the answer, and the number of a line without an id', async () => {
      const others = { label: 3, meta: { from: ['web'] } }
      const stdin = `\n${linesOf([
        { prompt: 'a', continuations: ['b'], ...others },
        { id: null, prompt: 'a', continuations: ['b'] },
        { id: 'x', prompt: 'a', continuations: ['b'], ...others },
      ])}`
      const { stdout } = await cli(['score', '--quiet'], { stdin })
      const [{ continuations, truncatedTokens, skipped, ...first }, second, third] = jsonLines(stdout)
      assert.deepEqual(first, { id: 2, ...others })
      assert.equal(second.id, 3)
      assert.deepEqual(third, { ...jsonLines(stdout)[0], id: 'x' })
      assert.equal(continuations.length, 1)
    })

    it('that are fields of the answer are refused', async () => {
      const stdin = linesOf([{ prompt: 'a', text: 'of the input' }])
      const { code, stdout, stderr } = await cli(generate, { stdin })
      assert.deepEqual([code, stdout], [1, ''])
      assert.equal(
        stderr,
        'error: stdin:1: "text" is a field of the answer too; call it otherwise. [DATA_INVALID]\n',
      )
    })
  })

  describe('--on-error skip', () => {
    it('puts errors in the places of answers, and leaves the others as they are', async () => {
      const good = (id: number) => JSON.stringify({ id, prompt: 'ab', label: id })
      const bad: [line: string | Buffer, id: unknown, code: string, message: RegExp][] = [
        ['{"prompt": ', 2, 'DATA_INVALID', /^stdin:2: not JSON/],
        [Buffer.from([0x7b, 0xff]), 3, 'DATA_INVALID', /^stdin:3: the line is not UTF-8/],
        ['{"id": "no prompt"}', 'no prompt', 'DATA_INVALID', /^stdin:4: no "prompt"; expected/],
        ['{"id": "ids", "prompt": [999]}', 'ids', 'TOKEN_OUT_OF_RANGE', /^stdin:5: token 0 is 999;/],
        [
          JSON.stringify({ id: 'long', prompt: long, label: 7 }),
          'long',
          'CONTEXT_LENGTH',
          /^stdin:6: 3001 tokens .* or give --too-long truncate-left/,
        ],
      ]
      const input = (wrong: readonly (string | Buffer)[]) =>
        Buffer.concat(
          [good(1), ...wrong, good(7), good(8)].flatMap(line => [Buffer.from(line), Buffer.from('\n')]),
        )
      const loud = generate.filter(arg => arg !== '--quiet')
      const [skipping, plain] = await Promise.all([
        cli([...loud, '--on-error', 'skip'], { stdin: input(bad.map(([line]) => line)) }),
        cli(generate, { stdin: input(bad.map(() => good(0))) }),
      ])
      assert.equal(skipping.code, 0, skipping.stderr)
      assert.match(
        skipping.stderr,
        /^5 of 8 lines failed \(3 DATA_INVALID, 1 TOKEN_OUT_OF_RANGE, 1 CONTEXT_LENGTH\); each has its "error" in the output$/m,
      )
      const lines = jsonLines(skipping.stdout)
      const wanted = jsonLines(plain.stdout)
      assert.equal(lines.length, 8)
      for (const i of [0, 6, 7]) assert.deepEqual(lines[i], wanted[i])
      for (const [i, [, id, code, message]] of bad.entries()) {
        const { error, ...rest } = lines[i + 1]
        assert.deepEqual(rest, id === 'long' ? { id, label: 7 } : { id })
        assert.deepEqual(Object.keys(error), ['code', 'message'])
        assert.equal(error.code, code)
        assert.match(error.message, message)
      }
    })

    it('scores the lines around those that fail', async () => {
      const request = { prompt: 'a', continuations: ['b', 'cd'] }
      const stdin = linesOf([
        request,
        { prompt: 'a', continuations: [] },
        { ...request, prompt: long },
        request,
      ])
      const { code, stdout } = await cli(['score', '--quiet', '--on-error', 'skip'], { stdin })
      assert.equal(code, 0)
      const lines = jsonLines(stdout)
      assert.deepEqual(
        lines.map(({ id, error }) => [id, error?.code]),
        [
          [1, undefined],
          [2, 'DATA_INVALID'],
          [3, 'CONTEXT_LENGTH'],
          [4, undefined],
        ],
      )
      assert.deepEqual(lines[3], { ...lines[0], id: 4 })
    })
  })

  describe('--out and --resume', () => {
    const prompts = Array.from({ length: 6 }, (_, i) => ({
      ...(i % 2 && { id: i < 4 ? 'twice' : 'once' }),
      prompt: i === 2 ? long : 'ab',
      label: i,
    }))
    /** The fifth line is no JSON. */
    const stdin = linesOf(prompts).replace(/(?<=^(.*\n){4})/, '{"prompt": \n')
    const args = (out: string, ...more: string[]) => [
      ...[...generate, '--on-error', 'skip', '--out', out],
      ...more,
    ]

    it('go on after the lines that are there, to the same file', async () => {
      const whole = join(folder, 'whole.jsonl')
      const { code, stdout, stderr } = await cli(args(whole), { stdin })
      assert.deepEqual([code, stdout, stderr], [0, '', ''])
      const lines = readFileSync(whole, 'utf8').split(/(?<=\n)/)
      assert.equal(lines.length, prompts.length + 1)
      for (const [title, there] of Object.entries({
        nothing: '',
        'two lines': lines.slice(0, 2).join(''),
        'three lines, one of them an error, and a torn one':
          lines.slice(0, 3).join('') + lines[3]!.slice(0, 20),
        'a torn line': lines[0]!.slice(0, 3),
        'a line that lacks its end alone': lines[0]!.trimEnd(),
        'five lines, the last of no JSON': lines.slice(0, 5).join(''),
        'all lines': lines.join(''),
      })) {
        const out = file('part.jsonl', there)
        const again = await cli(args(out, '--resume'), { stdin })
        assert.deepEqual([again.code, again.stderr], [0, ''], title)
        assert.equal(readFileSync(out, 'utf8'), lines.join(''), title)
      }
      const loud = args(file('part.jsonl', lines.slice(0, 3).join('')), '--resume').filter(
        a => a !== '--quiet',
      )
      assert.match(
        (await cli(loud, { stdin })).stderr,
        /part\.jsonl: 3 lines are answered already, 1 of them by errors; going on with the others$/m,
      )
    })

    it('have one run at a time write to a file', async () => {
      const out = join(folder, 'held.jsonl')
      let second: Promise<CliResult> | undefined
      const first = await cli(args(out), {
        stdin: undefined,
        onStart: child => {
          // The input stays open, so that the process waits with some lines answered, until the second run has ended.
          child.stdin!.write(linesOf(prompts.slice(0, 4)))
          const timer = setInterval(() => {
            if (!existsSync(out) || !readFileSync(out, 'utf8').includes('\n')) return
            clearInterval(timer)
            second = cli(args(out, '--resume'), { stdin })
            void second.finally(() => child.stdin!.end())
          }, 20)
          child.on('exit', () => clearInterval(timer))
        },
      })
      const { code, stderr } = await second!
      assert.equal(code, 1)
      assert.match(
        stderr,
        /held\.jsonl is being written by process \d+ on .*\. Name another --out file\. \[OUTPUT\]\n$/,
      )
      assert.deepEqual([first.code, first.stderr], [0, ''])
      assert.equal(readFileSync(out, 'utf8').split('\n').length, 4 + 1)
      assert.deepEqual(
        readdirSync(folder).filter(name => name.includes('.lock-')),
        [],
      )
    })

    it('keep what a process has written that was killed', async () => {
      const out = join(folder, 'killed.jsonl')
      const killed = await cli(args(out), {
        stdin: undefined,
        onStart: child => {
          // The input stays open, so that the process waits with some lines answered.
          child.stdin!.write(linesOf(prompts.slice(0, 4)))
          const timer = setInterval(() => {
            if (existsSync(out) && readFileSync(out, 'utf8').includes('\n')) child.kill('SIGKILL')
          }, 20)
          child.on('exit', () => clearInterval(timer))
        },
      })
      assert.equal(killed.code, null)
      await cli(args(out, '--resume'), { stdin })
      const whole = await cli(args(join(folder, 'whole.jsonl')), { stdin })
      assert.equal(whole.code, 0)
      assert.equal(readFileSync(out, 'utf8'), readFileSync(join(folder, 'whole.jsonl'), 'utf8'))
    })

    const answer = '{"id":1,"text":"a","truncatedTokens":0}\n'
    const refusals: [title: string, content: string, resume: boolean, message: RegExp][] = [
      [
        'that is there',
        answer,
        false,
        /: is there already\. Give --resume to go on with it, or name another --out file\. \[OUTPUT\]\n$/,
      ],
      [
        'of other lines',
        `${answer}{"text": "b"}\n`,
        true,
        /:2: not an answer of this command, so nothing is written to the file\. Name another --out file\. \[OUTPUT\]\n$/,
      ],
      ['that is an input', '{"id":1,"prompt":"a"}\n', true, /:1: not an answer of this command/],
      [
        'that is an input of one line without its end',
        '{"id":1,"prompt":"a"}',
        true,
        /: ends in a line that is no answer/,
      ],
      [
        'of answers of another command',
        '{"id":1,"continuations":[],"truncatedTokens":0,"skipped":true}\n',
        true,
        /:1: not an answer of this command/,
      ],
      ['that is no JSON', 'notes\n', true, /:1: not an answer of this command/],
      [
        'whose last line is none of ours',
        `${answer}notes`,
        true,
        /: ends in a line that is no answer, so nothing/,
      ],
      ['of one line that is none of ours', '{"name": 1}', true, /: ends in a line that is no answer/],
    ]
    for (const [title, content, resume, message] of refusals)
      it(`leave a file as it is ${title}, before a model is loaded`, async () => {
        const out = file('out.jsonl', content)
        const more = resume ? ['--resume'] : []
        const { code, stderr } = await cli([...args(out, ...more), '--model', '/nowhere'])
        assert.equal(code, 1)
        assert.match(stderr, message)
        assert.equal(readFileSync(out, 'utf8'), content)
      })

    it('--resume asks for the file', async () => {
      const { code, stderr } = await cli(['score', '--resume'])
      assert.equal(code, 1)
      assert.match(
        stderr,
        /^error: --resume goes on with a file, so it needs --out FILE\. \[INVALID_ARGUMENT\]\n$/,
      )
    })
  })

  it('are asked for where a person is to type them', async function () {
    for (const command of ['score', 'generate']) {
      const text = await onTerminal([command], [[/Ctrl-D ends them/, '\x04']])
      if (text === undefined) skip(this, 'no program script')
      assert.match(text, /reading lines such as \{"prompt": .*\} from the terminal; Ctrl-D ends them/)
    }
    assert.doesNotMatch((await cli(['generate'], { stdin: '' })).stderr, /terminal/)
  })

  it('say at Ctrl-C whether there are answers', async () => {
    const stopAt = (seen: 'stderr' | 'stdout') =>
      cli(['generate', '--max-tokens', '3'], {
        stdin: undefined,
        onStart: child => {
          if (seen === 'stdout') child.stdin!.write('{"prompt": "ab"}\n')
          child[seen]!.once('data', () => child.kill('SIGINT'))
        },
      })
    const [none, some] = await Promise.all([stopAt('stderr'), stopAt('stdout')])
    assert.equal(none.code, 130)
    assert.match(none.stderr, /\nstopping; no line was answered \(again to leave at once\)\n$/)
    assert.equal(some.code, 130)
    assert.match(some.stderr, /\nstopping; the lines answered are written \(again to leave at once\)\n$/)
  })
})
