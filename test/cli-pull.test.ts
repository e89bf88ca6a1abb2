// The program's downloads, from a hub of our own: mt-llama pull, --model ORG/NAME, mt-llama data pull.
import assert from 'node:assert/strict'
import {
  existsSync,
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
import { parquetWriteBuffer } from 'hyparquet-writer'
import { findDataFiles } from '../src/data/data-files.ts'
import { builtInTasks } from '../src/tasks/built-in/registry.ts'
import { type CliOptions, jsonLines, cli as run } from './cli-run.ts'
import { commitOf, type Fault, HubServer } from './hub-server.ts'
import { carried } from './shared.ts'
import { onTmpfs } from './tmpfs.ts'

const model = Object.fromEntries(
  ['config.json', 'model.safetensors', 'tokenizer.json', 'tokenizer_config.json'].map(file => [
    file,
    readFileSync(carried('hf', 'llama-tokenizer-json', file)),
  ]),
)
const weights = model['model.safetensors']!

/** The rows of a data file of the golden ones, as the hub has them. */
const parquet = (...path: string[]) => {
  const rows = jsonLines(readFileSync(carried('data', ...path), 'utf8'))
  const columnData = Object.keys(rows[0]!).map(name => ({ name, data: rows.map(row => row[name]) }))
  return Buffer.from(parquetWriteBuffer({ columnData }) as ArrayBuffer)
}
const copa = parquet('copa', 'validation.jsonl')
const rte = parquet('rte', 'validation.jsonl')

describe('downloads of the program', () => {
  let server: HubServer
  let folder: string
  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), 'mt-llama-pull-'))
    server = new HubServer()
    await server.start()
    server.repos.push({ type: 'model', id: 'org/tiny', files: { ...model } })
  })
  afterEach(async () => {
    await server.stop()
    rmSync(folder, { recursive: true })
  })

  const cache = () => join(folder, 'home', 'hub')
  const blob = () => join(cache(), 'models--org--tiny', 'blobs', server.objectName(weights))
  const cli = (args: readonly string[], options: CliOptions = {}) =>
    run(args, {
      ...options,
      env: {
        ...{ HF_ENDPOINT: server.endpoint, HF_HOME: join(folder, 'home'), HF_HUB_DOWNLOAD_TIMEOUT: '60' },
        ...{ HF_TOKEN: '', HF_HUB_CACHE: '', HF_HUB_OFFLINE: '', TRANSFORMERS_OFFLINE: '' },
        ...options.env,
      },
    })
  const ranges = () =>
    server.requests
      .filter(({ kind, path }) => kind === 'store' && path.includes(server.objectName(weights)))
      .map(({ range }) => range)
  /** Lets the weights stall after so many bytes. */
  const hold = (bytes: number) => {
    server.fault = ({ kind, path }) =>
      kind === 'store' && path.includes(server.objectName(weights)) ? { stallAfter: bytes } : undefined
  }
  const until = async (condition: () => boolean) => {
    while (!condition()) await new Promise(resolve => setTimeout(resolve, 20))
  }
  const begun = (bytes: number) => () => statSync(`${blob()}.part`, { throwIfNoEntry: false })?.size === bytes

  describe('pull', () => {
    it('prints the folder, and says with --json which commit it is', async () => {
      const { code, stdout, stderr } = await cli(['pull', 'org/tiny'])
      const path = join(cache(), 'models--org--tiny', 'snapshots', commitOf(model))
      assert.deepEqual([code, stdout], [0, `${path}\n`], stderr)
      assert.match(stderr, /--model org\/tiny uses it\n$/)
      for (const [file, content] of Object.entries(model))
        assert.deepEqual(readFileSync(join(path, file)), content)
      const again = await cli(['pull', 'org/tiny', '--json', '--quiet'])
      assert.deepEqual([again.code, again.stderr], [0, ''])
      assert.deepEqual(JSON.parse(again.stdout), {
        repo: 'org/tiny',
        revision: 'main',
        commit: commitOf(model),
        path,
      })
      assert.deepEqual(ranges(), [undefined])
    })

    it('that is killed goes on', async () => {
      hold(50_000)
      const killed = await cli(['pull', 'org/tiny'], {
        onStart: child => void until(begun(50_000)).then(() => child.kill('SIGKILL')),
      })
      assert.equal(killed.code, null)
      assert.ok(!existsSync(blob()))
      server.fault = () => undefined
      const { code, stderr } = await cli(['pull', 'org/tiny'])
      assert.equal(code, 0, stderr)
      assert.deepEqual(ranges(), [undefined, 'bytes=50000-'])
      assert.deepEqual(readFileSync(blob()), weights)
    })

    it('that is stopped by Ctrl-C keeps what has come, and exits with 130', async () => {
      hold(50_000)
      const { code, stderr } = await cli(['pull', 'org/tiny'], {
        onStart: child => void until(begun(50_000)).then(() => child.kill('SIGINT')),
      })
      assert.equal(code, 130, stderr)
      assert.match(stderr, /stopping; what is done is kept/)
      assert.ok(begun(50_000)())
    })

    it('waits for another that downloads the same, and downloads nothing twice', async () => {
      hold(50_000)
      let second: ReturnType<typeof cli> | undefined
      const first = await cli(['pull', 'org/tiny'], {
        onStart: () =>
          void until(begun(50_000)).then(() => {
            second = cli(['pull', 'org/tiny'], {
              onStderr: text => {
                // The first one's connection is broken once the other waits: it goes on by itself.
                if (/is being written by process \d+ .*; waiting for it/.test(text)) release()
              },
            })
          }),
      })
      const other = await second!
      assert.deepEqual([first.code, other.code], [0, 0], first.stderr + other.stderr)
      assert.equal(first.stdout, other.stdout)
      assert.deepEqual(ranges(), [undefined, 'bytes=50000-'])
    })
    const release = () => {
      server.fault = () => undefined
      server.breakConnections()
    }

    it('says what is wrong, and as JSON', async () => {
      const { code, stderr } = await cli(['pull', 'org/other', '--json'])
      assert.equal(code, 1)
      assert.match(JSON.parse(stderr).error.code, /^HUB_ACCESS$/)
      const usage = await cli(['pull', 'tiny'])
      assert.equal(usage.code, 2)
      assert.match(usage.stderr, /Expected ORG\/NAME or ORG\/NAME\/FILE\.gguf\./)
    })
  })

  describe('--model ORG/NAME', () => {
    const request = '{"prompt":"a","continuations":[" b"]}\n'
    const score = (args: readonly string[], env = {}) => cli(['score', ...args], { stdin: request, env })

    it('downloads, then needs no network, and scores as the folder does', async () => {
      const first = await score(['--model', 'org/tiny'])
      assert.equal(first.code, 0, first.stderr)
      const folder = await score(['--model', carried('hf', 'llama-tokenizer-json')])
      assert.equal(first.stdout, folder.stdout)
      assert.ok(first.stdout.includes('logLikelihood'))
      server.requests.length = 0
      const second = await score(['--model', 'org/tiny'])
      const offline = await score(['--model', 'org/tiny'], { HF_HUB_OFFLINE: '1' })
      assert.deepEqual([second.stdout, offline.stdout], [first.stdout, first.stdout])
      assert.deepEqual(server.requests, [])
      const info = await cli(['info', 'org/tiny', '--json'])
      assert.equal(JSON.parse(info.stdout).format, 'huggingface')
    })

    it('takes a GGUF file of a repository', async () => {
      const gguf = readFileSync(carried('hf', 'gguf-q8_0-q4_1', 'model.gguf'))
      server.repos.push({ type: 'model', id: 'org/gguf', files: { 'a-Q8_0.gguf': gguf, 'a-Q4_0.gguf': 'x' } })
      const { code, stderr } = await cli(['info', 'org/gguf/a-Q8_0.gguf'])
      assert.equal(code, 0, stderr)
      const unnamed = await cli(['info', 'org/gguf'])
      assert.match(unnamed.stderr, /name one: a-Q4_0\.gguf, a-Q8_0\.gguf/)
    })

    it('is what is here on disk, if there is such a folder', async () => {
      const { code, stderr } = await cli(['info', 'test/golden', '--json'])
      assert.deepEqual([code, server.requests], [1, []])
      assert.match(JSON.parse(stderr).error.code, /^CHECKPOINT_NOT_FOUND$/)
    })

    it('of neither disk nor hub says so', async () => {
      const { code, stderr } = await score(['--model', 'my/model'])
      assert.equal(code, 1)
      assert.match(
        stderr,
        /error: my\/model is no file or folder here\. On the hub: my\/model: no such repository.*\[HUB_ACCESS\]/,
      )
      const offline = await score(['--model', 'my/model'], { HF_HUB_OFFLINE: '1' })
      assert.match(
        offline.stderr,
        /my\/model is no file or folder here\. On the hub: .*HF_HUB_OFFLINE is set.*\[HUB_NOT_FOUND\]/,
      )
    })
  })

  describe('data pull', () => {
    const dir = () => join(folder, 'data')
    beforeEach(() => {
      server.repos.push(
        {
          type: 'dataset',
          id: 'aps/super_glue',
          files: { 'copa/validation-00000-of-00001.parquet': copa, 'copa/test-00000-of-00001.parquet': 'x' },
        },
        {
          type: 'dataset',
          id: 'nyu-mll/glue',
          files: { 'rte.py': 'a script' },
          revisions: {
            'refs/convert/parquet': { commit: 'a'.repeat(40), files: { 'rte/validation/0000.parquet': rte } },
          },
        },
        {
          type: 'dataset',
          id: 'Muennighoff/xwinograd',
          files: { 'test/en.jsonl': '{"a":1}\n', 'test/fr.jsonl': '{"a":2}\n' },
        },
      )
    })
    /** So large that the hub keeps it in its store. */
    const big = Buffer.concat([copa, Buffer.alloc(100_000)])
    const serveBig = () => {
      server.repos.find(({ id }) => id === 'aps/super_glue')!.files = {
        'copa/validation-00000-of-00001.parquet': big,
      }
    }
    const pull = (...sets: string[]) => cli(['data', 'pull', ...sets, '--data-dir', dir()])

    it('fills a folder that eval reads, from both places of Parquet', async () => {
      const { code, stdout, stderr } = await pull('copa', 'rte')
      assert.equal(code, 0, stderr)
      const files = ['copa', 'rte'].map(name => join(dir(), name, 'validation-00000-of-00001.parquet'))
      assert.deepEqual(
        stdout.split('\n').map(line => line.split(/ +/)[1]),
        [...files, undefined],
      )
      const tasks = ['--tasks', 'copa,rte', '--quiet', '--model', carried('hf', 'llama-tokenizer-json')]
      const out = join(folder, 'out')
      const evaluated = await cli(['eval', ...tasks, '--data-dir', dir(), '--out', out])
      assert.equal(evaluated.code, 0, evaluated.stderr)
      const golden = await cli([
        'eval',
        ...tasks,
        '--data-dir',
        carried('data'),
        '--out',
        join(folder, 'golden'),
      ])
      assert.equal(golden.code, 0, golden.stderr)
      for (const name of ['copa', 'rte'])
        assert.equal(
          readFileSync(join(out, 'samples', `${name}.jsonl`), 'utf8'),
          readFileSync(join(folder, 'golden', 'samples', `${name}.jsonl`), 'utf8'),
        )
    })

    it('goes on after a broken connection, and waits where the hub says so', async () => {
      serveBig()
      const wanted = server.objectName(big)
      const faults: (Fault | undefined)[] = [
        { cutAfter: 100 },
        { status: 429, headers: { 'retry-after': '0' } },
        undefined,
      ]
      server.fault = ({ kind, path }, count) =>
        kind === 'store' && path.includes(wanted) ? faults[count - 1] : undefined
      const { code, stderr } = await pull('copa')
      assert.equal(code, 0, stderr)
      assert.match(stderr, /429.*trying again in 0 s/)
      assert.deepEqual(
        server.requests
          .filter(({ kind, path }) => kind === 'store' && path.includes(wanted))
          .map(one => one.range),
        [undefined, 'bytes=100-', 'bytes=100-'],
      )
      assert.deepEqual(readFileSync(join(dir(), 'copa', 'validation-00000-of-00001.parquet')), big)
    })

    it('on a full disk says so, and goes on once there is room', async function () {
      mkdirSync(dir())
      await onTmpfs(this, dir(), 'size=64k', async remount => {
        serveBig()
        const full = await pull('copa')
        assert.equal(full.code, 1)
        assert.match(full.stderr, /the disk (is full|has \d+ left).*\[OUTPUT\]/)
        remount('size=1m')
        const { code, stderr } = await pull('copa')
        assert.equal(code, 0, stderr)
        assert.deepEqual(readFileSync(join(dir(), 'copa', 'validation-00000-of-00001.parquet')), big)
      })
    })

    it('downloads what is missing or spoilt, and that alone', async () => {
      await pull('copa', 'rte')
      server.requests.length = 0
      const again = await pull('copa', 'rte')
      assert.match(again.stdout, /^copa .*, was there\)\nrte .*, was there\)\n$/)
      assert.equal(server.count('resolve'), 0)
      const file = join(dir(), 'copa', 'validation-00000-of-00001.parquet')
      const spoilt = Buffer.from(copa)
      spoilt[100]! ^= 1
      writeFileSync(file, spoilt)
      await pull('copa', 'rte')
      assert.deepEqual(readFileSync(file), copa)
      assert.equal(server.count('resolve'), 1)
    })

    it('removes shards of an earlier download that are no more', async () => {
      const glue = server.repos.find(({ id }) => id === 'aps/super_glue')!
      const whole = glue.files
      glue.files = {
        'copa/validation-00000-of-00002.parquet': copa,
        'copa/validation-00001-of-00002.parquet': rte,
      }
      await pull('copa')
      const names = () => readdirSync(join(dir(), 'copa')).filter(name => name !== 'pulled.json')
      writeFileSync(join(dir(), 'copa', 'mine.jsonl'), '')
      assert.equal(names().length, 3)
      glue.files = whole
      await pull('copa')
      assert.deepEqual(names(), ['mine.jsonl', 'validation-00000-of-00001.parquet'])
    })

    it('takes a file as it is where the hub has no Parquet', async () => {
      const { code, stderr } = await pull('xwinograd_fr')
      assert.equal(code, 0, stderr)
      assert.equal(readFileSync(join(dir(), 'xwinograd', 'test', 'fr.jsonl'), 'utf8'), '{"a":2}\n')
    })

    it('keeps the languages of a set apart, where eval looks for them', async () => {
      const [xnliDe, xnliFr] = [
        parquet('rte', 'validation.jsonl'),
        parquet('mnli', 'validation_matched.jsonl'),
      ]
      server.repos.push({
        type: 'dataset',
        id: 'facebook/xnli',
        files: { 'de/test-00000-of-00001.parquet': xnliDe, 'fr/test-00000-of-00001.parquet': xnliFr },
      })
      const { code, stderr } = await pull('xnli_de', 'xnli_fr')
      assert.deepEqual([code, stderr.includes('warning')], [0, false], stderr)
      const { folder, stems } = builtInTasks.get('xnli_fr')!.data
      const [found, ...others] = await findDataFiles('XNLI', join(dir(), folder), stems)
      assert.deepEqual([readFileSync(found!), others], [xnliFr, []])
      const record = JSON.parse(readFileSync(join(dir(), 'xnli', 'pulled.json'), 'utf8'))
      assert.deepEqual(Object.keys(record), ['de/test', 'fr/test'])
    })

    it('says so where eval would read another file', async () => {
      mkdirSync(join(dir(), 'copa'), { recursive: true })
      writeFileSync(join(dir(), 'copa', 'validation.jsonl'), '')
      const { stderr } = await pull('copa')
      assert.match(
        stderr,
        /warning: eval reads .*validation\.jsonl for copa, not .*validation-00000-of-00001\.parquet/,
      )
    })

    const refused: Record<string, { sets: string[]; change?: () => void; code: number; error: RegExp }> = {
      'an unknown set': {
        sets: ['coppa'],
        code: 1,
        error: /coppa: no such set; expected card, squad, .*xnli, .*xnli_de/,
      },
      'an unknown language': {
        sets: ['xnli_xx'],
        code: 1,
        error: /xnli_xx: no such set; xnli is there in en zh .*; xnli stands for all/,
      },
      'a set that was withdrawn': {
        sets: ['marc-2'],
        code: 1,
        error: /marc-2: amazon_reviews_multi was withdrawn from the hub/,
      },
      'a gated set, without a token': {
        sets: ['copa'],
        change: () => {
          server.repos.find(({ id }) => id === 'aps/super_glue')!.token = 'hf_secret'
        },
        code: 1,
        error: /the dataset aps\/super_glue: .*\(401, .*set HF_TOKEN.*\[HUB_ACCESS\]/s,
      },
      'bytes with another checksum': {
        sets: ['copa'],
        change: () => {
          serveBig()
          server.fault = ({ kind }) => (kind === 'store' ? { content: Buffer.alloc(big.length) } : undefined)
        },
        code: 1,
        error:
          /copa\/validation-00000-of-00001\.parquet: its \d+ bytes do not have the SHA-256 .*\[HUB_FAILED\]/s,
      },
      'a set that has moved': {
        sets: ['squad'],
        code: 1,
        error:
          /the dataset rajpurkar\/squad: no such repository.*The set squad needs plain_text\/validation-\*\.parquet.*put its files into .*squad yourself \(docs\/data\.md\).*\[HUB_ACCESS\]/,
      },
      'a set whose files have moved': {
        sets: ['wic'],
        code: 1,
        error:
          /the dataset aps\/super_glue: it has no such file\. The set wic needs wic\/validation-\*\.parquet, or wic\/validation\/\*\.parquet at refs\/convert\/parquet.*\[HUB_NOT_FOUND\]/,
      },
      'shards that are not all there': {
        sets: ['copa'],
        change: () => {
          server.repos.find(({ id }) => id === 'aps/super_glue')!.files = {
            'copa/validation-00001-of-00002.parquet': copa,
          }
        },
        code: 1,
        error:
          /the dataset aps\/super_glue, copa: it has validation-00001-of-00002\.parquet, which are not all the shards/,
      },
      'a listing of sizes that are not so': {
        sets: ['copa'],
        change: () => {
          server.list = entries => entries.map(entry => ({ ...entry, size: 3, lfs: undefined }))
        },
        code: 1,
        error:
          /copa\/validation-00000-of-00001\.parquet: the hub sends \d+ bytes, where its listing has 3 \[HUB_FAILED\]/,
      },
    }
    for (const [name, { sets, change, code, error }] of Object.entries(refused)) {
      it(`refuses ${name}, and leaves no file`, async () => {
        change?.()
        const result = await pull(...sets)
        assert.equal(result.code, code)
        assert.match(result.stderr, error)
        const left = existsSync(dir()) ? readdirSync(dir(), { recursive: true }).map(String) : []
        assert.deepEqual(
          left.filter(file => /\.parquet$|lock/.test(file)),
          [],
        )
      })
    }
  })
})
