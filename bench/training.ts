// Times training steps beside transformers, PEFT and a plain PyTorch loop, in turns within one run.
//
//     npm run bench:training -- MODEL [--methods full,lora] [--rounds 5] [--threads 1] [--python PATH]
//
// MODEL is a Hugging Face directory. A batch of 8 examples, in the order they come: 626 tokens, 1,312 padded. Losses of all
// sides are compared before a time counts. --python is one with torch, transformers and peft; peers/setup.sh installs it.
import { parseArgs } from 'node:util'
import { nativeConfig } from '../src/checkpoint/native-config.ts'
import { openCheckpoint } from '../src/checkpoint/open.ts'
import { loadAddon } from '../src/native/addon.ts'
import { newControl } from '../src/native/job.ts'
import { packExamples } from '../src/training/packing.ts'
import { trainTarget } from '../src/training/train-target.ts'
import { type Times, timer } from './harness-rival.ts'
import { machine, median, table } from './report.ts'
import { peers, python, Rival } from './rival.ts'

const { values: options, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    methods: { type: 'string', default: 'full,lora' },
    rounds: { type: 'string', default: '5' },
    threads: { type: 'string', default: '1' },
    python: { type: 'string', default: python },
  },
})
const folder = positionals[0]
if (folder === undefined) throw new Error('expected the folder of a model')

const lengths = [60, 90, 70, 110, 164, 40, 52, 40]
const scored = 9
const padded = lengths.length * Math.max(...lengths)
const tokens = lengths.reduce((a, b) => a + b)
/** How far a side's loss may be off ours: torch adds up in float32. */
const lossTolerance = 1e-4
/** PEFT's lora_alpha is 16 there, as in train_peers.py. */
const lora = { rank: 8, alpha: 16, rslora: false, targets: 'all-linear' } as const
const ways = {
  library: { full: 'transformers', lora: 'PEFT' },
  flat: { full: 'flat PyTorch loop', lora: 'flat PyTorch loop' },
} as const

interface Step extends Times {
  loss: number
}
interface Side {
  name: string
  step(): Promise<Step>
  times: Step[]
}

const checkpoint = await openCheckpoint(folder, {})
const { vocabSize } = checkpoint.config
const examples = lengths.map((length, e) => ({
  ids: Int32Array.from({ length }, (_, i) => ((977 * e + i) * 7919) % vocabSize),
  scored,
}))

const head = machine()
const rows: string[][] = []
for (const method of options.methods.split(',') as ('full' | 'lora')[]) {
  const rivals = []
  const sides: Side[] = [{ name: 'mt-llama', step: await ours(method), times: [] }]
  for (const way of ['library', 'flat'] as const) {
    const args = [`${peers}train_peers.py`, folder, method, way, options.threads]
    const rival = await Rival.start(ways[way][method], options.python, args, '.')
    rivals.push(rival)
    const question = { examples: examples.map(({ ids }) => ({ ids: [...ids], scored })) }
    sides.push({ name: rival.name, step: () => rival.ask<Step>(question), times: [] })
  }
  // The first round warms allocators up and is compared, not counted.
  for (let round = -1; round < Number(options.rounds); round++)
    for (const side of sides) {
      const step = await side.step()
      if (round >= 0) side.times.push(step)
      else side.times.unshift(step)
    }
  const [first, ...others] = sides.map(side => side.times.shift()!.loss) as [number, ...number[]]
  for (const [i, loss] of others.entries())
    if (!(Math.abs(loss - first) <= lossTolerance * first))
      throw new Error(`${method}: the loss of ${sides[i + 1]!.name} is ${loss}, ours ${first}`)
  for (const side of sides) rows.push([method, ...cells(side, sides[0]!)])
  await Promise.all(rivals.map(rival => rival.stop()))
}
console.log(`${head}\n${tokens} tokens a step, ${padded} padded; ${options.threads} thread(s)\n`)
const heads = ['method', 'by', 'tokens/s', 'ratio', 'tokens per cpu s', 'cpu ratio', 'spread of cpu s']
console.log(table(heads, rows))

/** @returns one step of ours */
async function ours(method: 'full' | 'lora'): Promise<() => Promise<Step>> {
  const load = { dtype: 'float32', device: 'cpu', threads: Number(options.threads) } as const
  const model = await loadAddon().load(nativeConfig(checkpoint), checkpoint.tensors, load, newControl())
  const target = await trainTarget(
    { lora: method === 'lora' ? lora : null, dtype: 'float32', seed: 1 },
    checkpoint,
  )
  const trainer = await model.trainer(target.adapters, Number.MAX_SAFE_INTEGER, newControl())
  await target.begin(trainer, undefined)
  const [pack] = packExamples(
    examples.map(({ ids }) => ({
      ids,
      weights: Float32Array.from(ids, (_, i) => (i < ids.length - scored ? 0 : 1)),
      truncatedTokens: 0,
    })),
    { packTokens: tokens },
  )
  const weights = pack!.weights.map(weight => weight / pack!.weights.length)
  const adamw = { learningRate: 1e-5, beta1: 0.9, beta2: 0.999, eps: 1e-8, weightDecay: 0 }
  let step = 0
  return async () => {
    const passed = timer()
    const { loss } = await trainer.forwardBackward({ ...pack!, weights }, newControl())
    await trainer.step({ ...adamw, step: ++step, decayVectors: false, maxNorm: 1 }, newControl())
    return { loss, ...passed() }
  }
}

function cells({ name, times }: Side, own: Side): string[] {
  const of = (side: Side, unit: keyof Times) => median(side.times.map(time => time[unit]))
  const speed = (unit: keyof Times) => (tokens / median(times.map(time => time[unit]))).toFixed(0)
  const ratio = (unit: keyof Times) =>
    `${(median(times.map(time => time[unit])) / of(own, unit)).toFixed(2)}x`
  const cpu = times.map(time => time.cpuSeconds)
  const spread = `${((100 * (Math.max(...cpu) - Math.min(...cpu))) / median(cpu)).toFixed(0)} %`
  return [name, speed('seconds'), ratio('seconds'), speed('cpuSeconds'), ratio('cpuSeconds'), spread]
}
