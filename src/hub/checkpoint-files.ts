// Which files of a repository a load needs: what openCheckpoint() reads of a folder, and nothing that only Python runs.
import { posix } from 'node:path'
import { ggufModels, ggufParts } from '../checkpoint/gguf/gguf-split.ts'
import { shardsOfIndex, type WeightFiles, weightFiles } from '../checkpoint/huggingface/huggingface.ts'
import { isMetaFile } from '../checkpoint/meta/meta.ts'
import { oneOf } from '../errors.ts'

export interface Choice {
  /** The files, as paths in the repository. */
  files: string[]
  /** What openCheckpoint() is given, in the snapshot: '' for the folder, else a GGUF file. */
  open: string
  /** The format of shards that are still to be added, by withShards(). */
  sharded?: WeightFiles
}

/** The files beside the weights, read where they are there. */
const settings = [
  'generation_config.json',
  'tokenizer.json',
  'tokenizer.model',
  'tokenizer_config.json',
  'special_tokens_map.json',
  'added_tokens.json',
  'chat_template.jinja',
]

const adapterWeights = ['adapter_model.safetensors', 'adapter_model.bin']

/**
 * Chooses the files of a load.
 * @param names every file of the repository, or of what the cache has of it
 * @param gguf the GGUF file to load, where the repository has several; its other parts come with it
 * @returns a text that says what is missing where nothing can be loaded
 */
export function chooseFiles(names: readonly string[], gguf?: string): Choice | string {
  const has = (name: string) => names.includes(name)
  if (gguf !== undefined) return chooseGguf(names, gguf)
  if (has('config.json')) {
    const beside = ['config.json', ...settings.filter(has), ...names.filter(isTemplate)]
    for (const format of weightFiles) {
      if (has(format.single)) return { files: [...beside, format.single], open: '' }
      if (has(format.index)) return { files: [...beside, format.index], open: '', sharded: format }
    }
  } else if (has('adapter_config.json')) {
    const found = adapterWeights.find(has)
    if (found !== undefined)
      return {
        files: ['adapter_config.json', found, ...['tokenizer.json', 'tokenizer.model'].filter(has)],
        open: '',
      }
  } else if (has('params.json') && names.some(name => name !== 'params.json' && isMetaFile(name))) {
    return { files: [...names.filter(isMetaFile), ...settings.filter(has)], open: '' }
  }
  const models = ggufModels(names)
  if (models.length === 1) return chooseGguf(names, models[0]!)
  const known = [...weightFiles.flatMap(({ single, index }) => [single, index]), 'consolidated.00.pth']
  return models.length > 1
    ? `it has several GGUF models; name one: ${models.slice(0, 20).join(', ')}`
    : `it has none of ${known.join(', ')} beside a config.json or params.json, no adapter_config.json with ${oneOf(adapterWeights)}, and no .gguf file`
}

/** Adds the shards that the index names. @throws CHECKPOINT_CORRUPT for an index that is none */
export function withShards({ files, open }: Choice, format: WeightFiles, indexText: string): Choice {
  return { files: [...files, ...shardsOfIndex(indexText, format)], open }
}

/** The files that a load would read and that are not among the names. */
export function absentSettings(names: readonly string[], { open }: Choice): string[] {
  if (open !== '' || !names.includes('config.json')) return []
  const read = settings.filter(name => name !== 'tokenizer.model' || !names.includes('tokenizer.json'))
  return read.filter(name => !names.includes(name))
}

function chooseGguf(names: readonly string[], gguf: string): Choice | string {
  if (!names.includes(gguf)) {
    const models = ggufModels(names)
    return models.length > 0
      ? `it has no ${gguf}, but ${models.slice(0, 20).join(', ')}`
      : `it has no ${gguf}`
  }
  const files = ggufParts(names, gguf)
  const count = files.length > 1 ? Number(/(\d{5})\.gguf$/i.exec(gguf)?.[1]) : 1
  return files.length === count
    ? { files, open: gguf }
    : `it has ${files.length} of the ${count} parts of ${gguf}`
}

/** A named chat template, 'additional_chat_templates/tool_use.jinja'. */
function isTemplate(name: string): boolean {
  return posix.dirname(name) === 'additional_chat_templates' && name.endsWith('.jinja')
}
