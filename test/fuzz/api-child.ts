// Loads checkpoints with random damage through the public API, and calls what loads with random options. Every failure
// is an MtLlamaError with a known code; what is scored twice has the same bits.
import assert from 'node:assert/strict'
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { loadModel, type Model, MtLlamaError } from '../../src/index.ts'
import {
  ggufBytes,
  safetensorsBytes,
  tinyConfig,
  tinyMetadata,
  tinyTensors,
  writeFiles,
} from '../checkpoint-files.ts'
import { defaultModel, randomTinyTensors } from '../tiny-model.ts'
import { bytePieces, sentencePieceModel, tiktokenLines } from '../tokenizer-files.ts'
import { checkError, runCases } from './cases.ts'
import { mutateBytes, mutateJson } from './mutate.ts'
import type { Random } from './random.ts'

// biome-ignore lint/suspicious/noExplicitAny: wrong types are what is tested
type Anything = any
type Files = Record<string, Buffer>

const folder = mkdtempSync(path.join(tmpdir(), 'mt-llama-fuzz-'))
process.on('exit', () => rmSync(folder, { recursive: true, force: true }))
const bases = [embedded(), huggingFace(), tiktoken(), gguf()]
const whole = await loadModel(defaultModel, { threads: 2 })

await runCases(async random => {
  if (random.chance(0.5)) await callSome(random, whole)
  else await loadDamaged(random)
})

/** The files of the embedded model: tokenizer.json and what belongs to it. */
function embedded(): Files {
  const names = readdirSync(defaultModel)
  return Object.fromEntries(names.map(name => [name, readFileSync(path.join(defaultModel, name))]))
}

/** A tokenizer.model. Its vocabulary is the tiny model's or larger, as some published ones are. */
function huggingFace(): Files {
  const pieces = sentencePieceModel([
    ['<unk>', 0, 2],
    ['<s>', 0, 3],
    ['</s>', 0, 3],
    ...bytePieces,
    ['▁a', -1],
    ['b', -2],
  ])
  return {
    'config.json': Buffer.from(JSON.stringify({ ...tinyConfig, vocab_size: 300 })),
    'model.safetensors': safetensorsBytes(randomTinyTensors()),
    'tokenizer.model': pieces,
  }
}

/** A tokenizer.model of tiktoken: the bytes and a few words. */
function tiktoken(): Files {
  const bytes = Array.from({ length: 256 }, (_, byte) => Buffer.of(byte))
  const lines = tiktokenLines([...bytes, ...['aa', 'aaa', ' b'].map(word => Buffer.from(word))])
  return { ...huggingFace(), 'tokenizer.model': Buffer.from(lines.join('\n')) }
}

function gguf(): Files {
  return { 'model.gguf': ggufBytes(tinyMetadata, tinyTensors()) }
}

async function loadDamaged(random: Random): Promise<void> {
  const files = random.pick(bases)
  const dir = path.join(folder, 'checkpoint')
  rmSync(dir, { recursive: true, force: true })
  mkdirSync(dir)
  writeFiles(dir, files)
  for (let i = random.int(0, 2); i > 0; i--) damage(random, dir, random.pick(Object.keys(files)))
  const options = random.chance(0.2)
    ? randomOptions(random, {
        dtype: ['auto', 'float32', 'bfloat16', 'float16', 'int8'],
        device: ['cpu', 'reference', 'cuda', 'gpu'],
        threads: [0, 1, -1],
      })
    : { threads: 1, device: 'cpu' }
  const model = await attempt('loadModel', () => loadModel(dir, options as Anything))
  if (!model) return
  try {
    await callSome(random, model)
  } finally {
    await model.dispose()
  }
}

/** Damages a file: it gets other bytes or other JSON, is removed, or becomes something that is no file. */
function damage(random: Random, dir: string, name: string): void {
  const file = path.join(dir, name)
  const replace = (make: () => void) => {
    rmSync(file, { recursive: true, force: true })
    make()
  }
  let bytes = Buffer.alloc(0)
  try {
    bytes = readFileSync(file)
  } catch {
    // An earlier damage has left no file.
  }
  random.make<void>([
    () => replace(() => writeFileSync(file, mutateBytes(random, bytes))),
    () => replace(() => writeFileSync(file, mutateBytes(random, bytes))),
    () => replace(() => writeFileSync(file, mutatedJson(random, name, bytes))),
    () => replace(() => writeFileSync(file, mutatedJson(random, name, bytes))),
    () => replace(() => {}),
    () => replace(() => mkdirSync(file)),
    () => replace(() => symlinkSync(file, file)),
  ])
}

/** Changes the JSON of a file, or of the header of a safetensors file. */
function mutatedJson(random: Random, name: string, bytes: Buffer): Uint8Array {
  if (name.endsWith('.json')) return Buffer.from(JSON.stringify(mutateJson(random, parsed(bytes))) ?? '')
  if (!name.endsWith('.safetensors') || bytes.length < 8) return mutateBytes(random, bytes)
  const end = 8 + Number(bytes.readBigUInt64LE(0))
  const header = Buffer.from(JSON.stringify(mutateJson(random, parsed(bytes.subarray(8, end)))) ?? '')
  const length = Buffer.alloc(8)
  length.writeBigUInt64LE(BigInt(header.length))
  return Buffer.concat([length, header, bytes.subarray(end)])
}

function parsed(bytes: Buffer): unknown {
  try {
    return JSON.parse(bytes.toString())
  } catch {
    return null
  }
}

/** Makes options that are mostly valid; one of them may be anything. */
function randomOptions(random: Random, values: Record<string, readonly unknown[]>): object {
  const options: Record<string, unknown> = {}
  for (const [name, valid] of Object.entries(values)) {
    if (random.chance(0.5)) options[name] = random.pick(valid)
    if (random.chance(0.05)) options[name] = random.anything()
  }
  return random.chance(0.03) ? (random.anything() as Anything) : options
}

async function callSome(random: Random, model: Model): Promise<void> {
  const signals = [undefined, AbortSignal.abort(), AbortSignal.timeout(random.int(1, 20))]
  const common = {
    addBos: [true, false],
    parseSpecial: [true, false],
    signal: signals,
    onProgress: [() => {}],
  }
  const scoring = {
    ...common,
    boundary: ['auto', 'joint', 'separate'],
    tooLong: ['error', 'skip', 'truncate'],
    topK: [0, 1, 3, -1],
  }
  const sampling = {
    temperature: [0, 0.7],
    topK: [0, 4],
    topP: [1, 0.5],
    seed: [0, 7],
    repetitionPenalty: [1, 1.2, 0],
    presencePenalty: [0, 1.5],
    topLogProbs: [0, 2],
    n: [1, 3],
    partialOnAbort: [true, false],
    frequencyPenalty: [0, -1],
    logitBias: [{}, { 5: -100 }, new Map([[3, 2]]), new Map([[-1, 2]])],
    constraint: [
      ...[{ regex: '[a-f]{1,3}|é' }, { regex: '(' }, { regex: '' }, { jsonSchema: {} }, { jsonSchema: true }],
      ...[
        { jsonSchema: { type: 'integer', minimum: 3 } },
        { jsonSchema: { pattern: 5 } },
        { jsonSchema: { items: 1 } },
      ],
    ],
    stop: [[], ['a'], ['']],
    stopIds: [[], [2]],
  }
  const generation = () => {
    const options = randomOptions(random, { ...common, ...sampling, tooLong: scoring.tooLong })
    // By default there may be hundreds of tokens.
    return typeof options === 'object' && options !== null
      ? { maxTokens: random.int(0, 4), ...options }
      : options
  }
  const request = () =>
    random.chance(0.05)
      ? random.anything()
      : {
          prompt: text(random),
          continuations: random.chance(0.05)
            ? random.anything()
            : random.array(random.int(0, 3), () => text(random)),
        }
  const list = (make: () => unknown) =>
    (random.chance(0.05) ? random.anything() : random.array(random.int(0, 3), make)) as Anything
  for (let i = random.int(1, 3); i > 0; i--) {
    const [what, run] = random.make<[string, () => Promise<unknown>]>([
      () => ['score', () => scoreTwice(model, list(request), randomOptions(random, scoring))],
      () => ['score', () => scoreTwice(model, list(request), randomOptions(random, scoring))],
      () => ['scoreStream', () => all(model.scoreStream(list(request), randomOptions(random, scoring)))],
      () => [
        'generate',
        () =>
          model.generate(
            list(() => text(random)),
            generation() as Anything,
          ),
      ],
      () => [
        'generateEach',
        () =>
          all(
            model.generateEach(
              list(() => text(random)),
              generation() as Anything,
            ),
          ),
      ],
      () => [
        'generateStream',
        () => all(model.generateStream(text(random) as Anything, generation() as Anything)),
      ],
      () => [
        'perplexity',
        () =>
          model.perplexity(
            text(random) as Anything,
            randomOptions(random, { ...common, window: [4, 9], stride: [1, 4] }),
          ),
      ],
      () => [
        'logits',
        () => model.logits(text(random) as Anything, randomOptions(random, { signal: signals })),
      ],
      () => [
        'chat',
        () =>
          model.chat(
            list(() => chatMessage(random)),
            { template: 'release', ...(generation() as object) },
          ),
      ],
      () => [
        'chat template',
        async () =>
          model.applyChatTemplate(
            list(() => chatMessage(random)),
            randomOptions(random, {
              template: ['release', 'checkpoint'],
              addGenerationPrompt: [true, false],
            }),
          ),
      ],
      () => [
        'encode',
        async () =>
          model.tokenizer?.encode(
            text(random) as Anything,
            randomOptions(random, { addBos: [true, false], parseSpecial: [true, false] }) as Anything,
          ),
      ],
      () => [
        'decode',
        async () =>
          model.tokenizer?.decode(
            text(random) as Anything,
            randomOptions(random, { skipSpecialTokens: [true, false] }) as Anything,
          ),
      ],
    ])
    await attempt(what, run)
  }
}

function text(random: Random): unknown {
  return random.make<unknown>([
    () => random.text(),
    () => random.text() + random.text(),
    () => random.array(random.int(0, 6), () => random.int(0, 257)),
    () => Int32Array.from({ length: random.int(0, 6) }, () => random.int(0, 257)),
    () =>
      random.array(random.int(1, 4), () => (random.chance(0.3) ? random.anything() : random.int(-1, 300))),
    () => random.anything(),
  ])
}

function chatMessage(random: Random): unknown {
  const field = (valid: unknown) => (random.chance(0.05) ? random.anything() : valid)
  return field({
    role: field(random.pick(['system', 'user', 'assistant', 'x'])),
    content: field(random.text()),
  })
}

/** Checks that the same call gives the same bits twice. A signal may end one of the two. */
async function scoreTwice(model: Model, requests: Anything, options: Anything): Promise<void> {
  const first = await model.score(requests, options)
  const second = await attempt('score', () => model.score(requests, options))
  if (second) assert.deepEqual(second, first)
}

async function all(results: AsyncGenerator<unknown, unknown>): Promise<void> {
  for await (const _ of results);
}

/** Gives what the call returns; undefined if it fails in an allowed way. */
async function attempt<T>(what: string, run: () => Promise<T>): Promise<T | undefined> {
  try {
    return await run()
  } catch (error) {
    checkError(error, what, MtLlamaError)
    return undefined
  }
}
