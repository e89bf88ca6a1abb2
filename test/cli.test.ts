// The command line on the embedded default: output, input, exit codes, and what each mistake says.

import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { taskNames } from '../src/tasks/registry.ts'
import { cli, jsonLines, root } from './cli-run.ts'
import { shared, sharedMissing } from './shared.ts'
import { skip } from './skip.ts'

describe('mt-llama', () => {
  let folder: string
  before(() => {
    folder = mkdtempSync(join(tmpdir(), 'mt-llama-cli-'))
  })
  after(() => rmSync(folder, { recursive: true }))

  const file = (name: string, text: string) => {
    writeFileSync(join(folder, name), text)
    return join(folder, name)
  }

  it('--version prints the version of the package', async () => {
    const { version } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8'))
    assert.deepEqual(await cli(['--version']), { code: 0, stdout: `${version}\n`, stderr: '' })
  })

  describe('eval', () => {
    it('without model and data runs all tasks on the embedded default and says that it means nothing', async () => {
      const out = join(folder, 'default-run')
      const { code, stdout, stderr } = await cli(['eval', '--card', '--out', out])
      assert.equal(code, 0, stderr)
      assert.match(stderr, /model: the embedded one of random weights; what it says means nothing/)
      assert.match(stderr, /data: the embedded items, a handful a task; their figures mean nothing/)
      assert.match(stdout, /### Unseen datasets\n[\s\S]*\| MT-LLaMA-7b \(card\)[\s\S]*### Unseen tasks\n/)
      const results = JSON.parse(readFileSync(join(out, 'results.json'), 'utf8'))
      assert.deepEqual(Object.keys(results.tasks), taskNames)
      for (const name of taskNames) {
        const lines = jsonLines(readFileSync(join(out, 'samples', `${name}.jsonl`), 'utf8'))
        assert.equal(lines.length, results.tasks[name].samplesDone)
        assert.equal(results.tasks[name].status, 'complete')
      }
    })

    it('--json prints the results, --quiet nothing else; tasks and limit are kept to', async () => {
      const args = ['eval', '--json', '--quiet', '--tasks', 'rte,copa', '--limit', '2']
      const { code, stdout, stderr } = await cli(args)
      assert.deepEqual([code, stderr], [0, ''])
      const { tasks } = JSON.parse(stdout)
      assert.deepEqual(Object.keys(tasks), ['copa', 'rte'])
      assert.equal(tasks.copa.samplesDone, 2)
    })

    it('names the sample that is longer than the context, and the way out it has', async () => {
      const data = join(folder, 'data-long')
      for (const name of ['copa', 'squad']) mkdirSync(join(data, name), { recursive: true })
      const copa = { premise: 'p', choice1: 'a', choice2: 'b', question: 'cause', label: 0 }
      const rows = [copa, { ...copa, premise: 'p'.repeat(3000) }].map(row => JSON.stringify(row))
      writeFileSync(join(data, 'copa', 'validation.jsonl'), rows.join('\n'))
      const squad = { context: 'c'.repeat(3000), question: 'q', answers: { text: ['a'] } }
      writeFileSync(join(data, 'squad', 'validation.jsonl'), JSON.stringify(squad))
      const run = (task: string) => cli(['eval', '--quiet', '--data-dir', data, '--tasks', task])
      const way = /\. Shorten it, or give --too-long truncate-left \[CONTEXT_LENGTH\]\n$/
      for (const [task, where] of [
        ['copa', /^error: COPA, sample 2 \("2"\), continuation 0: \d+ prompt tokens/],
        ['squad', /^error: SQuAD, sample 1 \("1"\): \d+ tokens leave no room for 1 new/],
      ] as const) {
        const { code, stderr } = await run(task)
        assert.equal(code, 1)
        assert.match(stderr, where)
        assert.match(stderr, way)
      }
    })

    it('into a folder of other settings fails, naming the difference', async () => {
      const out = join(folder, 'settings')
      const run = (...more: string[]) => cli(['eval', '--quiet', '--tasks', 'copa', '--out', out, ...more])
      assert.equal((await run()).code, 0)
      assert.equal((await run('--tasks', 'wic')).code, 0)
      const { code, stderr, stdout } = await run('--dtype', 'float32')
      assert.deepEqual([code, stdout], [1, ''])
      assert.match(
        stderr,
        /^error: .*settings holds results of .*default\/model with other settings than this run: --dtype is "bfloat16" there and "float32" here\. Name another --out folder, or remove this one\. \[OUTPUT\]\n$/,
      )
    })

    it('stopped before the first sample is done says so', async () => {
      const data = join(folder, 'data-early')
      mkdirSync(join(data, 'squad'), { recursive: true })
      const row = { context: 'long '.repeat(350), question: 'q', answers: { text: ['a'] } }
      writeFileSync(join(data, 'squad', 'validation.jsonl'), `${JSON.stringify(row)}\n`.repeat(300))
      const args = ['eval', '--data-dir', data, '--tasks', 'squad', '--device', 'reference']
      let sent = false
      const { code, stdout, stderr } = await cli(args, {
        onStderr: (text, child) => {
          if (!sent && text.includes('before texts')) sent = child.kill('SIGINT')
        },
      })
      assert.deepEqual([code, stdout], [130, ''], stderr)
      assert.match(stderr, /nothing was done yet\n$/)
    })

    it('shows a bar with time left and speed on a terminal', async function () {
      const run = `${process.execPath} --import tsx src/cli/main.ts eval --tasks squad`
      let text: string
      try {
        // script gives the program a terminal.
        text = execFileSync('script', ['-qec', run, '/dev/null'], { cwd: root, encoding: 'utf8' })
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code === 'ENOENT') skip(this, 'no program script')
        throw error
      }
      assert.match(text, /SQuAD +\[.*\] 4\/4 samples, ETA 0s, [\d,]+ tokens\/s/)
    })

    for (const [signal, wanted] of [
      ['SIGINT', 130],
      ['SIGTERM', 143],
    ] as const) {
      it(`${signal} saves what is done and leaves with ${wanted}`, async () => {
        const data = join(folder, `data-${signal}`)
        mkdirSync(join(data, 'copa'), { recursive: true })
        mkdirSync(join(data, 'rte'))
        const copa = { premise: 'p '.repeat(400), choice1: 'a', choice2: 'b', question: 'cause', label: 0 }
        writeFileSync(join(data, 'copa', 'validation.jsonl'), JSON.stringify({ ...copa, premise: 'p' }))
        const rte = JSON.stringify({ premise: 'long '.repeat(200), hypothesis: 'h', label: 0 })
        writeFileSync(join(data, 'rte', 'validation.jsonl'), `${rte}\n`.repeat(5000))
        const out = join(folder, `out-${signal}`)
        const args = [
          'eval',
          '--data-dir',
          data,
          '--tasks',
          'copa,rte',
          '--out',
          out,
          '--device',
          'reference',
        ]
        const { code, stdout, stderr } = await cli(args, {
          onStart: child => {
            // Once the first task is saved the second is running.
            const timer = setInterval(() => {
              try {
                readFileSync(join(out, 'results.json'))
              } catch {
                return
              }
              clearInterval(timer)
              child.kill(signal)
            }, 20)
            child.on('exit', () => clearInterval(timer))
          },
        })
        assert.equal(code, wanted, stderr)
        assert.match(stderr, /stopping; what is done is kept \(again to leave at once\)/)
        assert.match(stdout, /\| +\d+\.\d \| +- \|/)
        const { tasks } = JSON.parse(readFileSync(join(out, 'results.json'), 'utf8'))
        assert.equal(tasks.copa.status, 'complete')
        if (tasks.rte) {
          assert.equal(tasks.rte.status, 'partial')
          const lines = jsonLines(readFileSync(join(out, 'samples', 'rte.jsonl'), 'utf8'))
          assert.equal(lines.length, tasks.rte.samplesDone)
        }
      })
    }
  })

  /** Runs `use` with a folder on a file system of its own, where root may mount one. */
  const onTmpfs = async (test: Mocha.Context, options: string, use: (dir: string) => Promise<void>) => {
    const dir = mkdtempSync(join(folder, 'tmpfs-'))
    try {
      execFileSync('mount', ['-t', 'tmpfs', '-o', options, 'tmpfs', dir], { stdio: 'pipe' })
    } catch (error) {
      skip(test, `no tmpfs can be mounted (${(error as Error).message.trim().split('\n').at(-1)})`)
    }
    try {
      await use(dir)
    } finally {
      execFileSync('umount', [dir])
    }
  }

  it('eval on a disk that fills up keeps the finished tasks', async function () {
    await onTmpfs(this, 'size=28k', async dir => {
      const { code, stdout, stderr } = await cli(['eval', '--quiet', '--out', dir])
      assert.deepEqual([code, stdout], [1, ''])
      assert.match(
        stderr,
        /^error: .*\/(samples\/\w+\.jsonl|results\.json|table\.md): the disk is full\. What was finished before is saved; make room, or name an --out folder on another disk\. \[OUTPUT\]\n$/,
      )
      const { tasks } = JSON.parse(readFileSync(join(dir, 'results.json'), 'utf8'))
      assert.equal(tasks.xquad.status, 'complete')
      assert.equal(tasks.rte, undefined)
    })
  })

  it('eval into a folder that may not be written says so before it loads a model', async function () {
    await onTmpfs(this, 'ro', async dir => {
      const { code, stderr } = await cli(['eval', '--out', join(dir, 'run'), '--model', '/nowhere'])
      assert.equal(code, 1)
      assert.match(
        stderr,
        /^error: .*run\/samples: the file system is read-only\. Name another --out folder\. \[OUTPUT\]\n$/,
      )
    })
  })

  describe('score', () => {
    const requests = [
      { id: 'x', prompt: 'The sky is', continuations: [' blue', ' green'] },
      { prompt: [1, 2, 3], continuations: [[4, 5]] },
    ]
    const text = requests.map(request => JSON.stringify(request)).join('\n')

    it('reads a file or stdin, answers in order, gives the id back', async () => {
      const input = file('requests.jsonl', text)
      const [fromFile, fromStdin, dash] = await Promise.all([
        cli(['score', input]),
        cli(['score', '--quiet'], { stdin: text }),
        cli(['score', '-', '--quiet'], { stdin: text }),
      ])
      assert.equal(fromFile.code, 0, fromFile.stderr)
      assert.deepEqual([fromStdin.code, fromStdin.stderr], [0, ''])
      assert.equal(fromStdin.stdout, fromFile.stdout)
      assert.equal(dash.stdout, fromFile.stdout)
      const lines = jsonLines(fromFile.stdout)
      assert.deepEqual(
        lines.map(line => [line.id, line.continuations.length, line.skipped]),
        [
          ['x', 2, false],
          [undefined, 1, false],
        ],
      )
      const [{ tokens, tokenLogProbs, logLikelihood, isGreedy }] = lines[0].continuations
      assert.deepEqual(tokens, [...Buffer.from(' blue')])
      assert.equal(tokenLogProbs.length, 5)
      const sum = tokenLogProbs.reduce((a: number, b: number) => a + b, 0)
      assert.ok(Math.abs(sum - logLikelihood) < 1e-4)
      assert.equal(isGreedy, false)
    })

    it('goes on where nobody reads stderr any more', async () => {
      const { code, stdout } = await cli(['score'], {
        stdin: text,
        onStart: child => child.stderr!.destroy(),
      })
      assert.equal(code, 0)
      assert.equal(jsonLines(stdout).length, 2)
    })

    it('ends well where nobody reads stdout any more', async () => {
      const many = `${requests.map(request => JSON.stringify(request)).join('\n')}\n`.repeat(2000)
      const { code, stderr } = await cli(['score', '--quiet'], {
        stdin: many,
        onStart: child => child.stdout!.once('data', () => child.stdout!.destroy()),
      })
      assert.deepEqual([code, stderr], [0, ''])
    })

    it('--top-k adds the best alternatives', async () => {
      const { stdout } = await cli(['score', '--top-k', '2', '--quiet'], { stdin: text })
      const [{ topAlternatives }] = jsonLines(stdout)[0].continuations
      assert.equal(topAlternatives.length, 5)
      assert.ok(topAlternatives[0][0].logProb >= topAlternatives[0][1].logProb)
    })
  })

  describe('generate', () => {
    it('goes on from each prompt; the same seed gives the same texts', async () => {
      const stdin = ['{"id": 7, "prompt": "ab"}', '{"prompt": "cd"}'].join('\n')
      const args = ['generate', '--max-tokens', '6', '--temperature', '1', '--seed', '3', '--quiet']
      const [one, two] = await Promise.all([cli(args, { stdin }), cli(args, { stdin })])
      assert.deepEqual([one.code, one.stderr], [0, ''])
      assert.equal(one.stdout, two.stdout)
      const lines = jsonLines(one.stdout)
      assert.deepEqual(
        lines.map(line => line.id),
        [7, undefined],
      )
      for (const line of lines) assert.ok(line.tokens.length <= 6 && typeof line.text === 'string')
    })

    it('answers a line of stdin before the next one comes', async () => {
      const lines = ['{"id": 1, "prompt": "ab"}', '{"id": 2, "prompt": "cd"}']
      const { code, stdout, stderr } = await cli(['generate', '--max-tokens', '3', '--quiet'], {
        stdin: undefined,
        onStart: child => {
          child.stdin!.write(`${lines.shift()}\n`)
          child.stdout!.on('data', () => {
            const next = lines.shift()
            if (next === undefined) child.stdin!.end()
            else child.stdin!.write(`${next}\n`)
          })
        },
      })
      assert.deepEqual([code, stderr], [0, ''])
      assert.deepEqual(
        jsonLines(stdout).map(line => line.id),
        [1, 2],
      )
    })
  })

  describe('chat', () => {
    it('answers each line of stdin, in either form', async () => {
      for (const template of ['checkpoint', 'release']) {
        const args = ['chat', '--template', template, '--max-tokens', '4', '--json', '--quiet']
        const { code, stdout, stderr } = await cli(args, { stdin: 'hello\n\nand you?\n' })
        assert.deepEqual([code, stderr], [0, ''])
        const lines = jsonLines(stdout)
        assert.deepEqual(
          lines.map(line => [line.role, typeof line.content]),
          [
            ['assistant', 'string'],
            ['assistant', 'string'],
          ],
        )
      }
    })
  })

  it('chat goes on after a message that is too long, on a terminal', async function () {
    const run = `${process.execPath} --import tsx src/cli/main.ts chat --template release --max-tokens 2`
    const input = `${'x'.repeat(3000)}\n\x04`
    let text: string
    try {
      text = execFileSync('script', ['-qec', run, '/dev/null'], { cwd: root, encoding: 'utf8', input })
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') skip(this, 'no program script')
      throw error
    }
    const [, after] = text.split(
      /the conversation: \d+ tokens leave no room .*Shorten it, or start over with \/reset/,
    )
    assert.match(after ?? '', /> /, text)
  })

  it('eval and chat ask for a tokenizer before they load weights', async function () {
    if (sharedMissing) skip(this, sharedMissing)
    const model = shared('golden', 'hf', 'mha-untied-f32')
    for (const command of ['eval', 'chat']) {
      const { code, stderr } = await cli([command, '--model', model])
      assert.equal(code, 1)
      assert.match(
        stderr,
        /mha-untied-f32 has no tokenizer; expected tokenizer\.json or tokenizer\.model .* \[TOKENIZER\]/,
      )
    }
  })

  it('convert makes a folder of a GGUF file that info and score take', async function () {
    if (sharedMissing) skip(this, sharedMissing)
    const dir = join(folder, 'converted')
    const gguf = shared('golden', 'hf', 'gguf-f32', 'model.gguf')
    const { code, stdout, stderr } = await cli(['convert', gguf, dir, '--quiet'])
    assert.deepEqual([code, stdout, stderr], [0, `${dir}\n`, ''])
    const requests = '{"prompt": [1, 5, 7], "continuations": [[9, 11]]}'
    const args = (model: string) => ['score', '--quiet', '--dtype', 'float32', '--model', model]
    const [ours, theirs] = await Promise.all([dir, gguf].map(model => cli(args(model), { stdin: requests })))
    assert.equal(ours!.code, 0, ours!.stderr)
    assert.equal(ours!.stdout, theirs!.stdout)
    const again = await cli(['convert', gguf, dir])
    assert.equal(again.code, 1)
    assert.match(again.stderr, /converted.*\[OUTPUT\]/)
  })

  it('info and devices print text, and JSON when asked', async () => {
    const [info, infoJson, devices, devicesJson] = await Promise.all([
      cli(['info']),
      cli(['info', '--json']),
      cli(['devices']),
      cli(['devices', '--json']),
    ])
    assert.match(info.stdout, /architecture +LlamaForCausalLM, 0\.1 M parameters/)
    assert.equal(JSON.parse(infoJson.stdout).hiddenSize, 64)
    assert.match(devices.stdout, /^cpu .*; \d+ threads?; /)
    const { processors, gpus, noGpus } = JSON.parse(devicesJson.stdout)
    assert.ok(processors[0].variants.includes('scalar'))
    // Whatever the build and the machine: GPUs with their figures, or why there are none, in both.
    assert.equal(gpus.length === 0, typeof noGpus === 'string')
    for (const { device, name, totalBytes } of gpus) {
      assert.ok(devices.stdout.includes(`${device.padEnd(10)} ${name}; compute capability `))
      assert.ok(totalBytes > 0)
    }
    if (noGpus) assert.ok(devices.stdout.endsWith(`\ncuda       none: ${noGpus}\n`))
  })

  describe('bad input', () => {
    const score = (line: string) => ({
      args: ['score', '--quiet'],
      stdin: `{"prompt": "a", "continuations": ["b"]}\n${line}`,
    })
    const rows: { title: string; args: string[]; stdin?: string; code: number; message: RegExp }[] = [
      {
        title: 'no such command',
        args: ['evil'],
        code: 2,
        message: /error: unknown command 'evil'\n\(Did you mean eval\?\)/,
      },
      {
        title: 'no such option',
        args: ['eval', '--modle', 'x'],
        code: 2,
        message:
          /error: unknown option '--modle'\n\(Did you mean --model\?\)\n\n?\(mt-llama eval --help shows the options\)/,
      },
      {
        title: 'no such task',
        args: ['eval', '--tasks', 'copa,foo'],
        code: 2,
        message: /No task "foo"; there are xquad, .* rte\./,
      },
      {
        title: 'a limit of 0',
        args: ['eval', '--limit', '0'],
        code: 2,
        message: /Expected a whole number of at least 1\./,
      },
      {
        title: 'a limit that is no number',
        args: ['eval', '--limit', '1e3'],
        code: 2,
        message: /Expected a whole number of at least 1\./,
      },
      {
        title: 'an unknown dtype',
        args: ['info', '--dtype', 'int3'],
        code: 2,
        message: /unknown option '--dtype'/,
      },
      {
        title: 'a dtype that is none',
        args: ['eval', '--dtype', 'int3'],
        code: 2,
        message: /argument 'int3' is invalid\. Allowed choices are auto, float32, bfloat16, float16\./,
      },
      {
        title: 'a top-p above 1',
        args: ['generate', '--top-p', '1.5'],
        code: 2,
        message: /Expected a number above 0, at most 1\./,
      },
      {
        title: 'a top-p of 0',
        args: ['generate', '--top-p', '0'],
        code: 2,
        message: /argument '0' is invalid\. Expected a number above 0, at most 1\./,
      },
      {
        title: 'a temperature without end',
        args: ['chat', '--temperature', 'Infinity'],
        code: 2,
        message: /Expected a number from 0 to 1000\./,
      },
      {
        title: 'a seed past 2^53',
        args: ['generate', '--seed', '9007199254740993'],
        code: 2,
        message: /Expected a whole number from 0 to 9007199254740991\./,
      },
      {
        title: 'an empty stop text',
        args: ['generate', '--stop', ''],
        code: 2,
        message: /option '--stop <text>' argument '' is invalid\. Expected a text that is not empty\./,
      },
      {
        title: 'more threads than there may be',
        args: ['score', '--threads', '1025'],
        code: 2,
        message: /Expected a whole number from 0 to 1024\./,
      },
      {
        title: 'no such device',
        args: ['score', '--device', 'gpu'],
        code: 2,
        message: /Expected auto, cpu, cuda, cuda:1 and so on, or reference\./,
      },
      {
        title: 'a mistake on the command line, for programs',
        args: ['eval', '--json', '--limit', '0'],
        code: 2,
        message:
          /^\{"error":\{"code":"USAGE","message":"option '--limit <n>' argument '0' is invalid\. .*\}\n$/,
      },
      {
        title: 'an unknown option, for programs',
        args: ['score', '--json', '--modle', 'x'],
        code: 2,
        message: /^\{"error":\{"code":"USAGE","message":"unknown option '--modle'.*\}\n$/,
      },
      {
        title: 'a model without a name',
        args: ['info', ''],
        code: 1,
        message: /^error: "": no such file or folder/,
      },
      {
        title: 'a model that is not there',
        args: ['eval', '--model', '/nowhere'],
        code: 1,
        message: /^error: \/nowhere: no such file or folder.* \[CHECKPOINT_NOT_FOUND\]\n$/s,
      },
      {
        title: 'a data folder that is not there, said before a model is loaded',
        args: ['eval', '--quiet', '--data-dir', '/nowhere', '--model', '/nowhere'],
        code: 1,
        message:
          /^error: XQuAD-en: no data in \/nowhere\/xquad: the data folder \/nowhere does not exist\. Looked for: xquad\.en, validation, test .*\[DATA_NOT_FOUND\]\n$/,
      },
      {
        title: 'a data folder that is a file',
        args: ['eval', '--quiet', '--data-dir', '/dev/null'],
        code: 1,
        message:
          /^error: XQuAD-en: no data in \/dev\/null\/xquad: \/dev\/null is a file, not a data folder\. /,
      },
      {
        title: 'a folder to convert',
        args: ['convert', '/', 'converted'],
        code: 1,
        message: /^error: \/: a folder; expected a file \[CHECKPOINT_CORRUPT\]\n$/,
      },
      {
        title: 'an out folder that is a file',
        args: ['eval', '--quiet', '--out', '/dev/null'],
        code: 1,
        message:
          /^error: \/dev\/null\/samples: a part of the path is a file, not a folder\. Name another --out folder\. \[OUTPUT\]\n$/,
      },
      {
        title: 'an out folder where none can be made',
        args: ['eval', '--quiet', '--out', '/proc/run'],
        code: 1,
        message:
          /^error: \/proc\/run\/samples: it cannot be made there; the file system may be read-only\..*\[OUTPUT\]\n$/,
      },
      {
        title: 'a requests file that is not there',
        args: ['score', '--quiet', '/nowhere.jsonl'],
        code: 1,
        message:
          /^error: \/nowhere\.jsonl: no such file\. Name a JSONL file, or - for stdin\. \[DATA_NOT_FOUND\]\n$/,
      },
      {
        title: 'a requests file that is a folder',
        args: ['generate', '--quiet', '/'],
        code: 1,
        message: /^error: \/: is a folder, not a JSONL file/,
      },
      {
        title: 'a broken line',
        ...score('{"prompt": '),
        code: 1,
        message: /^error: stdin:2: not JSON \(.*\); expected one object a line\. \[DATA_INVALID\]\n$/,
      },
      {
        title: 'a line without prompt',
        ...score('{"continuations": ["b"]}'),
        code: 1,
        message: /stdin:2: "prompt" is missing; expected a text or a list of token ids\./,
      },
      {
        title: 'a prompt of another type',
        ...score('{"prompt": 5, "continuations": ["b"]}'),
        code: 1,
        message: /stdin:2: "prompt" is 5; expected a text or a list of token ids\./,
      },
      {
        title: 'no continuations',
        ...score('{"prompt": "a", "continuations": []}'),
        code: 1,
        message:
          /stdin:2: "continuations" is \[\]; expected a list of texts or of lists of token ids, at least one\./,
      },
      {
        title: 'an empty continuation',
        ...score('{"prompt": "a", "continuations": ["b", ""]}'),
        code: 1,
        message: /stdin:2: "continuations\[1\]" is ""; expected at least one character or id\./,
      },
      {
        title: 'a misspelt field',
        ...score('{"promt": "a", "continuations": ["b"]}'),
        code: 1,
        message: /stdin:2: unknown field "promt"; a line has id, prompt, continuations\./,
      },
      {
        title: 'an id out of range',
        ...score('{"prompt": [999], "continuations": ["b"]}'),
        code: 1,
        message: /999.*\[TOKEN_OUT_OF_RANGE\]/,
      },
      {
        title: 'a request longer than the context',
        ...score(JSON.stringify({ prompt: 'x'.repeat(3000), continuations: ['b'] })),
        code: 1,
        message:
          /^error: stdin:2, continuation 0: 3001 prompt tokens .*\. Shorten it, or give --too-long truncate-left, truncate-right or skip \[CONTEXT_LENGTH\]\n$/,
      },
      {
        title: 'a prompt longer than the context',
        args: ['generate', '--quiet'],
        stdin: `\n{"prompt": "a"}\n${JSON.stringify({ prompt: 'x'.repeat(3000) })}`,
        code: 1,
        message: /^error: stdin:3: 3001 tokens leave no room for 1 new; .*give --too-long truncate-left/,
      },
      {
        title: 'more alternatives than the vocabulary has',
        args: ['score', '--quiet', '--top-k', '9999'],
        code: 1,
        message: /^error: --top-k is 9999; expected an integer from 0 to 258 \[INVALID_ARGUMENT\]\n$/,
      },
      {
        title: 'a conversation longer than the context, where there is no option for it',
        args: ['chat', '--quiet', '--template', 'release'],
        stdin: 'x'.repeat(3000),
        code: 1,
        message:
          /^error: the conversation: \d+ tokens leave no room .* positions\. Shorten it \[CONTEXT_LENGTH\]\n$/,
      },
      {
        title: 'an error for programs',
        args: ['eval', '--json', '--model', '/nowhere', '--quiet'],
        code: 1,
        message: /^\{"error":\{"code":"CHECKPOINT_NOT_FOUND","message":"\/nowhere: no such file or folder/,
      },
    ]
    for (const { title, args, stdin, code, message } of rows) {
      it(title, async () => {
        const result = await cli(args, stdin === undefined ? {} : { stdin })
        assert.match(result.stderr, message)
        assert.doesNotMatch(result.stderr, /\n +at /)
        assert.equal(result.code, code)
      })
    }

    it('MT_LLAMA_DEBUG=1 shows the stack', async () => {
      const { stderr } = await cli(['info', '/nowhere'], { env: { MT_LLAMA_DEBUG: '1' } })
      assert.match(stderr, /\n +at openCheckpoint/)
    })

    it('what was scored before a broken line is printed', async () => {
      const { args, stdin } = score('{"prompt": ')
      const { stdout } = await cli(args, { stdin })
      assert.equal(jsonLines(stdout).length, 1)
    })
  })

  it('a reader that stops early ends the program quietly', async () => {
    const line = '{"prompt": "a", "continuations": ["b"]}\n'
    const { code, stderr } = await cli(['score', '--quiet'], {
      stdin: line.repeat(3000),
      onStart: child => child.stdout?.once('data', () => child.stdout?.destroy()),
    })
    assert.deepEqual([code, stderr], [0, ''])
  })
})
