// Finds the tokenizer at a path, with or without a checkpoint around it.
import { dirname, join } from 'node:path'
import { MtLlamaError } from '../errors.ts'
import { checkPath } from '../files/path.ts'
import type { TokenizerSource } from './checkpoint.ts'
import { folderEntries, pathKind } from './files.ts'
import { readGguf } from './gguf/gguf.ts'
import { ggufTokenizer } from './gguf/gguf-llama.ts'
import { ggufModels } from './gguf/gguf-split.ts'
import { findTokenizer } from './huggingface/huggingface.ts'

/**
 * @param path a folder with tokenizer.json, tokenizer.model or a GGUF file in it, or one of these files
 * @throws CHECKPOINT_NOT_FOUND, TOKENIZER where there is none, and what reading a GGUF file throws
 */
export async function tokenizerSource(path: string): Promise<TokenizerSource> {
  checkPath('path', path)
  const kind = await pathKind(path)
  if (kind === 'missing')
    throw new MtLlamaError('CHECKPOINT_NOT_FOUND', `${path || '""'}: no such file or folder`)
  const found = kind === 'folder' ? await inFolder(path) : await ofFile(path)
  if (found) return found
  throw new MtLlamaError(
    'TOKENIZER',
    `${path}: no tokenizer here; expected tokenizer.json, tokenizer.model or a GGUF file that has one`,
  )
}

async function inFolder(folder: string): Promise<TokenizerSource | undefined> {
  const own = await findTokenizer(folder)
  const [gguf] = own ? [] : ggufModels(await folderEntries(folder))
  return gguf === undefined ? own : ofGguf(join(folder, gguf))
}

async function ofFile(file: string): Promise<TokenizerSource | undefined> {
  if (file.toLowerCase().endsWith('.gguf')) return ofGguf(file)
  const beside = await findTokenizer(dirname(file))
  if (beside?.file === file) return beside
  if (file.endsWith('.json')) return { kind: 'tokenizer.json', file }
  return file.endsWith('.model') ? { kind: 'tokenizer.model', file } : undefined
}

async function ofGguf(file: string): Promise<TokenizerSource | undefined> {
  return ggufTokenizer(file, (await readGguf(file)).metadata)
}
