// Opens a checkpoint of any format.
import { join } from 'node:path'
import { checkOptions, optionNames } from '../calls/options.ts'
import { MtLlamaError } from '../errors.ts'
import { checkPath } from '../files/path.ts'
import type { Checkpoint } from './checkpoint.ts'
import { withDelta } from './delta.ts'
import { folderEntries, pathKind } from './files.ts'
import { openGguf } from './gguf/gguf-llama.ts'
import { ggufModels } from './gguf/gguf-split.ts'
import { openHuggingFace } from './huggingface/huggingface.ts'
import { withAdapter } from './lora/lora.ts'
import { isMetaFile, openMeta } from './meta/meta.ts'
import { sourceState } from './source-state.ts'

interface Format {
  /** The name of the format, for people. */
  name: string
  /** The path to open if a folder or file is of this format. @param entries names in the folder; undefined: a file */
  find: (path: string, entries: string[] | undefined) => string | undefined
  open: (path: string) => Promise<Checkpoint>
}

/** Tried in this order: a folder with config.json is a Hugging Face directory whatever else lies in it. */
const formats: readonly Format[] = [
  {
    name: "a Hugging Face directory (config.json and safetensors or PyTorch's .bin)",
    find: (path, entries) => (entries?.includes('config.json') ? path : undefined),
    open: openHuggingFace,
  },
  {
    name: "Meta's params.json and consolidated.00.pth",
    find: (path, entries) => {
      const own = entries?.filter(isMetaFile) ?? []
      const others = own.length > 0 ? ggufModels(entries!) : []
      if (others.length > 0) {
        throw new MtLlamaError(
          'CHECKPOINT_UNSUPPORTED',
          `${path}: holds ${[...own, ...others].join(', ')}; name the .gguf file, or keep Meta's files by themselves`,
        )
      }
      return own.length > 0 ? path : undefined
    },
    open: openMeta,
  },
  {
    name: 'a .gguf file, one of its parts, or a folder with one model',
    find: (path, entries) => {
      if (entries === undefined) return ggufModels([path]).length > 0 ? path : undefined
      const [file, ...others] = ggufModels(entries)
      if (others.length > 0) {
        throw new MtLlamaError(
          'CHECKPOINT_UNSUPPORTED',
          `${path}: holds ${[file, ...others].join(', ')}; name one of them, not the folder`,
        )
      }
      return file === undefined ? undefined : join(path, file)
    },
    open: openGguf,
  },
]

/** What is put on a checkpoint as it is opened. */
export interface Additions {
  /** Delta weights, in any format that a checkpoint can have: the model is the sum of both. */
  delta?: string | undefined
  /** Folders of LoRA adapters as PEFT saves them, merged one after another. @default [] */
  adapters?: readonly string[] | undefined
}

const additionNames = optionNames<Additions>({ delta: true, adapters: true })

/**
 * Reads what a checkpoint says about itself; of the weights no more is read than shows whether a delta belongs to it. A
 * folder with config.json is a Hugging Face directory.
 * @throws CHECKPOINT_NOT_FOUND, FILE_READ, CHECKPOINT_CORRUPT, CHECKPOINT_UNSUPPORTED, TENSOR_MISSING, TENSOR_SHAPE,
 *   CHECKPOINT_MISMATCH (a delta or an adapter of another base)
 */
export async function openCheckpoint(path: string, additions: Additions = {}): Promise<Checkpoint> {
  checkOptions(additions, additionNames)
  const { delta, adapters = [] } = additions
  let checkpoint = await openAlone(path)
  if (delta !== undefined) checkpoint = await withDelta(checkpoint, await openAlone(delta))
  for (const adapter of adapters) checkpoint = await withAdapter(checkpoint, checkPath('adapters', adapter))
  return {
    ...checkpoint,
    openedState: await sourceState(checkpoint),
    ...(delta !== undefined && { delta }),
    ...(adapters.length > 0 && { adapters: [...adapters] }),
  }
}

async function openAlone(path: string): Promise<Checkpoint> {
  checkPath('path', path)
  const kind = await pathKind(path)
  if (kind === 'missing') {
    const hint = isHubName(path)
      ? `. If the Hugging Face hub has it, \`mt-llama pull ${path}\` downloads it and prints its folder, which pullModel() of the API resolves with`
      : ''
    throw new MtLlamaError('CHECKPOINT_NOT_FOUND', `${path || '""'}: no such file or folder${hint}`)
  }
  const entries = kind === 'folder' ? await folderEntries(path) : undefined
  for (const format of formats) {
    const found = format.find(path, entries)
    if (found !== undefined) return { ...(await format.open(found)), path }
  }
  const known = formats.map(format => format.name).join(' or ')
  if (entries !== undefined) {
    throw new MtLlamaError('CHECKPOINT_NOT_FOUND', `${path}: no checkpoint in this folder; expected ${known}`)
  }
  const hint = /\.(safetensors|bin|pth|json)$/.test(path) ? '. Give the folder that holds it' : ''
  throw new MtLlamaError('CHECKPOINT_UNSUPPORTED', `${path}: not a checkpoint; expected ${known}${hint}`)
}

/** Such as "meta-llama/Llama-2-7b-hf", which may be a relative path too. */
function isHubName(path: string): boolean {
  return /^[\w-][\w.-]*\/[\w.-]+$/.test(path)
}
