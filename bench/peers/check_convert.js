// Checks the GGUF files that `mt-llama convert` writes against llama.cpp: do they load, and choose the same tokens?
//
//   node --import tsx bench/peers/check_convert.js SOURCE [SOURCE ...]        needs node-llama-cpp (setup.sh)
//
// Each SOURCE, a checkpoint of any format, is converted to every dtype. This package and llama.cpp continue the same tokens
// greedily: prompts of texts, whose ids are compared too, and where SOURCE has no tokenizer those of its greedy.json, a list
// of { prompt: ids } as the golden checkpoints have it; llama.cpp then gets a tokenizer of bytes, without which
// node-llama-cpp ends. This package reads SOURCE for float32, which changes no value, else the file, always in float32.
// llama.cpp rounds the activations too for the other dtypes, so that near ties may fall otherwise: the gap is the
// difference of log-probability, by this package, between the two tokens where a continuation first differs. The exit code
// is 1 where a gap exceeds its dtype's tolerance or anything fails.
import { execFile } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { convert } from '../../src/checkpoint/convert/convert.ts'
import { openCheckpoint } from '../../src/checkpoint/open.ts'
import { loadModel } from '../../src/index.ts'
import { byteCharacters } from '../../src/tokenizer/byte-level.ts'

const texts = [
  'The capital of France is',
  'Once upon a time',
  "It's 12345 degrees\n\n\tin  naïve 日本語",
  'def f(x):\n    return',
]
const maxTokens = 24
const tolerances = { float32: 1e-3, float16: 2e-2, bfloat16: 0.15, q8_0: 0.5 }
/** llama.cpp's keys and values are float16 otherwise. */
const exactCache = { experimentalKvCacheKeyType: 'F32', experimentalKvCacheValueType: 'F32' }
/** Seconds that one file may take; a model of 135M parameters takes some 20. */
const limitSeconds = 240

const args = process.argv.slice(2)
if (args[0] === '--one') await checkOne(...args.slice(1))
else await checkAll(args)

/** Runs a process for each file, since llama.cpp ends the whole process where it meets what it does not expect. */
async function checkAll(sources) {
  let failed = sources.length === 0
  const self = fileURLToPath(import.meta.url)
  for (const source of sources)
    for (const dtype of Object.keys(tolerances)) {
      const folder = mkdtempSync(join(tmpdir(), 'check-convert-'))
      try {
        const { stdout } = await promisify(execFile)(
          process.execPath,
          ['--import', 'tsx', self, '--one', source, dtype, folder],
          { timeout: 1000 * limitSeconds, killSignal: 'SIGKILL' },
        )
        process.stdout.write(`${source} ${dtype}: ${stdout}`)
      } catch (error) {
        failed = true
        const how = error.killed
          ? `not done after ${limitSeconds} seconds`
          : `exit ${error.code ?? error.signal}`
        console.log(`${source} ${dtype}: FAILED (${how}): ${error.stdout}${error.stderr?.slice(0, 2000)}`)
      } finally {
        rmSync(folder, { recursive: true })
      }
    }
  process.exit(failed ? 1 : 0)
}

async function checkOne(source, dtype, folder) {
  const file = join(folder, 'model.gguf')
  const checkpoint = await openCheckpoint(source)
  const hasTokenizer = checkpoint.tokenizer !== undefined
  await convert(
    hasTokenizer ? checkpoint : await withByteTokenizer(checkpoint, join(folder, 'source')),
    file,
    { dtype },
  )
  const ours = await loadModel(dtype === 'float32' ? source : file, { dtype: 'float32', device: 'cpu' })
  const theirs = await openLlamaCpp(file)
  const prompts = hasTokenizer
    ? texts.map(text => idsOf(text, ours.tokenizer, theirs.model))
    : JSON.parse(readFileSync(join(source, 'greedy.json'), 'utf8')).map(({ prompt }) => prompt)
  const outcomes = []
  for (const prompt of prompts) outcomes.push(await comparePrompt(ours, theirs, prompt))
  const partings = outcomes.filter(parting => parting !== undefined)
  const same = `${prompts.length - partings.length} of ${prompts.length} continuations are the same`
  const others = partings.map(({ at, gap }) => `${gap.toPrecision(2)} at token ${at + 1}`)
  console.log(others.length === 0 ? same : `${same}; gaps where others part: ${others.join(', ')}`)
  process.exit(partings.every(({ gap }) => gap <= tolerances[dtype]) ? 0 : 1)
}

/** Writes the checkpoint as a Hugging Face directory, with a token for each byte. */
async function withByteTokenizer(checkpoint, folder) {
  await convert(checkpoint, folder, {})
  const path = join(folder, 'tokenizer.json')
  if (existsSync(path)) throw new Error(`${path} is there`)
  const vocab = Object.fromEntries(
    byteCharacters.slice(0, checkpoint.config.vocabSize).map((text, id) => [text, id]),
  )
  const pre_tokenizer = { type: 'ByteLevel', add_prefix_space: false, trim_offsets: true, use_regex: true }
  const model = { type: 'BPE', vocab, merges: [] }
  const decoder = { type: 'ByteLevel' }
  writeFileSync(path, JSON.stringify({ version: '1.0', added_tokens: [], pre_tokenizer, decoder, model }))
  return openCheckpoint(folder)
}

/** The threads of llama.cpp spin while they wait for one another: one suffices, and more than there are cores take minutes. */
async function openLlamaCpp(file) {
  const { getLlama, LlamaLogLevel } = await import('node-llama-cpp')
  const llama = await getLlama({
    ...{ gpu: false, build: 'never', skipDownload: true, maxThreads: 1 },
    logLevel: LlamaLogLevel.error,
  })
  const model = await llama.loadModel({ modelPath: file })
  const context = await model.createContext({
    contextSize: 128,
    batchSize: 128,
    threads: 1,
    flashAttention: false,
    ...exactCache,
  })
  return { model, sequence: context.getSequence() }
}

function idsOf(text, tokenizer, theirs) {
  const ids = [...tokenizer.encode(text)]
  const found = [...theirs.tokenize(text)]
  if (ids.join() !== found.join()) throw new Error(`${text}: ${ids}; llama.cpp has ${found}`)
  return tokenizer.addBos ? [tokenizer.bosTokenId, ...ids] : ids
}

/** @returns the place where the two first choose differently, and the gap there; undefined where they do not */
async function comparePrompt(ours, { sequence }, prompt) {
  const [{ tokens: ids }] = await ours.generate([prompt], { maxTokens, stopIds: [] })
  await sequence.clearHistory()
  const found = []
  for await (const id of sequence.evaluate(prompt, { temperature: 0 })) {
    found.push(id)
    if (found.length === ids.length) break
  }
  const at = found.findIndex((id, i) => id !== ids[i])
  if (at < 0) return undefined
  const continuations = [[ids[at]], [found[at]]]
  const [{ continuations: scores }] = await ours.score([
    { prompt: [...prompt, ...ids.slice(0, at)], continuations },
  ])
  return { at, gap: scores[0].logLikelihood - scores[1].logLikelihood }
}
