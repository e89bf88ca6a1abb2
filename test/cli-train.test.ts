// mt-llama train: a run that is killed goes on to the same bits, Ctrl-C saves, and what is wrong is told.
import assert from 'node:assert/strict'
import type { ChildProcess } from 'node:child_process'
import { existsSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TrainConfig, train } from '../src/index.ts'
import { checkTrainConfig } from '../src/training/train-config.ts'
import { trainConfigText } from '../src/training/train-config-file.ts'
import { withFolder } from './checkpoint-files.ts'
import { type CliResult, cli, root } from './cli-run.ts'
import { skip } from './skip.ts'
import { bytesOf, figuresOf, logOf, sameBytes, trainingRun } from './training-run.ts'

describe('mt-llama train', () => {
  /** Runs a configuration, and sends the program a signal once a file is there. */
  async function run(
    folder: string,
    config: TrainConfig,
    args: readonly string[] = [],
    stop?: { signal: NodeJS.Signals; onceThere: string },
    env: Record<string, string> = {},
  ): Promise<CliResult> {
    const file = join(folder, 'run.yaml')
    writeFileSync(file, trainConfigText(checkTrainConfig(config)))
    let timer: NodeJS.Timeout | undefined
    const onStart = (child: ChildProcess) => {
      timer = setInterval(() => {
        if (!stop || !existsSync(join(config.out, stop.onceThere))) return
        clearInterval(timer)
        child.kill(stop.signal)
      }, 5)
    }
    return cli(['train', '--config', file, ...args], { onStart, env }).finally(() => clearInterval(timer))
  }

  const many: Partial<TrainConfig> = { steps: 60, saveEvery: 3, schedule: 'linear' }

  for (const [what, changes] of [
    ['all weights', {}],
    ['LoRA', { lora: { rank: 4, targets: 'all-linear' } }],
  ] as const)
    it(`goes on after kill -9, to the bits of a run that was never stopped: ${what}`, () =>
      withFolder(async folder => {
        const config = trainingRun(folder, { ...many, ...changes })
        for (const onceThere of ['step-0000006', 'step-0000021']) {
          const killed = await run(folder, config, [], { signal: 'SIGKILL', onceThere })
          assert.equal(killed.code, null, `it ended before it was killed: ${killed.stderr}`)
        }
        const { code, stdout, stderr } = await run(folder, config)
        assert.equal(code, 0, stderr)
        assert.match(stderr, /^going on after step \d+ of 60$/m)
        const checkpoint = join(config.out, 'step-0000060')
        assert.match(
          stdout,
          new RegExp(`^60 steps, \\d+ tokens, the loss on \\d+ of them; saved as ${checkpoint}\n$`),
        )
        const whole = await train({ ...config, out: join(folder, 'whole') })
        sameBytes(bytesOf(checkpoint), bytesOf(whole.checkpoint))
        assert.deepEqual(figuresOf(config.out), figuresOf(join(folder, 'whole')))
      }))

  it('saves the last step at Ctrl-C, and exits with 130', () =>
    withFolder(async folder => {
      const config = trainingRun(folder, many)
      const stop = { signal: 'SIGINT', onceThere: 'step-0000003' } as const
      const { code, stderr } = await run(folder, config, [], stop)
      assert.equal(code, 130, stderr)
      const last = logOf(config.out).at(-1).step
      assert.ok(last < 60)
      assert.ok(readdirSync(config.out).includes(`step-${String(last).padStart(7, '0')}`))
    }))

  it('tells what it trains, and prints the result as JSON', () =>
    withFolder(async folder => {
      const config = trainingRun(folder, { steps: 2, maxLength: 40, tooLong: 'drop' })
      const { code, stdout, stderr } = await run(folder, config, ['--json', '--set', 'max_length=24'])
      assert.equal(code, 0, stderr)
      const result = JSON.parse(stdout)
      assert.deepEqual(Object.keys(result), ['checkpoint', 'steps', 'tokens', 'scoredTokens'])
      assert.equal(result.checkpoint, join(config.out, 'step-0000002'))
      assert.match(
        stderr,
        /^0\.1 M parameters in float32 on cpu \w+, some \d+\.\d MiB of memory; 2 tasks, 50 examples an epoch$/m,
      )
      assert.match(stderr, /^draws that made no example: too long \d+$/m)
    }))

  it('trains in the simulator of the CUDA backend, to the losses of the processor', async function () {
    const hostDevice = `${root}build/host-device`
    if (!existsSync(hostDevice)) skip(this, 'npm run build:host-device has not been run')
    await withFolder(async folder => {
      const config = trainingRun(folder, { steps: 2, batch: 2, maxLength: 24, device: 'cuda' })
      const { code, stderr } = await run(folder, config, [], undefined, { MT_LLAMA_PREBUILD: hostDevice })
      assert.equal(code, 0, stderr)
      assert.match(stderr, /^0\.1 M parameters in float32 on cuda host, /m)
      await train({ ...config, device: 'cpu', out: join(folder, 'cpu') })
      const own = figuresOf(config.out)
      assert.equal(own.length, 2)
      for (const [i, { loss, norm }] of figuresOf(join(folder, 'cpu')).entries()) {
        assert.ok(Math.abs(own[i].loss - loss) <= 1e-5 * loss, `step ${i + 1}: ${own[i].loss}, want ${loss}`)
        assert.ok(Math.abs(own[i].norm - norm) <= 1e-4 * norm, `step ${i + 1}: ${own[i].norm}, want ${norm}`)
      }
    })
  })

  it('on a GPU that is not there is an error', () =>
    withFolder(async folder => {
      const { code, stderr } = await run(folder, trainingRun(folder, { device: 'cuda:77' }))
      assert.equal(code, 1)
      assert.match(stderr, /\[DEVICE_UNAVAILABLE\]/)
    }))

  it('warns of bfloat16 where a processor computes it in float32', () =>
    withFolder(async folder => {
      const config = trainingRun(folder, { steps: 1, device: 'reference', dtype: 'bfloat16', lora: {} })
      const { stderr } = await run(folder, config)
      assert.match(stderr, /^0\.1 M parameters, adapters of 0\.0 M in bfloat16 on reference, some/m)
      assert.match(
        stderr,
        /^warning: reference has no products of bfloat16 .*; dtype float32 is faster here/m,
      )
    }))

  it('prints the settings that count', () =>
    withFolder(async folder => {
      const config = trainingRun(folder)
      const { code, stdout } = await run(folder, config, ['--print-config', '--set', 'batch=3'])
      assert.equal(code, 0)
      assert.equal(stdout, trainConfigText(checkTrainConfig({ ...config, batch: 3 })))
      assert.ok(!existsSync(config.out))
    }))

  for (const [args, code, message] of [
    [[], 2, /required option '--config <file>'/],
    [['--config', '/none.yaml'], 1, /none\.yaml: cannot be read.*\[TRAINING\]/],
    [['--config', '/none.yaml', '--set', 'batch'], 2, /Expected KEY=VALUE/],
  ] as const)
    it(`${args.join(' ') || 'without a configuration'} is an error`, async () => {
      const result = await cli(['train', ...args])
      assert.deepEqual([result.code, result.stdout], [code, ''])
      assert.match(result.stderr, message)
    })
})
