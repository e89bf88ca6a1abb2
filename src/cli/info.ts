// mt-llama info: what a checkpoint holds, from its headers alone.
import type { Command } from 'commander'
import { nativeConfig } from '../checkpoint/native-config.ts'
import { openCheckpoint } from '../checkpoint/open.ts'
import { loadAddon } from '../native/addon.ts'
import { nativeJob, newControl } from '../native/job.ts'
import type { DType } from '../native/types.ts'
import { loadTokenizer } from '../tokenizer/load.ts'
import { type CommonOptions, newCommand } from './command.ts'
import { note, print, printJson } from './io.ts'
import { embeddedModel, mebibytes, millions } from './open-model.ts'

export function infoCommand(): Command {
  return newCommand('info', 'What a checkpoint holds, from its headers alone.', {
    json: 'print JSON',
    examples: [
      ['info ./llama', 'architecture, sizes, stored types, tokenizer, memory a load takes'],
      ['info model.gguf --json', 'the same for programs'],
    ],
  })
    .argument('[path]', 'a Hugging Face or Meta directory, or a GGUF file (default: the embedded model)')
    .action((path: string | undefined, options: CommonOptions) => run(path ?? embeddedModel, options))
}

async function run(path: string, options: CommonOptions): Promise<void> {
  const checkpoint = await openCheckpoint(path)
  const { format, config, tensors, storedTypes, autoDType, chatTemplate, warnings } = checkpoint
  const tokenizer = checkpoint.tokenizer && (await loadTokenizer(checkpoint.tokenizer))
  const native = nativeConfig(checkpoint)
  const bytes = (dtype: DType) =>
    nativeJob(() => loadAddon().weightBytes(native, { dtype, device: 'cpu', threads: 0 }, newControl()))
  const info = {
    ...{ path, format, ...config },
    parameters: tensors.reduce((n, { shape }) => n + shape.reduce((a, b) => a * b, 1), 0),
    ...{ storedTypes, autoDType },
    weightBytes: {
      float32: await bytes('float32'),
      bfloat16: await bytes('bfloat16'),
      float16: await bytes('float16'),
    },
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
  const rows: [string, string][] = [
    ['path', path],
    ['format', format],
    ['architecture', `${config.architecture}, ${millions(info.parameters)} parameters`],
    ['layers', `${layers}; ${heads} heads of ${headDim}, ${kvHeads} for keys and values`],
    [
      'sizes',
      `hidden ${hiddenSize}, intermediate ${intermediateSize}, vocabulary ${vocabSize}, context ${contextLength}`,
    ],
    ['stored as', `${storedTypes}; --dtype auto is ${autoDType}`],
    [
      'weights take',
      Object.entries(info.weightBytes)
        .map(([dtype, n]) => `${mebibytes(n)} as ${dtype}`)
        .join(', '),
    ],
    [
      'tokenizer',
      tokenizer
        ? `${tokenizer.kind}, ${tokenizer.vocabSize} tokens, ${tokenizer.addBos ? 'BOS' : 'no BOS'} before texts`
        : 'none: the model takes token ids',
    ],
    ['chat template', chatTemplate === undefined ? 'none' : 'its own'],
  ]
  for (const [name, value] of rows) await print(`${name.padEnd(14)} ${value}\n`)
}
