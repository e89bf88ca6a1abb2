// LoRA adapters (Hu et al. 2021) as PEFT saves them: a folder with adapter_config.json and adapter_model.safetensors.
import { join } from 'node:path'
import { shown } from '../../data/shown.ts'
import { MtLlamaError } from '../../errors.ts'
import { readableTypes } from '../../native/stored-types.ts'
import type { NativeTensor, StoredPart } from '../../native/types.ts'
import type { Checkpoint } from '../checkpoint.ts'
import { corrupt, unsupported } from '../faults.ts'
import { pathKind } from '../files.ts'
import { findTokenizer } from '../huggingface/huggingface.ts'
import { readSafetensors } from '../huggingface/safetensors.ts'
import { readJsonObject } from '../json.ts'
import { readTorchFile } from '../pickle/torch-file.ts'
import type { StoredTensor } from '../tensors.ts'
import { type LoraConfig, parseLoraConfig } from './lora-config.ts'

const CONFIG = 'adapter_config.json'

/** What PEFT puts before the names of the model it wraps. */
const WRAPPER = 'base_model.model.'

/** The tensors of an adapter, by the module of the model that they belong to. */
interface Adapter {
  path: string
  config: LoraConfig
  /** The two factors of each product. */
  products: Map<string, { a?: StoredTensor; b?: StoredTensor }>
  /** The tensors, by name, that replace the model's. */
  saved: Map<string, StoredTensor>
}

/**
 * The model with an adapter merged into it: w + scale * b a where there is a product, and the saved tensor where there
 * is one.
 * @param path folder of the adapter
 * @throws CHECKPOINT_NOT_FOUND, CHECKPOINT_CORRUPT, CHECKPOINT_UNSUPPORTED, CHECKPOINT_MISMATCH
 */
export async function withAdapter(model: Checkpoint, path: string): Promise<Checkpoint> {
  const adapter = await readAdapter(path)
  const config = { ...model.config }
  let tensors = model.tensors
  const warnings = [...model.warnings]
  if (config.tiedHead && adapter.saved.has('lm_head.weight')) {
    config.tiedHead = false
    const embedding = tensors.find(({ name }) => name === 'model.embed_tokens.weight')!
    tensors = [...tensors, { ...embedding, name: 'lm_head.weight' }]
  } else if (config.tiedHead && adapter.saved.has('model.embed_tokens.weight')) {
    throw unsupported(path, 'it saves the embedding of a model whose head is tied to it, but no lm_head')
  }
  const rows = savedVocabulary(adapter)
  if (rows !== undefined) config.vocabSize = rows
  const used = new Set<string>()
  tensors = tensors.map(tensor => {
    used.add(tensor.name)
    return changed(tensor, adapter, model.path, config.vocabSize)
  })
  const ignored = [...adapter.saved.keys()].filter(name => !used.has(name))
  for (const module of adapter.products.keys()) {
    if (!used.has(`${module}.weight`)) ignored.push(module)
    else if (!adapter.config.targets(module))
      warnings.push(
        `${path}: holds an adapter of ${module}, which ${CONFIG} does not name; it is not used, as in PEFT`,
      )
  }
  if (ignored.length > 0) throw mismatch(path, `no ${shown(ignored[0])} in ${model.path}`)
  return {
    ...model,
    config,
    tensors,
    ...(rows !== undefined && { tokenizer: (await findTokenizer(path)) ?? model.tokenizer }),
    warnings,
  }
}

async function readAdapter(path: string): Promise<Adapter> {
  const kind = await pathKind(path)
  if (kind === 'missing') throw new MtLlamaError('CHECKPOINT_NOT_FOUND', `${path || '""'}: no such folder`)
  if (kind !== 'folder' || (await pathKind(join(path, CONFIG))) === 'missing') {
    throw new MtLlamaError(
      'CHECKPOINT_NOT_FOUND',
      `${path}: no folder with ${CONFIG}, as PEFT saves an adapter`,
    )
  }
  const config = parseLoraConfig(await readJsonObject(join(path, CONFIG)), `${path}, ${CONFIG}`)
  const adapter: Adapter = { path, config, products: new Map(), saved: new Map() }
  for (const tensor of await readTensors(path)) add(adapter, tensor)
  for (const [module, { a, b }] of adapter.products)
    if (!a || !b) throw corrupt(path, `of ${module} there is only lora_${a ? 'A' : 'B'}`)
  // model.embed_tokens.weight is of the module embed_tokens.
  const saved = new Set([...adapter.saved.keys()].map(name => name.split('.').at(-2)))
  for (const module of config.modulesToSave)
    if (!saved.has(module))
      throw corrupt(path, `no tensor of ${shown(module)}, which ${CONFIG} says is saved (modules_to_save)`)
  return adapter
}

async function readTensors(path: string): Promise<StoredTensor[]> {
  const file = join(path, 'adapter_model.safetensors')
  if ((await pathKind(file)) !== 'missing') return readSafetensors(file)
  const pickle = join(path, 'adapter_model.bin')
  if ((await pathKind(pickle)) !== 'missing') return readTorchFile(pickle)
  throw new MtLlamaError(
    'CHECKPOINT_NOT_FOUND',
    `${path}: no adapter_model.safetensors and no adapter_model.bin`,
  )
}

function add(adapter: Adapter, tensor: StoredTensor): void {
  const name = tensor.name.startsWith(WRAPPER) ? tensor.name.slice(WRAPPER.length) : undefined
  if (name === undefined) throw corrupt(adapter.path, `${shown(tensor.name)} does not begin with ${WRAPPER}`)
  const half = /^(.+)\.lora_([AB])\.weight$/.exec(name)
  if (half) {
    const module = half[1]!
    const product = adapter.products.get(module) ?? {}
    product[half[2] === 'A' ? 'a' : 'b'] = tensor
    adapter.products.set(module, product)
  } else if (/\.lora_|\.modules_to_save\./.test(name)) {
    throw unsupported(
      adapter.path,
      `${shown(name)}: of a linear layer lora_A.weight and lora_B.weight are read`,
    )
  } else {
    adapter.saved.set(name.replace('.base_layer.', '.'), tensor)
  }
}

/** Finds how many rows the embedding and the head have where they are saved. */
function savedVocabulary({ path, saved }: Adapter): number | undefined {
  const sizes = ['model.embed_tokens.weight', 'lm_head.weight'].flatMap(
    name => saved.get(name)?.shape[0] ?? [],
  )
  if (sizes.length === 2 && sizes[0] !== sizes[1])
    throw corrupt(path, `the embedding has ${sizes[0]} rows, the head ${sizes[1]}`)
  return sizes[0]
}

function changed(tensor: NativeTensor, adapter: Adapter, base: string, vocabSize: number): NativeTensor {
  const { path, config, products, saved } = adapter
  const { name, shape } = tensor
  const whole = saved.get(name)
  const module = name.replace(/\.weight$/, '')
  const isVocabulary = name === 'model.embed_tokens.weight' || name === 'lm_head.weight'
  const wanted = isVocabulary ? [vocabSize, shape[1]!] : shape
  let result = tensor
  if (whole) {
    if (!equal(whole.shape, wanted))
      throw mismatch(path, `${shown(name)} is ${shown(whole.shape)}, in ${base} ${shown(shape)}`)
    result = { name, shape: wanted, parts: [partOf(path, whole)] }
  } else if (!equal(wanted, shape)) {
    throw mismatch(
      path,
      `it saves a vocabulary of ${vocabSize} rows, but not ${shown(name)}, which has ${shape[0]}`,
    )
  }
  const product = products.get(module)
  if (!product || !config.targets(module)) return result
  const [a, b] = [partOf(path, product.a!), partOf(path, product.b!)]
  const { rank, scale } = config.sizeOf(module)
  if (!equal(a.shape, [rank, wanted[1]!]) || !equal(b.shape, [wanted[0]!, rank]))
    throw mismatch(
      path,
      `the adapter of ${module} is ${shown(b.shape)} times ${shown(a.shape)}; of rank ${rank} on ` +
        `${shown(wanted)} in ${base}, it is [${wanted[0]}, ${rank}] times [${rank}, ${wanted[1]}]`,
    )
  return { ...result, adapters: [...(result.adapters ?? []), { a, b, scale }] }
}

function partOf(path: string, { name, ...part }: StoredTensor): StoredPart {
  if (!readableTypes().has(part.type))
    throw unsupported(path, `${shown(name)} is stored as ${part.type}; F32, F16 and BF16 are read`)
  return part
}

function equal(a: readonly number[], b: readonly number[]): boolean {
  return a.length === b.length && a.every((n, i) => n === b[i])
}

function mismatch(path: string, what: string): MtLlamaError {
  return new MtLlamaError('CHECKPOINT_MISMATCH', `${path}: ${what}. Is it an adapter of another base?`)
}
