// Loads the model a command works on, telling people what it is.
import { fileURLToPath } from 'node:url'
import type { Checkpoint } from '../checkpoint/checkpoint.ts'
import { openCheckpoint } from '../checkpoint/open.ts'
import { MtLlamaError } from '../errors.ts'
import { loadOpened } from '../model/load.ts'
import type { Model } from '../model.ts'
import type { ModelOptions } from './command.ts'
import { localModel } from './hub-model.ts'
import { note } from './io.ts'
import { startByteProgress } from './progress.ts'

export const embeddedModel = fileURLToPath(new URL('../../default/model', import.meta.url))

/** Loads a model for a command that works on texts. @throws TOKENIZER before weights are read */
export async function openTextModel(options: ModelOptions, signal: AbortSignal): Promise<Model> {
  return loadCheckpoint(await openTextCheckpoint(options, signal), options, signal)
}

/** Opens the checkpoint of such a command. @throws TOKENIZER */
export async function openTextCheckpoint(options: ModelOptions, signal: AbortSignal): Promise<Checkpoint> {
  const checkpoint = await openCommandCheckpoint(options, signal)
  if (!checkpoint.tokenizer)
    throw new MtLlamaError(
      'TOKENIZER',
      `${checkpoint.path} has no tokenizer; expected tokenizer.json or tokenizer.model in the folder, or one in the GGUF file`,
    )
  return checkpoint
}

/** Loads the model that the options name. @throws what loadModel() throws */
export async function openModel(options: ModelOptions, signal: AbortSignal): Promise<Model> {
  return loadCheckpoint(await openCommandCheckpoint(options, signal), options, signal)
}

/** Opens the checkpoint that the options name. */
export async function openCommandCheckpoint(options: ModelOptions, signal: AbortSignal): Promise<Checkpoint> {
  const { model, delta, adapter } = options
  const path = model === undefined ? embeddedModel : await localModel(model, options, signal)
  return openCheckpoint(path, { delta, adapters: adapter })
}

/** Loads a checkpoint that was opened. @throws what loadModel() throws */
export async function loadCheckpoint(
  checkpoint: Checkpoint,
  options: ModelOptions,
  signal: AbortSignal,
): Promise<Model> {
  const { dtype, device, threads } = options
  if (options.model === undefined) {
    note(
      'model: the embedded one of random weights; what it says means nothing (--model names another)',
      options,
    )
  }
  const progress = startByteProgress('load', options)
  const model = await loadOpened(checkpoint, {
    ...{ dtype, device, threads, signal },
    onProgress: ({ bytesDone, bytesTotal }) => progress.update(bytesDone, bytesTotal),
  }).finally(progress.stop)
  const { info } = model
  for (const warning of info.warnings) note(`warning: ${warning}`, options)
  const parts = [
    `${sourceName(info)}: ${info.architecture}, ${millions(info.parameters)} parameters`,
    `${info.storedTypes} as ${info.dtype}`,
    `${mebibytes(info.weightBytes)} on ${info.backend}, ${info.threads} thread${info.threads === 1 ? '' : 's'}`,
    `${info.addBos ? 'BOS' : 'no BOS'} before texts`,
  ]
  note(parts.join('; '), options)
  return model
}

/** Names a checkpoint with what was put on it. */
export function sourceName({
  path,
  delta,
  adapters,
}: Pick<Model['info'], 'path' | 'delta' | 'adapters'>): string {
  return [path, ...(delta === undefined ? [] : [delta]), ...adapters].join(' + ')
}

export function millions(count: number): string {
  return count < 1e9 ? `${(count / 1e6).toFixed(1)} M` : `${(count / 1e9).toFixed(2)} G`
}

export function mebibytes(bytes: number): string {
  return bytes < 2 ** 30 ? `${(bytes / 2 ** 20).toFixed(1)} MiB` : `${(bytes / 2 ** 30).toFixed(2)} GiB`
}
