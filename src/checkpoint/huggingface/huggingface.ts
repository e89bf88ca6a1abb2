// A Hugging Face directory: config.json, safetensors or PyTorch's .bin in one file or in shards with an index, tokenizer
// files beside.
import { open } from 'node:fs/promises'
import { join } from 'node:path'
import { cut, shown } from '../../data/shown.ts'
import { MtLlamaError } from '../../errors.ts'
import type { Checkpoint, TokenizerSource } from '../checkpoint.ts'
import { pathKind, readExactly } from '../files.ts'
import { type JsonObject, readJsonObject, readJsonText } from '../json.ts'
import { objectEntries } from '../json-entries.ts'
import { readTorchFile } from '../pickle/torch-file.ts'
import { type Naming, neededTensors, type StoredTensor, storedTypes, takeTensors } from '../tensors.ts'
import { findChatTemplate } from './chat-template.ts'
import { generationEosIds, parseHfConfig } from './hf-config.ts'
import { readSafetensors } from './safetensors.ts'

/** A format of weights. */
export interface WeightFiles {
  /** The name of the format, for people. */
  format: string
  extension: string
  /** The file that holds all. */
  single: string
  /** The file that says which of several holds a tensor. */
  index: string
  read: (file: string) => Promise<StoredTensor[]>
}

/** The files in the order in which transformers prefers them: the first one that is there counts. */
export const weightFiles: readonly WeightFiles[] = [
  {
    ...{ format: 'safetensors', extension: '.safetensors', read: readSafetensors },
    ...{ single: 'model.safetensors', index: 'model.safetensors.index.json' },
  },
  {
    ...{ format: 'PyTorch', extension: '.bin', read: readTorchFile },
    ...{ single: 'pytorch_model.bin', index: 'pytorch_model.bin.index.json' },
  },
]

const naming: Omit<Naming, 'weights' | 'format'> = {
  configFile: 'config.json',
  fields: {
    vocabSize: 'vocab_size',
    hiddenSize: 'hidden_size',
    intermediateSize: 'intermediate_size',
    layers: 'num_hidden_layers',
    heads: 'num_attention_heads',
    kvHeads: 'num_key_value_heads',
    headDim: 'head_dim',
  },
  types: ['F32', 'F16', 'BF16'],
  storedName: name => name,
}

/** Tensors that old files carry and nothing reads: tables of RoPE and causal masks. */
const superfluous = /(^|\.)(rotary_emb\.inv_freq|attn\.masked_bias|attn\.bias)$/

/** @throws CHECKPOINT_NOT_FOUND, CHECKPOINT_CORRUPT, CHECKPOINT_UNSUPPORTED, TENSOR_MISSING, TENSOR_SHAPE */
export async function openHuggingFace(path: string): Promise<Checkpoint> {
  const warnings: string[] = []
  const { config, ...others } = await openAllButWeights(path, warnings)
  const { stored, format, weights, absent } = await readWeights(path)
  if (config.tiedHead) config.tiedHead = await tieHead(stored, warnings)
  for (const { name } of neededTensors(config, stored.size)) {
    if (!stored.has(name) && absent.has(name)) {
      throw new MtLlamaError(
        'TENSOR_MISSING',
        `${absent.get(name)}: no tensor ${shown(name)}, which ${weights} says is there`,
      )
    }
  }
  const tensors = takeTensors(config, stored, { ...naming, format, weights })
  const used = new Set(tensors.map(tensor => tensor.name))
  const ignored = [...stored.keys()].filter(
    name => !used.has(name) && !superfluous.test(name) && !(config.tiedHead && name === 'lm_head.weight'),
  )
  if (absent.size > 0)
    warnings.push(
      `${weights}: names ${absent.size} that no shard holds and the model does not need: ${shown([...absent.keys()])}`,
    )
  if (ignored.length > 0) warnings.push(`${weights}: not used (${ignored.length}): ${shown(ignored)}`)

  return { ...others, config, tensors, ...storedTypes(tensors), warnings }
}

/**
 * A directory whose weights, if it has any, are not read: its tensors are named as its config has them, and have no parts.
 * @throws CHECKPOINT_NOT_FOUND, CHECKPOINT_CORRUPT, CHECKPOINT_UNSUPPORTED
 */
export async function openWithoutWeights(path: string): Promise<Checkpoint> {
  const warnings: string[] = []
  const others = await openAllButWeights(path, warnings)
  const tensors = neededTensors(others.config, others.config.layers).map(({ name, shape }) => ({
    ...{ name, shape, parts: [] },
  }))
  return { ...others, tensors, autoDType: 'float32', storedTypes: '', warnings }
}

async function openAllButWeights(path: string, warnings: string[]) {
  const json = await readJsonObject(join(path, 'config.json'))
  const config = parseHfConfig(json, 'config.json', warnings)
  const generation = await readOptional(path, 'generation_config.json')
  if (generation !== undefined) {
    config.eosTokenIds = generationEosIds(generation, 'generation_config.json')
  }
  const tokenizerConfig = await readOptional(path, 'tokenizer_config.json')
  return {
    format: 'huggingface' as const,
    path,
    config,
    configSource: { folder: path, json },
    tokenizer: await findTokenizer(path),
    ...(await findChatTemplate(path, tokenizerConfig, warnings)),
  }
}

async function readWeights(path: string): Promise<StoredWeights> {
  for (const files of weightFiles) {
    const { single, index, format, read } = files
    if ((await pathKind(join(path, single))) !== 'missing') {
      const tensors = await read(join(path, single))
      const stored = new Map(tensors.map(tensor => [tensor.name, tensor]))
      return { stored, format, weights: single, absent: new Map() }
    }
    if ((await pathKind(join(path, index))) !== 'missing') return readShards(path, files)
  }
  const names = weightFiles.flatMap(({ single, index }) => [single, index])
  throw new MtLlamaError('CHECKPOINT_NOT_FOUND', `${path}: has config.json, but none of ${names.join(', ')}`)
}

/** The tensors of a checkpoint's files. */
interface StoredWeights {
  stored: Map<string, StoredTensor>
  format: string
  /** The file that should hold every tensor, for messages. */
  weights: string
  /** Tensors that the index names and the shard it names for them lacks: name -> shard. */
  absent: Map<string, string>
}

/**
 * Every tensor of the shards that the index lists, as transformers sees them: the index need not name them all. Where two
 * shards hold a tensor, the one that the index names for it counts.
 */
async function readShards(path: string, files: WeightFiles): Promise<StoredWeights> {
  const { index } = files
  const shards = new Map<string, Map<string, StoredTensor>>()
  const stored = new Map<string, StoredTensor>()
  const absent = new Map<string, string>()
  for (const [name, file] of weightMap(await readJsonText(join(path, index)), files)) {
    let shard = shards.get(file)
    if (shard === undefined) {
      if ((await pathKind(join(path, file))) === 'missing') {
        throw new MtLlamaError(
          'CHECKPOINT_NOT_FOUND',
          `${join(path, file)}: no such file, but ${index} names it (for ${shown(name)}). Is the download complete?`,
        )
      }
      shard = new Map((await files.read(join(path, file))).map(tensor => [tensor.name, tensor]))
      shards.set(file, shard)
    }
    const tensor = shard.get(name)
    if (tensor === undefined) absent.set(name, file)
    else stored.set(name, tensor)
  }
  for (const shard of shards.values())
    for (const [name, tensor] of shard) if (!stored.has(name)) stored.set(name, tensor)
  for (const name of stored.keys()) absent.delete(name)
  return { stored, format: files.format, weights: index, absent }
}

/** The files that an index names, each once. @throws CHECKPOINT_CORRUPT */
export function shardsOfIndex(text: string, files: WeightFiles): string[] {
  return [...new Set(Array.from(weightMap(text, files), ([, file]) => file))]
}

/** [tensor, file] of the index's weight_map. */
function* weightMap(
  text: string,
  { index, extension }: WeightFiles,
): Generator<[name: string, file: string]> {
  const map = new Map(objectEntries(text, index)).get('weight_map')
  if (!map?.startsWith('{')) {
    throw new MtLlamaError(
      'CHECKPOINT_CORRUPT',
      `${index}: "weight_map" is ${map === undefined ? 'not there' : cut(map)}, expected an object`,
    )
  }
  for (const [name, value] of objectEntries(map, `${index}, weight_map`)) {
    // A bare name: "../../etc/passwd" or "/dev/zero" would open any file of the machine.
    const file = /^"([\w.-]+)"\s*$/.exec(value)?.[1]
    if (!file?.endsWith(extension)) {
      throw new MtLlamaError(
        'CHECKPOINT_CORRUPT',
        `${index}: ${shown(name)} is in ${cut(value)}; expected the name of a ${extension} file in the same folder`,
      )
    }
    yield [name, file]
  }
}

/**
 * What transformers 5 does where config.json ties the head: with one of the two tensors, it is both; with both, they are
 * tied only if equal.
 */
async function tieHead(stored: Map<string, StoredTensor>, warnings: string[]): Promise<boolean> {
  const embedding = stored.get('model.embed_tokens.weight')
  const head = stored.get('lm_head.weight')
  if (head === undefined) return true
  if (embedding === undefined) {
    stored.set('model.embed_tokens.weight', head)
    return true
  }
  if (await sameBytes(embedding, head)) return true
  warnings.push(
    'config.json: "tie_word_embeddings" is true, but lm_head.weight differs from the embedding; it is used',
  )
  return false
}

async function sameBytes(a: StoredTensor, b: StoredTensor): Promise<boolean> {
  if (a.type !== b.type || a.bytes !== b.bytes) return false
  // torch.save writes tensors that share their numbers once.
  if (a.file === b.file && a.offset === b.offset) return true
  const [fileA, fileB] = [await open(a.file), await open(b.file)]
  try {
    for (let at = 0; at < a.bytes; at += COMPARE_BYTES) {
      const length = Math.min(COMPARE_BYTES, a.bytes - at)
      const [partA, partB] = await Promise.all([
        readExactly(fileA, a.offset + at, length, a.file),
        readExactly(fileB, b.offset + at, length, b.file),
      ])
      if (!partA.equals(partB)) return false
    }
    return true
  } finally {
    await Promise.all([fileA.close(), fileB.close()])
  }
}

/** Read at a time when comparing: large enough for the disk, small beside any model. */
const COMPARE_BYTES = 4 * 2 ** 20

/** Finds where a folder keeps its tokenizer, and the files beside it that change it. */
export async function findTokenizer(path: string): Promise<TokenizerSource | undefined> {
  const there = async (name: string) =>
    (await pathKind(join(path, name))) === 'file' ? join(path, name) : undefined
  const settings = {
    configFile: await there('tokenizer_config.json'),
    specialTokensFile: await there('special_tokens_map.json'),
    addedTokensFile: await there('added_tokens.json'),
  }
  for (const kind of ['tokenizer.json', 'tokenizer.model'] as const) {
    const file = await there(kind)
    if (file !== undefined) return { kind, file, ...settings }
  }
  return undefined
}

async function readOptional(path: string, name: string): Promise<JsonObject | undefined> {
  return (await pathKind(join(path, name))) === 'missing' ? undefined : readJsonObject(join(path, name))
}
