// The command line on the embedded default: output, input and exit codes.
import assert from 'node:assert/strict'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { cardTasks } from '../src/tasks/built-in/registry.ts'
import { withFolder, writeFiles } from './checkpoint-files.ts'
import { cli, jsonLines, onTerminal, stopAt } from './cli-run.ts'
import { shared, sharedMissing } from './shared.ts'
import { skip } from './skip.ts'
import { onTmpfs } from './tmpfs.ts'

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
      assert.deepEqual(
        Object.keys(results.tasks),
        cardTasks.map(({ name }) => name),
      )
      for (const { name } of cardTasks) {
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
      const other = ['eval', '--tasks', 'copa', '--out', out, '--dtype', 'float32']
      const { code, stderr, stdout } = await cli(other)
      assert.deepEqual([code, stdout], [1, ''])
      // Nothing is said of a model that is loaded before any of these.
      const processor = await cli(['eval', '--tasks', 'copa', '--out', out], {
        env: { MT_LLAMA_CPU: 'scalar' },
      })
      assert.match(
        processor.stderr,
        /^error: .*settings holds .*: backend is "cpu \w+" there and "cpu scalar" here\. /,
      )
      const limited = await cli(['eval', '--tasks', 'copa', '--out', out, '--limit', '1'])
      assert.match(limited.stderr, /^error: .*settings holds .*: --limit is null there and 1 here\. /)
      assert.match(
        stderr,
        /^error: .*settings holds results of .*default\/model with other settings than this run: --dtype is "bfloat16" there and "float32" here\. Name another --out folder, or remove this one\. \[OUTPUT\]\n$/,
      )
    })

    it('stopped before the first sample is done says so', async () => {
      const { code, stdout, stderr } = await cli(['eval', '--tasks', 'squad'], {
        env: stopAt('before texts'),
      })
      assert.deepEqual([code, stdout], [130, ''], stderr)
      assert.match(
        stderr,
        /\nstopping; nothing new was done \(again to leave at once\)\n(.*\n)*nothing new was done\n$/,
      )
      assert.doesNotMatch(stderr, /kept|saved/)
    })

    it('stopped before it goes on says that nothing new was done', async () => {
      const out = join(folder, 'out-later')
      const args = ['eval', '--tasks', 'squad', '--out', out]
      assert.equal((await cli([...args, '--limit', '1'])).code, 0)
      const { code, stderr } = await cli(args, { env: stopAt('going on with the others') })
      assert.equal(code, 130, stderr)
      assert.match(stderr, /\nstopping; nothing new was done .*\n(.*\n)*nothing new was done\n$/)
      const { tasks } = JSON.parse(readFileSync(join(out, 'results.json'), 'utf8'))
      assert.equal(tasks.squad.samplesDone, 1)
    })

    it('into a folder of something else changes nothing and says so before it loads a model', async () => {
      const out = join(folder, 'notes')
      mkdirSync(out)
      writeFileSync(join(out, 'notes.txt'), 'mine')
      const { code, stderr } = await cli(['eval', '--out', out, '--model', '/nowhere'])
      assert.equal(code, 1)
      assert.equal(
        stderr,
        `error: ${out}: holds notes.txt and no results. Name another --out folder, one that is empty or is not there. [OUTPUT]\n`,
      )
      assert.deepEqual(readdirSync(out), ['notes.txt'])
    })

    it('into what a run that was killed early has left goes on', async () => {
      const out = join(folder, 'early')
      mkdirSync(join(out, 'samples'), { recursive: true })
      writeFileSync(join(out, 'results.json.part'), '{')
      const { code, stderr } = await cli(['eval', '--quiet', '--tasks', 'copa', '--out', out])
      assert.equal(code, 0, stderr)
    })

    it('shows a bar with time left and speed on a terminal', async function () {
      const text = await onTerminal(['eval', '--tasks', 'squad'])
      if (text === undefined) skip(this, 'no program script')
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
            // Once the first task is saved, the second one runs.
            const timer = setInterval(() => {
              const results = join(out, 'results.json')
              if (!existsSync(results) || !JSON.parse(readFileSync(results, 'utf8')).tasks.copa) return
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

  it('eval on a disk that fills up keeps the finished tasks', async function () {
    const dir = mkdtempSync(join(folder, 'tmpfs-'))
    await onTmpfs(this, dir, 'size=28k', async () => {
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
    const dir = mkdtempSync(join(folder, 'tmpfs-'))
    await onTmpfs(this, dir, 'ro', async () => {
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
          [2, 1, false],
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
        [7, 2],
      )
      for (const line of lines) assert.ok(line.tokens.length <= 6 && typeof line.text === 'string')
    })

    it('--top-log-probs adds the best tokens, and --logit-bias changes what is chosen', async () => {
      const args = ['generate', '--max-tokens', '2', '--top-log-probs', '2', '--quiet']
      const stdin = '{"prompt": "ab"}'
      const [plain] = jsonLines((await cli(args, { stdin })).stdout)
      const [[best, second]] = plain.topAlternatives
      assert.equal(plain.tokens[0], best.token)
      const { stdout } = await cli([...args, '--logit-bias', `${best.token}=-Infinity`], { stdin })
      assert.equal(jsonLines(stdout)[0].tokens[0], second.token)
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
    const [info, named, infoJson, devices, devicesJson] = await Promise.all([
      cli(['info', 'default/model']),
      cli(['info', '--model', 'default/model']),
      cli(['info', '--json']),
      cli(['devices']),
      cli(['devices', '--json']),
    ])
    assert.match(info.stdout, /architecture +LlamaForCausalLM, 0\.1 M parameters/)
    assert.equal(named.stdout, info.stdout)
    const told = JSON.parse(infoJson.stdout)
    assert.equal(told.hiddenSize, 64)
    assert.deepEqual(told.stored, [{ type: 'BF16', tensors: 20, bytes: told.parameters * 2 }])
    // A key and a value of 2 heads of 16 numbers, in 2 layers, in float32.
    assert.deepEqual(told.keyValueBytes, { 512: 512 * 512, 2048: 2048 * 512 })
    assert.match(devices.stdout, /^cpu .*; \d+ threads?; /)
    const { processors, gpus, noGpus } = JSON.parse(devicesJson.stdout)
    assert.ok(processors[0].variants.includes('scalar'))
    // Both outputs have the GPUs with their figures, or why there are none, whatever the build and the machine.
    assert.equal(gpus.length === 0, typeof noGpus === 'string')
    for (const { device, name, totalBytes } of gpus) {
      assert.ok(devices.stdout.includes(`${device.padEnd(10)} ${name}; compute capability `))
      assert.ok(totalBytes > 0)
    }
    if (noGpus) assert.ok(devices.stdout.endsWith(`\ncuda       none: ${noGpus}\n`))
  })

  it('info says what a checkpoint that does not run is, and why it does not', () =>
    withFolder(async dir => {
      const config = {
        architectures: ['GemmaForCausalLM'],
        hidden_size: 2048,
        vocabulary: Array(500).fill('word'),
      }
      writeFiles(dir, { 'config.json': config })
      const [text, json] = await Promise.all([cli(['info', dir]), cli(['info', dir, '--json'])])
      assert.deepEqual([text.code, json.code], [1, 1])
      assert.match(
        text.stdout,
        /^path .*\ndoes not run +config\.json: "architectures" is \["GemmaForCausalLM"\]/,
      )
      assert.match(text.stdout, /^hidden_size +2048$/m)
      assert.match(text.stderr, /\[CHECKPOINT_UNSUPPORTED\]\n$/)
      const { unsupported, config: seen } = JSON.parse(json.stdout)
      assert.match(unsupported, /GemmaForCausalLM/)
      assert.deepEqual(Object.keys(seen), ['architectures', 'hidden_size'])
    }))

  it('a reader that stops early ends the program quietly', async () => {
    const line = '{"prompt": "a", "continuations": ["b"]}\n'
    const { code, stderr } = await cli(['score', '--quiet'], {
      stdin: line.repeat(3000),
      onStart: child => child.stdout?.once('data', () => child.stdout?.destroy()),
    })
    assert.deepEqual([code, stderr], [0, ''])
  })
})
