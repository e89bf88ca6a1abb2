// Checkpoints that are named as the Hugging Face hub names them: found in the cache, else downloaded.
import { pathKind } from '../checkpoint/files.ts'
import { MtLlamaError } from '../errors.ts'
import { hubName } from '../hub/hub-name.ts'
import type { PullOptions } from '../hub/pull.ts'
import type { CommonOptions } from './command.ts'
import { note } from './io.ts'
import { startByteProgress } from './progress.ts'

/**
 * The path of a checkpoint that may be named as the hub names it. What is there on disk counts first.
 * @throws what findModel() throws
 */
export async function localModel(
  model: string,
  options: CommonOptions,
  signal: AbortSignal,
): Promise<string> {
  const name = hubName(model)
  if (name === undefined || (await pathKind(model)) !== 'missing') return model
  // Nothing of the hub is loaded for a checkpoint on disk.
  const [{ findModel }, { hubSettings }] = await Promise.all([
    import('../hub/pull-model.ts'),
    import('../hub/settings.ts'),
  ])
  return withProgress(options, signal, async pull => {
    const { path } = await findModel(name, await hubSettings(), pull)
    note(`${model}: ${path}`, options)
    return path
  }).catch(error => {
    const isOfHub = error instanceof MtLlamaError && error.code.startsWith('HUB_')
    throw isOfHub
      ? new MtLlamaError(error.code, `${model} is no file or folder here. On the hub: ${error.message}`, {
          cause: error,
        })
      : error
  })
}

/** Runs a download that tells people how far it is. */
export async function withProgress<T>(
  options: CommonOptions,
  signal: AbortSignal,
  run: (options: PullOptions) => Promise<T>,
): Promise<T> {
  const progress = startByteProgress('download', options)
  try {
    return await run({
      signal,
      onProgress: progress.update,
      onNote: text => note(text, options),
      onRetry: (reason, seconds) => note(`${reason}; trying again in ${seconds} s`, options),
    })
  } finally {
    progress.stop()
  }
}
