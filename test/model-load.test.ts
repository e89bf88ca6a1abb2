// loadModel(): what it tells of a model, what it refuses, and what it leaves behind.
import { strict as assert } from 'node:assert'
import { spawnSync } from 'node:child_process'
import { closeSync, ftruncateSync, mkdirSync, openSync, writeFileSync, writeSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { type LoadProgress, loadModel } from '../src/index.ts'
import { activationBytes, cachedFileBytes, checkMemory, kvBytesPerToken } from '../src/model/memory.ts'
import { safetensorsBytes, tinyConfig, tinyTensors, u64, withFolder, writeFiles } from './checkpoint-files.ts'
import { childLimit } from './child-limit.ts'
import { skip } from './skip.ts'
import { defaultModel, randomTinyTensors, withTinyModel } from './tiny-model.ts'

describe('loadModel()', () => {
  it('tells what was loaded', async () => {
    const progress: LoadProgress[] = []
    await using model = await loadModel(defaultModel, { threads: 1, onProgress: p => progress.push(p) })
    const { backend, fingerprint, weightBytes, parameters, ...info } = model.info
    assert.deepEqual(info, {
      path: defaultModel,
      delta: undefined,
      adapters: [],
      format: 'huggingface',
      architecture: 'LlamaForCausalLM',
      vocabSize: 258,
      hiddenSize: 64,
      intermediateSize: 176,
      layers: 2,
      heads: 4,
      kvHeads: 2,
      headDim: 16,
      contextLength: 2048,
      dtype: 'bfloat16',
      storedTypes: 'BF16',
      device: 'cpu',
      threads: 1,
      tokenizer: 'tokenizer.json',
      addBos: true,
      bosTokenId: 256,
      eosTokenIds: [257],
      hasChatTemplate: true,
      warnings: [],
    })
    assert.equal(parameters, 258 * 64 + 64 + 2 * (2 * 64 * 64 + 2 * 32 * 64 + 3 * 64 * 176 + 2 * 64))
    assert.ok(weightBytes >= 2 * (parameters - 5 * 64))
    assert.match(backend, /^cpu /)
    assert.match(fingerprint, /^[0-9a-f]{16}$/)
    const bytesTotal = 2 * parameters
    assert.deepEqual(progress.at(-1), { fraction: 1, bytesDone: bytesTotal, bytesTotal })
  })

  it("computes in the stored type unless told otherwise, and 'auto' devices are the CPU's kernels", async () => {
    await withTinyModel({ options: { device: 'auto' } }, async ({ info }) => {
      assert.deepEqual([info.dtype, info.storedTypes, info.device], ['float32', 'F32', 'cpu'])
    })
    await withTinyModel({ options: { dtype: 'float16', device: 'reference' } }, async ({ info }) => {
      assert.deepEqual(
        [info.dtype, info.storedTypes, info.device, info.threads],
        ['float16', 'F32', 'reference', 1],
      )
    })
  })

  it('warns of tokens that the embedding has no row for; using one is the error', async () => {
    const vocab = Object.fromEntries(Array.from({ length: 10 }, (_, i) => [String.fromCharCode(97 + i), i]))
    const tokenizer = {
      version: '1.0',
      added_tokens: [
        {
          id: 10,
          content: '[PAD]',
          single_word: false,
          lstrip: false,
          rstrip: false,
          normalized: false,
          special: true,
        },
      ],
      normalizer: null,
      pre_tokenizer: { type: 'ByteLevel', add_prefix_space: false },
      post_processor: null,
      decoder: { type: 'ByteLevel' },
      model: { type: 'BPE', vocab, merges: [] },
    }
    await withTinyModel({ files: { 'tokenizer.json': tokenizer } }, async (model, dir) => {
      assert.equal(model.info.warnings.length, 1)
      assert.match(
        model.info.warnings[0]!,
        /the tokenizer has 11 tokens, the embedding 10 rows; texts with ids from 10 on cannot be scored/,
      )
      assert.ok(model.info.warnings[0]!.startsWith(dir))
      await assert.rejects(model.score([{ prompt: 'abc', continuations: ['d', 'd[PAD]'] }]), {
        code: 'TOKEN_OUT_OF_RANGE',
        message: /^request 0, continuation 1: token 1 is 10; ids of this model are 0 to 9/,
      })
    })
  })

  it('refuses what does not fit into memory before it reads it', () =>
    withFolder(async dir => {
      // The model has a terabyte. Its header is true, and nothing may be read.
      writeZeros(dir, 'F32', { hidden_size: 2 ** 17, intermediate_size: 2 ** 18, vocab_size: 2 ** 18 })
      await assert.rejects(loadModel(dir), {
        code: 'OUT_OF_MEMORY',
        message:
          /: loading as float32 takes \d+\.\d GiB \(weights 896.0 GiB, activations \d+\.\d GiB, loading 64 MiB\), but \d.* are available/,
      })
    }))

  it('takes the short names of number formats', async () => {
    for (const [dtype, ours] of [
      ['fp32', 'float32'],
      ['f32', 'float32'],
      ['bf16', 'bfloat16'],
      ['fp16', 'float16'],
      ['f16', 'float16'],
    ] as const)
      await withTinyModel({ options: { dtype, device: 'reference' } }, async ({ info }) =>
        assert.equal(info.dtype, ours),
      )
  })

  for (const [stored, dtype] of [
    ['F16', 'float32'],
    ['F32', 'bfloat16'],
    ['BF16', 'bfloat16'],
  ] as const)
    it(`takes no more than the converted weights and 64 MiB while it loads ${stored} as ${dtype}`, function () {
      if (process.platform !== 'linux') skip(this, 'the peak is read from Linux')
      return withFolder(async dir => {
        writeZeros(dir, stored, { hidden_size: 2048, intermediate_size: 8192, vocab_size: 8192 })
        const program = fileURLToPath(new URL('load-peak.ts', import.meta.url))
        const { stdout, stderr } = spawnSync(process.execPath, ['--import', 'tsx', program, dir, dtype], {
          ...childLimit,
          encoding: 'utf8',
        })
        assert.equal(stderr, '')
        const { weightBytes, peakBytes } = JSON.parse(stdout) as { weightBytes: number; peakBytes: number }
        assert.ok(weightBytes > 150 * 2 ** 20, `${weightBytes}`)
        assert.ok(peakBytes <= weightBytes + 64 * 2 ** 20, `${peakBytes} for ${weightBytes} of weights`)
      })
    })

  it('takes cached files of a control group for free memory', () =>
    withFolder(async dir => {
      const stat = 'anon 7\ninactive_file 1000\nactive_file 200\nfile 5000\n'
      const rows: [groups: string, files: Record<string, string>, bytes: number][] = [
        ['0::/a/b\n', { 'a/b/memory.stat': stat }, 1200],
        ['0::/a/b\n', { 'memory.stat': stat }, 1200],
        [
          '5:devices:/c\n4:memory:/c\n1:cpu:/c\n',
          { 'memory/c/memory.stat': stat, 'memory.stat': 'active_file 1' },
          1200,
        ],
        ['4:memory:/c\n', { 'memory/memory.stat': stat }, 1200],
        ['0::/a\n', {}, 0],
      ]
      for (const [i, [groups, files, bytes]] of rows.entries()) {
        const mount = join(dir, `${i}`)
        for (const [name, text] of Object.entries({ ...files, groups })) {
          mkdirSync(dirname(join(mount, name)), { recursive: true })
          writeFileSync(join(mount, name), text)
        }
        assert.equal(cachedFileBytes(join(mount, 'groups'), mount), bytes, groups)
      }
      assert.equal(cachedFileBytes(join(dir, 'nowhere'), dir), 0)
    }))

  it('refuses a path that is none', () =>
    assert.rejects(loadModel(undefined as unknown as string), {
      code: 'INVALID_ARGUMENT',
      message: 'path is undefined; expected the name of a folder or file',
    }))

  it('counts weights, activations and what loading takes', () => {
    const mebi = 2 ** 20
    const check = (activations: number, loading: number) =>
      checkMemory('DIR', 'bfloat16', { weights: 100 * mebi, activations, loading }, 200 * mebi)
    check(36 * mebi, 64 * mebi)
    assert.throws(() => check(37 * mebi, 64 * mebi), {
      code: 'OUT_OF_MEMORY',
      message:
        /^DIR: loading as bfloat16 takes 201 MiB \(weights 100 MiB, .*, loading 64 MiB\), but 200 MiB are available\. A/,
    })
    check(100 * mebi, 0)
    assert.throws(() => check(101 * mebi, 0), {
      message: /takes 201 MiB \(weights 100 MiB, activations 101 MiB\), but/,
    })
  })

  it('knows what activations and keys and values of LLaMA-7B take', () => {
    const config = {
      hiddenSize: 4096,
      intermediateSize: 11008,
      layers: 32,
      heads: 32,
      kvHeads: 32,
      headDim: 128,
    }
    type Config = Parameters<typeof activationBytes>[0]
    assert.equal(kvBytesPerToken(config as Config), 2 ** 20)
    assert.equal(activationBytes(config as Config, 1), 4 * (3 * 4096 + 4 * 4096 + 11008))
  })

  for (const bad of [Number.NaN, Number.POSITIVE_INFINITY])
    it(`refuses a weight that is ${bad}`, () => {
      const tensors = randomTinyTensors((name, values) => {
        if (name.includes('up_proj')) values[29] = bad
      })
      return assert.rejects(
        withTinyModel({ tensors }, async () => {}),
        {
          code: 'WEIGHT_NOT_FINITE',
          message: /model\.layers\.0\.mlp\.up_proj\.weight/,
        },
      )
    })

  it('rejects with ABORTED where its signal fires, before and while it loads', async () => {
    await assert.rejects(loadModel(defaultModel, { signal: AbortSignal.abort() }), { code: 'ABORTED' })
    const abort = new AbortController()
    const loading = loadModel(defaultModel, { signal: abort.signal })
    setImmediate(() => abort.abort())
    await loading.then(
      model => model.dispose(),
      error => assert.equal(error.code, 'ABORTED'),
    )
  })

  it('passes on what onProgress throws', () => {
    const onProgress = () => {
      throw new Error('of the caller')
    }
    return assert.rejects(loadModel(defaultModel, { onProgress }), { message: 'of the caller' })
  })

  const errors: { name: string; options: object; message: RegExp }[] = [
    {
      name: 'a dtype',
      options: { dtype: 'int8' },
      message: /^dtype is "int8"; expected one of 'auto', 'float32'/,
    },
    {
      name: 'a device',
      options: { device: 'gpu' },
      message: /^device is "gpu"; expected one of 'auto', 'cpu'/,
    },
    {
      name: 'threads',
      options: { threads: -1 },
      message: /^threads is -1; expected an integer from 0 to 1024$/,
    },
  ]
  for (const { name, options, message } of errors)
    it(`refuses ${name} it does not know`, () =>
      assert.rejects(loadModel(defaultModel, options), { code: 'INVALID_ARGUMENT', message }))

  it('passes on what the checkpoint and the tokenizer say', async () => {
    await assert.rejects(loadModel('/no/such/folder'), {
      code: 'CHECKPOINT_NOT_FOUND',
      message: /\/no\/such\/folder/,
    })
    await withFolder(async dir => {
      const weights = safetensorsBytes(randomTinyTensors())
      writeFiles(dir, { 'config.json': tinyConfig, 'model.safetensors': weights, 'tokenizer.json': '{' })
      await assert.rejects(loadModel(dir), { code: 'TOKENIZER', message: /tokenizer\.json: is not JSON/ })
    })
  })
})

/** Makes a checkpoint of one layer of zeros. Its file is a hole, so that it takes no room on disk. */
function writeZeros(
  dir: string,
  type: 'F32' | 'F16' | 'BF16',
  sizes: { hidden_size: number; intermediate_size: number; vocab_size: number },
): void {
  const config = { ...tinyConfig, ...sizes }
  const sizeOf: Record<number, number> = {
    [tinyConfig.hidden_size]: sizes.hidden_size,
    [tinyConfig.intermediate_size]: sizes.intermediate_size,
    [tinyConfig.vocab_size]: sizes.vocab_size,
  }
  const header: Record<string, object> = {}
  let end = 0
  for (const [name, tensor] of tinyTensors()) {
    const shape = tensor.shape.map(n => sizeOf[n]!)
    const bytes = (type === 'F32' ? 4 : 2) * shape.reduce((a, b) => a * b, 1)
    header[name] = { dtype: type, shape, data_offsets: [end, end + bytes] }
    end += bytes
  }
  const text = JSON.stringify(header)
  writeFiles(dir, { 'config.json': config })
  const file = openSync(join(dir, 'model.safetensors'), 'w')
  writeSync(file, Buffer.concat([u64(text.length), Buffer.from(text)]))
  ftruncateSync(file, 8 + text.length + end)
  closeSync(file)
}
