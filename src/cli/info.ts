// mt-llama info: what a checkpoint holds, from its headers alone.
import type { Command } from 'commander'
import type { Checkpoint } from '../checkpoint/checkpoint.ts'
import { glimpse } from '../checkpoint/glimpse.ts'
import { nativeConfig } from '../checkpoint/native-config.ts'
import { type Additions, openCheckpoint } from '../checkpoint/open.ts'
import { parameterCount, storedParts } from '../checkpoint/tensors.ts'
import { MtLlamaError, message } from '../errors.ts'
import { kvBytesPerToken } from '../model/memory.ts'
import { loadAddon } from '../native/addon.ts'
import { nativeJob, newControl } from '../native/job.ts'
import type { DType } from '../native/types.ts'
import { loadTokenizer } from '../tokenizer/load.ts'
import { type AdditionOptions, addAdditionOptions, type CommonOptions, newCommand } from './command.ts'
import { localModel } from './hub-model.ts'
import { type Io, note, print, printJson } from './io.ts'
import { embeddedModel, mebibytes, millions, sourceName } from './open-model.ts'

interface InfoOptions extends CommonOptions, AdditionOptions {
  model?: string
}

export function infoCommand(io: Io): Command {
  const command = newCommand('info', 'What a checkpoint holds, from its headers alone.', {
    json: 'print JSON',
    examples: [
      ['info ./llama', 'architecture, sizes, stored types, tokenizer, memory a load takes'],
      ['info --model ./llama', 'the same, as other commands name a checkpoint'],
      ['info model.gguf --json', 'the same for programs'],
      ['info ./llama --adapter ./lora', 'with an adapter, which has to fit'],
    ],
  })
  return addAdditionOptions(command)
    .argument(
      '[path]',
      'a Hugging Face or Meta directory, a GGUF file, or ORG/NAME of the hub (default: the embedded model)',
    )
    .option('--model <path>', 'the same as [path]')
    .action(async (path: string | undefined, options: InfoOptions) => {
      const { model } = options
      if (path !== undefined && model !== undefined)
        throw new MtLlamaError(
          'INVALID_ARGUMENT',
          message`${path} and ${{ kind: 'option', name: 'model' }} ${model} both name a checkpoint; give one.`,
        )
      const named = path ?? model
      return run(named === undefined ? embeddedModel : await localModel(named, options, io.signal), options)
    })
}

async function run(path: string, options: InfoOptions): Promise<void> {
  const checkpoint = await open(path, { delta: options.delta, adapters: options.adapter }, options)
  const { format, config, tensors, storedTypes, autoDType, chatTemplate, warnings } = checkpoint
  const tokenizer = checkpoint.tokenizer && (await loadTokenizer(checkpoint.tokenizer))
  const native = nativeConfig(checkpoint)
  const bytes = (dtype: DType) =>
    nativeJob(() => loadAddon().weightBytes(native, { dtype, device: 'cpu', threads: 0 }, newControl()))
  const perToken = kvBytesPerToken(config)
  const contexts = [512, 2048, config.contextLength].filter(n => n <= config.contextLength)
  const info = {
    ...{ path, delta: checkpoint.delta, adapters: checkpoint.adapters ?? [], format, ...config },
    parameters: parameterCount(tensors),
    ...{ storedTypes, autoDType, stored: storedByType(checkpoint) },
    weightBytes: {
      float32: await bytes('float32'),
      bfloat16: await bytes('bfloat16'),
      float16: await bytes('float16'),
    },
    keyValueBytes: Object.fromEntries(contexts.map(tokens => [tokens, tokens * perToken])),
    tokenizer: tokenizer && {
      kind: tokenizer.kind,
      vocabSize: tokenizer.vocabSize,
      addBos: tokenizer.addBos,
      bosTokenId: tokenizer.bosTokenId,
      eosTokenId: tokenizer.eosTokenId,
    },
    hasChatTemplate: chatTemplate !== undefined,
    warnings,
  }
  if (options.json) return printJson(info)
  for (const warning of warnings) note(`warning: ${warning}`, options)
  const { layers, heads, kvHeads, headDim, hiddenSize, intermediateSize, vocabSize, contextLength } = config
  await printRows([
    ['path', sourceName(info)],
    ['format', format],
    ['architecture', `${config.architecture}, ${millions(info.parameters)} parameters`],
    ['layers', `${layers}; ${heads} heads of ${headDim}, ${kvHeads} for keys and values`],
    [
      'sizes',
      `hidden ${hiddenSize}, intermediate ${intermediateSize}, vocabulary ${vocabSize}, context ${contextLength}`,
    ],
    ['stored as', `${storedTypes}; --dtype auto is ${autoDType}`],
    [
      'files hold',
      info.stored
        .map(
          ({ type, tensors, bytes }) =>
            `${type}: ${tensors} tensor${tensors === 1 ? '' : 's'}, ${mebibytes(bytes)}`,
        )
        .join('; '),
    ],
    [
      'weights take',
      Object.entries(info.weightBytes)
        .map(([dtype, n]) => `${mebibytes(n)} as ${dtype}`)
        .join(', '),
    ],
    [
      'keys, values',
      Object.entries(info.keyValueBytes)
        .map(([tokens, n]) => `${mebibytes(n)} for ${tokens} tokens`)
        .join(', '),
    ],
    [
      'tokenizer',
      tokenizer
        ? `${tokenizer.kind}, ${tokenizer.vocabSize} tokens, ${tokenizer.addBos ? 'BOS' : 'no BOS'} before texts`
        : 'none: the model takes token ids',
    ],
    ['chat template', chatTemplate === undefined ? 'none' : 'its own'],
  ])
}

/** Opens the checkpoint. Of one that does not run, what its config says is printed before the error is thrown on. */
async function open(path: string, additions: Additions, options: InfoOptions): Promise<Checkpoint> {
  try {
    return await openCheckpoint(path, additions)
  } catch (error) {
    if (!(error instanceof MtLlamaError) || error.code !== 'CHECKPOINT_UNSUPPORTED') throw error
    const config = await glimpse(path)
    const unsupported = error.message
    if (options.json) await printJson({ path, unsupported, config })
    else
      await printRows([
        ['path', path],
        ['does not run', unsupported],
        ...Object.entries(config).map(([name, value]): [string, string] => [name, JSON.stringify(value)]),
      ])
    throw error
  }
}

/** How many tensors of each type the files hold, and their bytes there; the type with the most bytes first. */
function storedByType({ tensors }: Checkpoint): { type: string; tensors: number; bytes: number }[] {
  const types = new Map<string, { type: string; tensors: number; bytes: number }>()
  for (const { type, bytes } of tensors.flatMap(storedParts)) {
    const row = types.get(type) ?? { type, tensors: 0, bytes: 0 }
    row.tensors++
    row.bytes += bytes
    types.set(type, row)
  }
  return [...types.values()].sort((a, b) => b.bytes - a.bytes)
}

async function printRows(rows: readonly [name: string, value: string][]): Promise<void> {
  for (const [name, value] of rows) await print(`${name.padEnd(14)} ${value}\n`)
}
