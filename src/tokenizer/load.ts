// Opens a tokenizer wherever a checkpoint keeps it.
import { readFile } from 'node:fs/promises'
import { reading } from '../calls/reading.ts'
import type { TokenizerSettingsFiles, TokenizerSource } from '../checkpoint/checkpoint.ts'
import { tokenizerSource } from '../checkpoint/tokenizer-source.ts'
import { shown } from '../data/shown.ts'
import { MtLlamaError } from '../errors.ts'
import { checkPath } from '../files/path.ts'
import { Field, tokenizerError } from './field.ts'
import { tokenizerFromGguf } from './gguf.ts'
import { tokenizerFromSentencePiece } from './sentencepiece.ts'
import { readSettings, type TokenizerSettings } from './settings.ts'
import { isTiktoken, tokenizerFromTiktoken } from './tiktoken.ts'
import type { Tokenizer } from './tokenizer.ts'
import { tokenizerFromJson } from './tokenizer-json.ts'

/**
 * @param from where it lies: a folder with tokenizer.json, tokenizer.model or a GGUF file in it, one of these files, or what
 * openCheckpoint() says
 * @throws TOKENIZER naming the file, the field and the value where it is missing, broken or of an unsupported kind;
 *   INVALID_ARGUMENT, CHECKPOINT_NOT_FOUND, and what reading a GGUF file throws
 */
export async function loadTokenizer(from: string | TokenizerSource): Promise<Tokenizer> {
  const source = typeof from === 'string' ? await tokenizerSource(from) : from
  const kinds = ['tokenizer.json', 'tokenizer.model', 'gguf']
  const isSource = () =>
    kinds.includes(source?.kind) &&
    typeof source.file === 'string' &&
    (source.kind !== 'gguf' || source.metadata instanceof Map)
  if (!reading('source', isSource))
    throw new MtLlamaError(
      'INVALID_ARGUMENT',
      `source is ${shown(source)}; expected a path, { kind, file } of kind 'tokenizer.json' or 'tokenizer.model', or { kind: 'gguf', file, metadata }`,
    )
  const given: Readonly<Record<string, unknown>> = reading('source', () => ({ ...source }))
  for (const name of ['file', 'configFile', 'specialTokensFile', 'addedTokensFile'])
    if (given[name] !== undefined) checkPath(`source.${name}`, given[name])
  try {
    return await load(source)
  } catch (cause) {
    if (cause instanceof MtLlamaError) throw cause
    // What a file can do besides: nest deeper than the stack, ask for tables larger than memory.
    throw tokenizerError(source.file, `cannot be used: ${(cause as Error).message}`, { cause })
  }
}

async function load(source: TokenizerSource): Promise<Tokenizer> {
  switch (source.kind) {
    case 'tokenizer.json':
      return tokenizerFromJson(await readJson(source.file), await loadSettings(source))
    case 'tokenizer.model': {
      const bytes = await readBytes(source.file)
      const make = isTiktoken(bytes) ? tokenizerFromTiktoken : tokenizerFromSentencePiece
      return make(source.file, bytes, await loadSettings(source))
    }
    case 'gguf':
      return tokenizerFromGguf(source.file, source.metadata)
  }
}

async function loadSettings(files: TokenizerSettingsFiles): Promise<TokenizerSettings | undefined> {
  const read = async (file: string | undefined) => (file === undefined ? undefined : await readJson(file))
  return readSettings({
    config: await read(files.configFile),
    specialTokens: await read(files.specialTokensFile),
    addedTokens: await read(files.addedTokensFile),
  })
}

async function readBytes(file: string): Promise<Buffer> {
  try {
    return await readFile(file)
  } catch (cause) {
    throw tokenizerError(file, `cannot be read: ${(cause as Error).message}`, { cause })
  }
}

async function readJson(file: string): Promise<Field> {
  const bytes = await readBytes(file)
  try {
    return new Field(file, '', JSON.parse(bytes.toString('utf8')))
  } catch (cause) {
    throw tokenizerError(file, `is not JSON: ${(cause as Error).message}`, { cause })
  }
}
