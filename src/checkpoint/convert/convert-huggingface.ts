// What a Hugging Face directory of a checkpoint consists of.
import { readFile } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import type { DType } from '../../native/types.ts'
import { loadTokenizer } from '../../tokenizer/load.ts'
import { isTiktoken } from '../../tokenizer/tiktoken.ts'
import type { Checkpoint, LlamaConfig, TokenizerSource } from '../checkpoint.ts'
import { pathKind } from '../files.ts'
import { tokenizerFiles } from '../gguf/gguf-tokenizer-json.ts'
import { configJson, keptConfigJson, specialIds } from '../huggingface/config-json.ts'
import { safetensorsFiles, safetensorsIndex } from './safetensors-writer.ts'
import { plainType, type TensorFile } from './tensor-file.ts'
import { tiktokenKeys } from './tokenizer-gguf.ts'

/** What a conversion writes. */
export interface Plan {
  /** Files beside the tensors, by their names. */
  texts: Record<string, Uint8Array | string>
  files: TensorFile[]
  /** What the reader that it is written for makes otherwise of it, for people. */
  warnings: string[]
}

/** Files of a tokenizer and of generation, as transformers names them; those that are there are copied. */
const copiedFiles = [
  ...['tokenizer.json', 'tokenizer.model', 'tokenizer_config.json', 'special_tokens_map.json'],
  ...['added_tokens.json', 'chat_template.jinja', 'vocab.json', 'merges.txt'],
]

/**
 * @param dtype of every tensor; undefined: as stored, bfloat16 of quantised ones
 * @throws TOKENIZER, CHECKPOINT_UNSUPPORTED for what such a directory cannot say
 */
export async function huggingFacePlan(
  checkpoint: Checkpoint,
  dtype: DType | undefined,
  maxShardBytes: number,
): Promise<Plan> {
  const { config, configSource, path, tensors, autoDType } = checkpoint
  const type = dtype ?? autoDType
  const files = safetensorsFiles(
    tensors.map(source => {
      return { name: source.name, type: plainType(source, dtype), shape: source.shape, source }
    }),
    maxShardBytes,
  )
  const index = safetensorsIndex(files)
  return {
    texts: {
      'config.json': jsonText(
        configSource
          ? keptConfigJson(configSource.json, config, type)
          : configJson(config, type, basename(path)),
      ),
      'generation_config.json': await generationConfig(checkpoint),
      ...(await tokenizerTexts(checkpoint)),
      ...(index && { 'model.safetensors.index.json': jsonText(index) }),
    },
    files,
    warnings: [],
  }
}

/** The one beside config.json, else the ids that begin and end a text. */
async function generationConfig({ configSource, config }: Checkpoint): Promise<Uint8Array | string> {
  const own = configSource && join(configSource.folder, 'generation_config.json')
  return own !== undefined && (await pathKind(own)) === 'file' ? readFile(own) : jsonText(specialIds(config))
}

async function tokenizerTexts(checkpoint: Checkpoint): Promise<Plan['texts']> {
  const { tokenizer, config, chatTemplate, path } = checkpoint
  if (tokenizer === undefined) return {}
  const keys = tokenizer.kind === 'gguf' ? tokenizer.metadata : await keysOfTiktoken(tokenizer, config)
  if (keys === undefined) return copies(tokenizer)
  const made = tokenizerFiles(basename(path), keys, config, chatTemplate)
  return Object.fromEntries(Object.entries(made).map(([name, content]) => [name, jsonText(content)]))
}

/**
 * What a GGUF file would say of a tiktoken file's tokenizer, for transformers knows neither its special tokens nor its rule for
 * words; undefined where the tokenizer is none, or settings beside it tell them.
 */
async function keysOfTiktoken(
  source: Exclude<TokenizerSource, { kind: 'gguf' }>,
  config: LlamaConfig,
): Promise<ReadonlyMap<string, unknown> | undefined> {
  if (source.kind !== 'tokenizer.model' || source.configFile !== undefined) return undefined
  const bytes = await readFile(source.file)
  if (!isTiktoken(bytes)) return undefined
  return new Map(Object.entries(tiktokenKeys(await loadTokenizer(source), source.file, bytes, config)))
}

async function copies({ file }: TokenizerSource): Promise<Plan['texts']> {
  const texts: Plan['texts'] = {}
  for (const name of copiedFiles) {
    const from = join(dirname(file), name)
    if ((await pathKind(from)) !== 'file') continue
    texts[name] = await readFile(from)
  }
  return texts
}

function jsonText(content: object): string {
  return `${JSON.stringify(content, null, 2)}\n`
}
