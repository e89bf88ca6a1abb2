// mt-llama bench: what it prints, that its figures agree with each other, how it ends early, and what it refuses.
import assert from 'node:assert/strict'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { BenchReport } from '../src/bench/report.ts'
import { listDevices } from '../src/index.ts'
import { safetensorsBytes, tinyConfig, withFolder, writeFiles } from './checkpoint-files.ts'
import { cli, root } from './cli-run.ts'
import { skip } from './skip.ts'
import { defaultModel, randomTinyTensors } from './tiny-model.ts'

const hostDevice = `${root}build/host-device`
const opNames = [
  ...['embed', 'rms_norm', 'qkv', 'attention', 'append_kv', 'linear_add out', 'swiglu'],
  ...['linear_add down', 'gather_rows', 'head_score', 'head_sample', 'head_logits'],
]
const trainOpNames = [
  ...['head_loss', 'rms_norm_backward', 'linear_backward', 'linear_backward thin', 'product'],
  ...['swiglu_backward', 'attention_backward', 'rope_backward', 'scatter_rows', 'embed_backward'],
  ...['repack', 'convert', 'adamw'],
]

describe('mt-llama bench', () => {
  let folder: string
  before(() => {
    folder = mkdtempSync(join(tmpdir(), 'mt-llama-bench-test-'))
  })
  after(() => rmSync(folder, { recursive: true }))

  it('all parts on the embedded model: the JSON is whole and its figures agree with each other', async () => {
    const args = ['bench', '--json', '--quiet', '--model', defaultModel, '--device', 'cpu', '--threads', '1']
    const { code, stdout, stderr } = await cli([...args, '--rows', '64'])
    assert.deepEqual([code, stderr], [0, ''])
    const report = checkWhole(stdout, 64)
    assert.deepEqual(
      [report.machine.device, report.machine.threads, report.machine.dtype],
      ['cpu', 1, 'bfloat16'],
    )
  })

  it('ops of training: each at its rows, those of weights once', async () => {
    const args = ['bench', '--json', '--quiet', '--model', defaultModel, '--device', 'cpu', '--threads', '1']
    const { code, stdout, stderr } = await cli([...args, '--only', 'train-ops', '--rows', '3,64'])
    assert.deepEqual([code, stderr], [0, ''])
    const { peaks, trainOps } = JSON.parse(stdout) as Whole
    assert.deepEqual(
      trainOps.map(({ op, rows, cache }) => [op, rows, cache]),
      trainOpNames.flatMap(op =>
        (['repack', 'adamw'].includes(op) ? [1] : [3, 64]).map(rows => [op, rows, 0]),
      ),
    )
    for (const op of trainOps) checkRate(op, peaks, op.flops, 0)
  })

  it('the same in the simulator of the CUDA backend', async function () {
    if (!existsSync(hostDevice)) skip(this, 'npm run build:host-device has not been run')
    const args = ['bench', '--json', '--quiet', '--model', defaultModel, '--device', 'cuda', '--rows', '4']
    const { code, stdout, stderr } = await cli(args, { env: { MT_LLAMA_PREBUILD: hostDevice } })
    assert.deepEqual([code, stderr], [0, ''])
    const { machine, peaks } = checkWhole(stdout, 4)
    assert.deepEqual([machine.device, machine.name, machine.backend], ['cuda:0', 'host', 'cuda host'])
    assert.deepEqual(
      peaks.arithmetic.map(({ instruction }) => instruction),
      ['fma', 'mma.sync bf16', 'mma.sync f16'],
    )
  })

  it("training steps in the simulator, whose memory is not the process's", async function () {
    if (!existsSync(hostDevice)) skip(this, 'npm run build:host-device has not been run')
    const args = [
      'bench',
      '--json',
      '--quiet',
      '--model',
      defaultModel,
      '--device',
      'cuda',
      '--only',
      'train',
    ]
    const env = { MT_LLAMA_PREBUILD: hostDevice }
    const { code, stdout, stderr } = await cli([...args, '--pack-tokens', '20'], { env })
    assert.deepEqual([code, stderr], [0, ''])
    const { train } = JSON.parse(stdout) as Whole
    assert.deepEqual(
      train.map(({ method, tokens, residentBytes }) => [method, tokens, residentBytes]),
      [
        ['full', 20, null],
        ['lora', 20, null],
      ],
    )
  })

  it('what a GPU has no memory for is refused before anything is measured', async function () {
    if (!existsSync(hostDevice)) skip(this, 'npm run build:host-device has not been run')
    const env = { MT_LLAMA_PREBUILD: hostDevice, MT_LLAMA_HOST_DEVICE_BYTES: String(400 * 2 ** 20) }
    const { code, stdout, stderr } = await cli(['bench', '--device', 'cuda', '--json'], { env })
    assert.deepEqual([code, stdout], [1, ''])
    const { error } = JSON.parse(stderr)
    assert.equal(error.code, 'OUT_OF_MEMORY')
    assert.match(
      error.message,
      /^135M as bfloat16 on cuda:0: .* takes [\d.]+ GiB .*, but 0\.\d+ GiB are available/,
    )
  })

  it('prints a table, and what it does on stderr', async () => {
    const args = ['bench', '--model', defaultModel, '--device', 'cpu', '--only', 'ops,scoring', '--rows', '2']
    const { code, stdout, stderr } = await cli(args)
    assert.equal(code, 0, stderr)
    assert.equal(stderr, 'peaks\nops\nload\nscoring\n')
    assert.match(
      stdout,
      /\n.*: 0\.1 M parameters; .* as bfloat16, through \w+\npeaks: .* GFLOP\/s; read .* GB\/s\n/,
    )
    assert.match(stdout, /\n +median +p10 \.\. p90 +rate +of the peak\n/)
    assert.match(
      stdout,
      /\nswiglu, 2 rows +[\d.]+ us +[\d.]+ \.\. [\d.]+ +[\d.]+ G(FLOP|B)\/s +\d+ % of \w+\n/,
    )
    assert.match(stdout, /\nattention, 1 row after 2047 +/)
    assert.match(stdout, /\nscoring, 8 x 4 of 96 \+ 4 ids .* prompts\/s, \d+ tokens\/s; 864 run of 3168\n$/)
  })

  it('training steps of all weights and of adapters, where they are asked for', async () => {
    const args = ['bench', '--model', defaultModel, '--device', 'cpu', '--only', 'train', '--quiet', '--json']
    const { code, stdout, stderr } = await cli([...args, '--pack-tokens', '200', '--lora-rank', '4'])
    assert.deepEqual([code, stderr], [0, ''])
    const { machine, model, train } = JSON.parse(stdout) as Whole
    assert.equal(machine.dtype, 'float32')
    const { hiddenSize, intermediateSize, layers, heads, kvHeads, headDim, vocabSize } = model
    const [q, kv] = [heads * headDim, kvHeads * headDim]
    const attention = hiddenSize * (2 * q + 2 * kv)
    const feedForward = 3 * hiddenSize * intermediateSize
    // Of 200 tokens, 128 are a sequence, of which 16 are scored, and 72 another: 8,256 and 2,628 pairs.
    const rows =
      layers * 200 * attention + ((layers - 1) * 200 + 16) * feedForward + 16 * hiddenSize * vocabSize
    const sees = 12 * layers * q * (8256 + 2628)
    const adapters = layers * 4 * (7 * hiddenSize + 2 * (q + kv) + 3 * intermediateSize)
    assert.deepEqual(
      train.map(({ method, tokens, flops }) => [method, tokens, flops]),
      [
        ['full', 200, 6 * rows + sees],
        ['lora', 200, 4 * rows + sees + 6 * 200 * adapters],
      ],
    )
    for (const step of train) near(step.tokensPerSecond, 200e6 / step.microseconds)
    const wrong = await cli([...args, '--dtype', 'bfloat16'])
    assert.match(wrong.stderr, /'train' runs in float32, not in bfloat16/)
  })

  it('a shape needs no checkpoint; Ctrl-C ends it, prints what was done and leaves no file', async () => {
    const temporary = join(folder, 'temporary')
    mkdirSync(temporary)
    let files = -1
    const { code, stdout, stderr } = await cli(
      ['bench', '--shape', '135M', '--device', 'cpu', '--only', 'prefill'],
      {
        env: { TMPDIR: temporary },
        onStderr: (text, child) => {
          if (!text.endsWith('load\n')) return
          // The run is stopped as soon as its file is there.
          const timer = setInterval(() => {
            files = readdirSync(temporary).filter(name => name.startsWith('mt-llama-bench-')).length
            if (files === 0) return
            clearInterval(timer)
            child.kill('SIGINT')
          }, 1)
        },
      },
    )
    assert.equal(code, 130, stderr)
    assert.equal(files, 1)
    assert.match(stderr, /^peaks\nload\n\nstopping; /)
    assert.match(stdout, /^.+\n135M, random weights: 134\.5 M parameters; .*\npeaks: .*\n$/)
    assert.deepEqual(
      readdirSync(temporary).filter(name => name.startsWith('mt-llama-bench-')),
      [],
    )
  })

  /** Runs the command on a checkpoint with so many positions. */
  const ofContext = (positions: number, only: string) =>
    withFolder(async dir => {
      writeFiles(dir, {
        'config.json': { ...tinyConfig, max_position_embeddings: positions },
        'model.safetensors': safetensorsBytes(randomTinyTensors()),
      })
      return cli(['bench', '--json', '--quiet', '--device', 'cpu', '--model', dir, '--only', only])
    })

  it('the shortest context that can be timed', async () => {
    const { code, stdout, stderr } = await ofContext(5, 'prefill,decode,scoring')
    assert.deepEqual([code, stderr], [0, ''])
    const { prefill, decode, scoring } = JSON.parse(stdout) as Whole
    assert.deepEqual(
      decode.map(({ positions, steps }) => [positions, steps]),
      [1, 8, 32].map(() => [3, 2]),
    )
    assert.deepEqual([scoring.promptTokens, scoring.continuationTokens], [1, 4])
    for (const { microseconds } of [prefill, ...decode, scoring]) assert.ok(microseconds > 0)
  })

  for (const [part, positions, least] of [
    ['decode', 2, 3],
    ['scoring', 4, 5],
  ] as const)
    it(`a context of ${positions} is refused before anything is measured: ${part} takes ${least}`, async () => {
      const { code, stdout, stderr } = await ofContext(positions, `prefill,${part}`)
      assert.deepEqual([code, stdout], [1, ''])
      const { error } = JSON.parse(stderr)
      assert.equal(error.code, 'CONTEXT_LENGTH')
      assert.match(
        error.message,
        new RegExp(
          `: the model has ${positions} positions; '${part}' takes ${least}\\. The other parts can be run$`,
        ),
      )
    })

  const usage: [args: string[], says: RegExp][] = [
    [['--shape', '13B'], /Allowed choices are 135M, 1\.1B, 7B/],
    [
      ['--shape', '7B', '--model', defaultModel],
      /'--shape <name>' cannot be used with option '--model <path>'/,
    ],
    [
      ['--only', 'ops,training'],
      /"training" is no part of it; there are ops, prefill, decode, scoring, train-ops, train\./,
    ],
    [['--rows', '1,0'], /Expected a whole number from 1 to 65536\./],
    [['--device', 'gpu'], /device/],
  ]
  for (const [args, says] of usage)
    it(`${args.join(' ')} is an error of usage`, async () => {
      const { code, stdout, stderr } = await cli(['bench', ...args])
      assert.deepEqual([code, stdout], [2, ''])
      assert.match(stderr, says)
    })

  it('a path that is wrong, a device that is not there: one line, exit code 1', async () => {
    const wrong = await cli(['bench', '--model', join(folder, 'absent')])
    assert.deepEqual([wrong.code, wrong.stdout], [1, ''])
    assert.match(wrong.stderr, /^error: .*absent.*\[CHECKPOINT_NOT_FOUND\]\n$/)
    const { gpus } = await listDevices()
    const missing = await cli(['bench', '--device', `cuda:${gpus.length}`])
    assert.deepEqual([missing.code, missing.stdout], [1, ''])
    assert.match(missing.stderr, /^error: cuda:\d+: .*\[DEVICE_UNAVAILABLE\]\n$/s)
  })
})

type Whole = Required<BenchReport>

/** Checks the report of all parts on the embedded model. */
function checkWhole(stdout: string, rows: number): Whole {
  const report = JSON.parse(stdout) as Whole
  const { machine, model, peaks, ops, prefill, decode, scoring } = report
  assert.deepEqual(Object.keys(report), [
    ...['machine', 'model', 'peaks', 'ops', 'prefill', 'decode', 'scoring'],
  ])
  // The embedded model has hidden size 64, feed-forward 176, 2 layers, 4 heads of 16 on 2, 258 tokens and a tied head.
  const { hiddenSize, intermediateSize, layers, heads, kvHeads, headDim, vocabSize } = model
  const layer = hiddenSize * headDim * (2 * heads + 2 * kvHeads) + 3 * hiddenSize * intermediateSize
  assert.equal(model.parameters, vocabSize * hiddenSize + layers * (layer + 2 * hiddenSize) + hiddenSize)
  assert.equal(model.random, false)
  assert.ok(machine.name !== '' && machine.backend !== '')

  assert.deepEqual(
    ops.map(({ op, rows, cache }) => [op, rows, cache]),
    opNames.flatMap(op => [[op, rows, 0], ...(op === 'attention' ? [[op, 1, 2047]] : [])]),
  )
  for (const op of ops) {
    const products: Record<string, number> = {
      qkv: hiddenSize * headDim * (heads + 2 * kvHeads),
      'linear_add out': hiddenSize * headDim * heads,
      swiglu: 2 * hiddenSize * intermediateSize,
      'linear_add down': hiddenSize * intermediateSize,
      head_score: hiddenSize * vocabSize,
      head_sample: hiddenSize * vocabSize,
      head_logits: hiddenSize * vocabSize,
    }
    const weights = products[op.op]
    if (weights !== undefined) {
      assert.deepEqual([op.flops, op.memoryBytes], [2 * rows * weights, 2 * weights], op.op)
    }
    checkRate(op, peaks, op.flops, op.fromMemory ? op.memoryBytes : 0)
    near(op.gflopPerSecond, op.flops / op.microseconds / 1e3)
    near(op.gigabytesPerSecond, op.bytes / op.microseconds / 1e3)
    assert.ok(op.runs >= 5)
  }
  assert.equal(prefill.tokens, 512)
  assert.ok(prefill.runs >= 3)
  checkRate(prefill, peaks, prefill.flops, 0)
  near(prefill.tokensPerSecond, 512e6 / prefill.microseconds)

  const matrices = layers * layer + hiddenSize * vocabSize
  assert.deepEqual(
    decode.map(({ sequences, weightBytes }) => [sequences, weightBytes]),
    [1, 8, 32].map(sequences => [sequences, 2 * matrices]),
  )
  for (const step of decode) {
    // The bytes are those of the keys and values of the positions in the middle step, in float32.
    const positions = step.positions + Math.ceil(step.steps / 2)
    assert.equal(step.kvBytes, step.sequences * positions * 2 * layers * kvHeads * headDim * 4)
    const bytes = step.weightBytes + step.kvBytes
    checkRate(step, peaks, step.flops, bytes)
    near(step.gigabytesPerSecond, bytes / step.microseconds / 1e3)
    near(step.tokensPerSecond, (1e6 * step.sequences) / step.microseconds)
    assert.ok(step.steps >= 5)
  }
  // The tokens run are 8 prompts of 96 ids, and 3 ids of each continuation's 4: the last predicts nothing.
  assert.deepEqual([scoring.tokensRun, scoring.tokensUnshared], [8 * (96 + 4 * 3), 8 * 4 * (96 + 3)])
  near(scoring.promptsPerSecond, 8e6 / scoring.microseconds)
  near(scoring.tokensPerSecond, (864 * 1e6) / scoring.microseconds)
  return report
}

/** Times in order, and the share of the peak that takes longer for what was done. */
function checkRate(
  timed: Whole['decode'][number] | Whole['ops'][number] | Whole['prefill'],
  { arithmetic, instruction, readGigabytesPerSecond }: Whole['peaks'],
  flops: number,
  bytes: number,
): void {
  const { microseconds, microsecondsP10, microsecondsP90, share, bound } = timed
  assert.ok(microsecondsP10 > 0 && microsecondsP10 <= microseconds && microseconds <= microsecondsP90)
  const peak = arithmetic.find(peak => peak.instruction === instruction)!.gflopPerSecond
  const limits = [flops / peak / 1e3, bytes / readGigabytesPerSecond / 1e3]
  const most = Math.max(...limits)
  if (most === 0) {
    assert.deepEqual([share, bound], [null, null])
    return
  }
  assert.equal(bound, limits[1]! > limits[0]! ? 'read' : instruction)
  near(share!, most / microseconds)
}

function near(found: number, expected: number): void {
  assert.ok(Math.abs(found - expected) <= 1e-9 * expected, `${found}, expected ${expected}`)
}
