// Evaluates task files by lm-evaluation-harness's local-completions against `mt-llama serve`, and holds each answer to what the
// model itself says in this process, to the bit, and to golden/lm-eval. Exits with 1 where something differs.
//
//   node --import tsx bench/serve/lm-eval.ts [TASK...] [--limit 8] [--ways N...] [--threads 1]
//   node --import tsx bench/serve/lm-eval.ts --bos      which flags are right for a tokenizer that puts BOS before texts
//
// TASK is a name of golden/lm-eval/tasks. Without --limit tasks run whole. Figures are compared with results.json where it has
// them of as many samples. --ways 2 takes the second way of asking alone (ways below). Needs dist/ and peers/setup.sh; everything runs in float32.
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { safetensorsBytes, tinyConfig, writeFiles } from '../../test/checkpoint-files.ts'
import { carried, shared } from '../../test/shared.ts'
import { randomTinyTensors } from '../../test/tiny-model.ts'
import type { HarnessEvaluation } from '../harness-rival.ts'
import { machine, table } from '../report.ts'
import { peers, python, Rival } from '../rival.ts'
import { type Arguments, ServedModel } from './served-model.ts'

const { values: options, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    limit: { type: 'string' },
    ways: { type: 'string', multiple: true },
    threads: { type: 'string', default: '1' },
    bos: { type: 'boolean', default: false },
  },
})
const limit = options.limit === undefined ? null : Number(options.limit)
const threads = Number(options.threads)
/** Of the models of --bos. */
const positions = 4096
/** Maximum difference of a choice's log-likelihood from the harness's own in float32, by golden/README.md, and of a token of a text. */
const tolerance = { choice: 2e-4, token: 1e-5 }

interface Way {
  name: string
  arguments: Arguments
}

const ways: Way[] = [true, false].flatMap(tokenized_requests =>
  [
    { batch_size: 1, num_concurrent: 1 },
    { batch_size: 8, num_concurrent: 1 },
    { batch_size: 8, num_concurrent: 4 },
  ].map(sizes => ({
    name: `${tokenized_requests ? 'ids' : 'text'}, ${sizes.batch_size} x ${sizes.num_concurrent}`,
    arguments: { tokenized_requests, ...sizes },
  })),
)

const bosWays: Way[] = [
  { tokenizer_backend: 'huggingface', tokenized_requests: true },
  { tokenizer_backend: 'huggingface', tokenized_requests: true, add_bos_token: true },
  { tokenizer_backend: 'huggingface', tokenized_requests: false },
  { tokenizer_backend: 'huggingface', tokenized_requests: false, add_bos_token: true },
  { tokenizer_backend: 'remote', tokenizer: null, tokenized_requests: true },
  { tokenizer_backend: 'remote', tokenizer: null, tokenized_requests: false },
  { tokenizer_backend: 'auto', tokenized_requests: true },
  { tokenizer_backend: 'auto', tokenized_requests: false },
].map(own => ({
  name: Object.entries(own)
    .map(([key, value]) => `${key}=${pythonOf(value)}`)
    .join(','),
  arguments: { ...own, batch_size: 8 },
}))

const harness = await Rival.start('lm-evaluation-harness', python, [`${peers}harness_api.py`], shared('.'))
console.log(`${machine()}\n`)
try {
  if (options.bos) await checkBos()
  else
    await checkTasks(positionals.length > 0 ? positionals : ['card_copa', 'qa_greedy', 'reviews_perplexity'])
} finally {
  await harness.stop()
}

async function checkTasks(tasks: readonly string[]): Promise<void> {
  const file = shared('models', 'smollm2-135m', 'model-q4_1.gguf')
  await using model = await ServedModel.open(file, shared('models', 'smollm2-135m'), harness, threads)
  const chosen = options.ways?.map(number => ways[Number(number) - 1]!) ?? ways
  const rows: string[][] = []
  for (const task of tasks)
    for (const way of chosen) {
      const { found, differ, largest } = await model.run(task, limit, way.arguments)
      const samples = found.tasks[task]!
      const golden = goldenRows(task)
      let fromGolden = 0
      for (const { doc, answers } of samples)
        for (const [i, answer] of answers.entries()) {
          const wanted = golden[doc]?.requests[i]
          if (!wanted) continue
          const [sum] = Array.isArray(answer) ? answer : [answer]
          const own =
            typeof sum === 'string' ? Number(sum !== wanted.generated) : Math.abs(sum - wanted.logLikelihood)
          fromGolden = Math.max(fromGolden, own)
        }
      const isRolling = typeof samples[0]!.answers[0] === 'number'
      const bound = isRolling ? tolerance.token * 8192 : tolerance.choice
      if (differ > 0 || !(fromGolden <= bound)) process.exitCode = 1
      rows.push([
        ...[task, way.name, `${samples.length}`, `${differ}`, largest.toExponential(0)],
        ...[fromGolden.toExponential(0), figures(task, found, samples.length)],
      ])
      process.stderr.write(`${rows.at(-1)!.join('  ')}\n`)
    }
  const head = ['task', 'asked', 'samples', 'differ', 'max diff', 'from golden', 'figures of golden/lm-eval']
  console.log(table(head, rows))
}

async function checkBos(): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'mt-llama-bos-'))
  try {
    const models = [
      ['byte-level', writeByteModel(join(folder, 'bytes'))],
      ['LLaMA 2', writeMetaspaceModel(join(folder, 'llama'))],
    ] as const
    const rows: string[][] = []
    for (const [name, path] of models) {
      await using model = await ServedModel.open(path, path, harness, threads)
      for (const way of bosWays) {
        const cells: string[] = []
        for (const task of ['card_copa', 'qa_greedy', 'reviews_perplexity']) {
          const { found, differ, largest } = await model.run(task, limit ?? 8, way.arguments)
          const all = found.tasks[task]!.flatMap(({ answers }) => answers).length
          cells.push(
            differ === 0
              ? `all ${all} right`
              : `${differ} of ${all} wrong${largest > 0 ? `, by ${largest.toFixed(1)}` : ''}`,
          )
        }
        rows.push([name, way.name, ...cells])
        process.stderr.write(`${rows.at(-1)!.join('  ')}\n`)
      }
    }
    console.log(table(['tokenizer', 'model_args', 'choices', 'new texts', 'rolling'], rows))
  } finally {
    rmSync(folder, { recursive: true })
  }
}

interface GoldenRow {
  requests: { logLikelihood: number; generated: string }[]
}

function goldenRows(task: string): GoldenRow[] {
  const text = readFileSync(shared('golden', 'lm-eval', 'samples', `${task}.jsonl`), 'utf8')
  return text
    .trim()
    .split('\n')
    .map(line => JSON.parse(line))
}

/** The harness's figures of a task, and whether they are those of the harness on torch; '' where that has run other samples. */
function figures(task: string, { results }: HarnessEvaluation, samples: number): string {
  const golden = JSON.parse(readFileSync(shared('golden', 'lm-eval', 'results.json'), 'utf8')).results[task]
  if (golden?.n !== samples) return ''
  const names = Object.keys(golden).filter(name => name.includes(',') && !name.includes('stderr'))
  const cells = names.map(name => {
    const own = results[task]![name] as number
    // A word has more tokens than one, each of which may be 1e-5 off.
    const isSame = task.includes('perplexity')
      ? Math.abs(own / golden[name] - 1) < 2e-5
      : own === golden[name]
    if (!isSame) process.exitCode = 1
    const [short] = name.split(',')
    return `${short} ${own.toFixed(4)}${isSame ? '' : ` INSTEAD OF ${golden[name]}`}`
  })
  return cells.join(', ')
}

/** A checkpoint of test/golden with more positions, since its tokens are bytes. */
function writeByteModel(folder: string): string {
  cpSync(carried('hf', 'llama-tokenizer-json'), folder, { recursive: true })
  const config = JSON.parse(readFileSync(join(folder, 'config.json'), 'utf8'))
  writeFiles(folder, { 'config.json': { ...config, max_position_embeddings: positions } })
  return folder
}

/** A checkpoint of random weights with LLaMA 2's tokenizer, which puts a space before texts and takes it from decoded ones. */
function writeMetaspaceModel(folder: string): string {
  mkdirSync(folder)
  const file = (name: string) => readFileSync(shared('tokenizers', 'llama', name), 'utf8')
  const vocab_size = Object.keys(JSON.parse(file('tokenizer.json')).model.vocab).length
  const config = { ...tinyConfig, vocab_size, max_position_embeddings: positions }
  const tensors = randomTinyTensors()
  for (const [name, tensor] of tensors) {
    if (!/embed_tokens|lm_head/.test(name)) continue
    const [, width] = tensor.shape as [number, number]
    let state = 1
    const values = Float32Array.from({ length: vocab_size * width }, () => {
      state = (state * 48271) % 2147483647
      return state / 2147483647 - 0.5
    })
    tensors.set(name, { ...tensor, shape: [vocab_size, width], data: new Uint8Array(values.buffer) })
  }
  writeFiles(folder, {
    'config.json': config,
    'model.safetensors': safetensorsBytes(tensors),
    'tokenizer.json': file('tokenizer.json'),
    'tokenizer_config.json': file('tokenizer_config.json'),
  })
  return folder
}

function pythonOf(value: string | boolean | null): string {
  if (value === null) return 'None'
  return typeof value === 'string' ? value : value ? 'True' : 'False'
}
