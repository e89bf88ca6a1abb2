// The public way to have a checkpoint of the Hugging Face hub on this machine: a name in, a path out.
import {
  booleanOption,
  callbackOption,
  checkOptions,
  optionNames,
  optionOf,
  signalOption,
  wrongOption,
} from '../calls/options.ts'
import { shown } from '../data/shown.ts'
import { MtLlamaError } from '../errors.ts'
import { hubName } from './hub-name.ts'
import { type FoundModel, findModel, pullModel } from './pull-model.ts'
import { hubSettings } from './settings.ts'

export interface PullModelOptions {
  /** Branch, tag or commit. @default 'main' */
  revision?: string
  /**
   * Ask the hub whether the revision has a newer commit than the cache, as `mt-llama pull` does. Otherwise what the cache has
   * of it counts, as for `--model`, and needs no network. @default false
   */
  newest?: boolean
  /** Rejects with ABORTED; what has come is gone on with by the next call. */
  signal?: AbortSignal
  onProgress?: (progress: PullProgress) => void
  /** Called with what people should know: a wait for another process, or a hub that does not answer while the cache will do. */
  onNote?: (text: string) => void
}

const pullOptionNames = optionNames<PullModelOptions>({
  revision: true,
  newest: true,
  signal: true,
  onProgress: true,
  onNote: true,
})

export interface PullProgress {
  bytesDone: number
  bytesTotal: number
}

/**
 * Finds a checkpoint in the cache that Python's tools use, or downloads what a load needs of it. The path is one for
 * loadModel(), openCheckpoint() and the options `delta` and `adapters`: these take what is on the disk, and download nothing.
 * HF_ENDPOINT, HF_TOKEN, HF_HOME, HF_HUB_CACHE, HF_HUB_OFFLINE and HF_HUB_DOWNLOAD_TIMEOUT are read as in huggingface_hub.
 * @param name 'org/name', or 'org/name/file.gguf' for one GGUF model of a repository
 * @throws INVALID_ARGUMENT, HUB_NOT_FOUND, HUB_ACCESS, HUB_FAILED, CHECKPOINT_CORRUPT (an index of shards), OUTPUT, ABORTED
 */
export async function pullNamed(name: string, options: PullModelOptions = {}): Promise<FoundModel> {
  checkOptions(options, pullOptionNames)
  const revision: unknown = optionOf(options, 'revision', 'main')
  if (typeof revision !== 'string') throw wrongOption('revision', revision, 'a branch, a tag or a commit')
  const newest = booleanOption(options, 'newest', false)
  const signal = signalOption(options)
  const onProgress = callbackOption<'onProgress', PullProgress>(options, 'onProgress')
  const onNote = callbackOption<'onNote', string>(options, 'onNote')
  const model = typeof name === 'string' ? hubName(name, revision) : undefined
  if (!model)
    throw new MtLlamaError(
      'INVALID_ARGUMENT',
      `name is ${shown(name)}; expected a repository of the hub as ORG/NAME, or ORG/NAME/FILE.gguf`,
    )
  return (newest ? pullModel : findModel)(model, await hubSettings(), {
    ...{ signal, onNote },
    onProgress: onProgress && ((bytesDone, bytesTotal) => onProgress({ bytesDone, bytesTotal })),
  })
}
