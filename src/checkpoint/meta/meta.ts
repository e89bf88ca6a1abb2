// Meta's own layout: params.json, and consolidated.NN.pth of each rank that the model was split over.
import { basename, dirname, join, resolve } from 'node:path'
import { shown } from '../../data/shown.ts'
import { MtLlamaError } from '../../errors.ts'
import type { Checkpoint, TokenizerSource } from '../checkpoint.ts'
import { folderEntries } from '../files.ts'
import { findTokenizer } from '../huggingface/huggingface.ts'
import { readJsonObject } from '../json.ts'
import { readTorchFile } from '../pickle/torch-file.ts'
import {
  type Naming,
  namesIn,
  type StackedTensor,
  type StoredTensor,
  storedTypes,
  takeTensors,
} from '../tensors.ts'
import { parseMetaParams } from './meta-params.ts'

const PARAMS = 'params.json'

/** Hugging Face's name of a part -> Meta's. */
const metaNames: Readonly<Record<string, string>> = {
  'model.embed_tokens': 'tok_embeddings',
  'model.norm': 'norm',
  lm_head: 'output',
  input_layernorm: 'attention_norm',
  'self_attn.q_proj': 'attention.wq',
  'self_attn.k_proj': 'attention.wk',
  'self_attn.v_proj': 'attention.wv',
  'self_attn.o_proj': 'attention.wo',
  post_attention_layernorm: 'ffn_norm',
  'mlp.gate_proj': 'feed_forward.w1',
  'mlp.up_proj': 'feed_forward.w3',
  'mlp.down_proj': 'feed_forward.w2',
}

/** Meta's name of a tensor: model.layers.3.mlp.up_proj.weight is layers.3.feed_forward.w3.weight. */
const metaName = namesIn('layers.', metaNames)

const naming: Omit<Naming, 'weights'> = {
  configFile: PARAMS,
  fields: {
    vocabSize: 'vocab_size',
    hiddenSize: 'dim',
    intermediateSize: 'dim, multiple_of, ffn_dim_multiplier',
    layers: 'n_layers',
    heads: 'n_heads',
    kvHeads: 'n_kv_heads',
    headDim: 'dim / n_heads',
  },
  format: 'PyTorch',
  types: ['F32', 'F16', 'BF16'],
  storedName: metaName,
}

/** @throws CHECKPOINT_NOT_FOUND, CHECKPOINT_CORRUPT, CHECKPOINT_UNSUPPORTED, TENSOR_MISSING, TENSOR_SHAPE */
export async function openMeta(path: string): Promise<Checkpoint> {
  const params = await readJsonObject(join(path, PARAMS))
  const ranks: Rank[] = []
  for (const file of await rankFiles(path)) {
    const tensors = await readTorchFile(file)
    ranks.push({ name: basename(file), tensors: new Map(tensors.map(tensor => [tensor.name, tensor])) })
  }
  const warnings: string[] = []
  const names = new Set(ranks.flatMap(({ tensors }) => [...tensors.keys()]))
  const embedding = 'tok_embeddings.weight'
  const config = parseMetaParams(
    params,
    PARAMS,
    dim => (names.has(embedding) ? joined(embedding, ranks, dim).shape[0] : undefined),
    names.has('output.weight'),
    warnings,
  )
  const whole = (name: string) => joined(name, ranks, config.hiddenSize, config.kvHeads)
  const stored = new Map([...names].filter(isMetaName).map(name => [name, whole(name)]))
  const weights = ranks.map(({ name }) => name).join(', ')
  const tensors = takeTensors(config, stored, { ...naming, weights })
  const used = new Set(tensors.map(({ name }) => metaName(name)))
  const ignored = [...names].filter(name => !used.has(name) && name !== 'rope.freqs')
  if (ignored.length > 0) warnings.push(`${weights}: not used (${ignored.length}): ${shown(ignored)}`)
  return {
    format: 'meta',
    path,
    config,
    tensors,
    ...storedTypes(tensors),
    tokenizer: await findMetaTokenizer(path, warnings),
    chatTemplate: undefined,
    chatTemplateFile: undefined,
    warnings,
  }
}

/** What one process of several holds of each tensor. */
interface Rank {
  /** The file's. */
  name: string
  tensors: ReadonlyMap<string, StoredTensor>
}

const metaParts = new Set(Object.values(metaNames))

/** Whether a LLaMA may need a tensor of this name. */
function isMetaName(name: string): boolean {
  const [, part = ''] = name.match(/^(?:layers\.\d+\.)?(.+)\.weight$/) ?? []
  return metaParts.has(part)
}

/** Whether a file of this name is one of the layout's. */
export function isMetaFile(name: string): boolean {
  return name === PARAMS || isRank(name)
}

function isRank(name: string): boolean {
  return /^consolidated\.\d\d\.pth$/.test(name)
}

/** The file of each rank, in order. */
async function rankFiles(path: string): Promise<string[]> {
  const found = (await folderEntries(path)).filter(isRank).sort()
  const missing = Array.from(
    { length: Math.max(found.length, 1) },
    (_, rank) => `consolidated.${String(rank).padStart(2, '0')}.pth`,
  ).filter(name => !found.includes(name))
  if (missing.length === 0) return found.map(name => join(path, name))
  const has = found.length > 0 ? found.join(', ') : PARAMS
  throw new MtLlamaError(
    'CHECKPOINT_NOT_FOUND',
    `${path}: has ${has}, but no ${missing.join(', ')}. Is the download complete?`,
  )
}

/** How a tensor is split over the ranks; undefined where each has all of it. */
function axisOf(name: string, part: StoredTensor, dim: number): 0 | 1 | undefined {
  if (part.shape.length !== 2) return undefined
  if (/\.attention\.w[qkv]\.|\.feed_forward\.w[13]\.|^output\./.test(name)) return 0
  if (/\.attention\.wo\.|\.feed_forward\.w2\./.test(name)) return 1
  // LLaMA 1 and 2 split the embedding's columns, LLaMA 3 its rows.
  if (name.startsWith('tok_embeddings.')) return part.shape[1] === dim ? 0 : 1
  return undefined
}

/** @param kvHeads of the model; more ranks than that repeat them */
function joined(name: string, ranks: Rank[], dim: number, kvHeads = ranks.length): StackedTensor {
  const parts = ranks.map(({ name: file, tensors }) => {
    const part = tensors.get(name)
    if (part !== undefined) return part
    const other = ranks.find(rank => rank.tensors.has(name))!
    throw new MtLlamaError(
      'TENSOR_MISSING',
      `${file}: no tensor ${shown(name)}, which ${other.name} has. Are they parts of one model?`,
    )
  })
  const [first] = parts as [StoredTensor]
  for (const part of parts)
    if (said(part) !== said(first)) {
      throw new MtLlamaError(
        'TENSOR_SHAPE',
        `${basename(part.file)}: ${shown(name)} is ${said(part)}; in ${basename(first.file)} it is ${said(first)}. ` +
          'Are they parts of one model?',
      )
    }
  const axis = axisOf(name, first, dim)
  if (axis === undefined) return { shape: first.shape, parts: [first], axis: 0 }
  const copies = /\.w[kv]\./.test(name) ? Math.max(Math.floor(ranks.length / kvHeads), 1) : 1
  const ropeInterleaved = /\.attention\.w[qk]\./.test(name)
  const own = parts.filter((_, rank) => rank % copies === 0).map(part => ({ ...part, ropeInterleaved }))
  const shape = first.shape.map((n, i) => (i === axis ? n * own.length : n))
  return { shape, parts: own as StackedTensor['parts'], axis }
}

function said({ type, shape }: StoredTensor): string {
  return `${type} [${shape.join(', ')}]`
}

/**
 * In the folder itself or, as LLaMA 1 was published and as the hub keeps Meta's files in a folder "original", in the one
 * above.
 */
async function findMetaTokenizer(path: string, warnings: string[]): Promise<TokenizerSource | undefined> {
  for (const folder of [path, dirname(resolve(path))]) {
    const found = await findTokenizer(folder)
    if (found === undefined) continue
    if (folder !== path) warnings.push(`${basename(found.file)}: taken from the folder above, ${folder}`)
    return found
  }
  return undefined
}
