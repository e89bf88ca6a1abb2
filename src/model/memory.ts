// How much memory a load takes, and refusing one that does not fit before it starts.
import { readFileSync } from 'node:fs'
import { freemem } from 'node:os'
import type { LlamaConfig } from '../checkpoint/checkpoint.ts'
import { MtLlamaError } from '../errors.ts'

/** What a load takes of a device's memory. */
export interface LoadBytes {
  weights: number
  activations: number
  /** Rows on their way from the file to the device. */
  loading: number
}

/** LoadBytes.loading on a processor; a GPU's memory is not loaded through. */
export const loadingBytes = 64 * 2 ** 20

/** Bytes of the activations of a pack (struct Activations in native/model/llama.h), all counted as float32. */
export function activationBytes(config: LlamaConfig, tokens: number): number {
  const attention = (2 * config.heads + 2 * config.kvHeads) * config.headDim
  return 4 * tokens * (3 * config.hiddenSize + attention + config.intermediateSize)
}

/** Keys and values of one position, in float32. */
export function kvBytesPerToken(config: LlamaConfig): number {
  return 4 * 2 * config.layers * config.kvHeads * config.headDim
}

/** Shares of free memory for keys and values: other programs want the most of a machine's, nobody else that of a GPU. */
const machineKvShare = 0.25
const gpuKvShare = 0.75

/** @param gpuFreeBytes what is free of the GPU once the model is loaded; undefined on a processor */
export function kvBytes(gpuFreeBytes: number | undefined): number {
  return gpuFreeBytes === undefined ? machineKvShare * availableBytes() : gpuKvShare * gpuFreeBytes
}

/** Bytes this process may still take of the machine's memory, and of a container's limit where it has one. */
export function availableBytes(): number {
  const left = process.availableMemory?.() ?? freemem()
  return Math.min(freemem(), left + cachedFileBytes())
}

/**
 * Bytes of files that the kernel keeps for this process's control group. A limit's account counts them as taken (a
 * checkpoint read once would fill it), but they give way to whoever asks. 0 where there is no such account.
 * @param groups lists the groups of this process
 * @param mount where they are
 */
export function cachedFileBytes(groups = '/proc/self/cgroup', mount = '/sys/fs/cgroup'): number {
  // Version 2: "0::/path"; version 1: "4:memory:/path". A container may see its own group at the mount's root.
  const [, controllers, path] = /^\d+:(memory)?:(.*)$/m.exec(textOf(groups)) ?? []
  const account = controllers === undefined ? mount : `${mount}/${controllers}`
  const stat = textOf(`${account}${path}/memory.stat`) || textOf(`${account}/memory.stat`)
  return [...stat.matchAll(/^(?:in)?active_file (\d+)$/gm)].reduce((n, [, bytes]) => n + Number(bytes), 0)
}

/** '' for a file that is not there. */
function textOf(file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch {
    return ''
  }
}

/** @throws OUT_OF_MEMORY with the figures */
export function checkMemory(path: string, dtype: string, takes: LoadBytes, available: number): void {
  const { weights, activations, loading } = takes
  const needed = weights + activations + loading
  if (needed <= available) return
  throw new MtLlamaError(
    'OUT_OF_MEMORY',
    `${path}: loading as ${dtype} takes ${size(needed)} (weights ${size(weights)}, activations ${size(activations)}` +
      `${loading > 0 ? `, loading ${size(loading)}` : ''}), but ${size(available)} are available. ` +
      'A smaller dtype or model, or a machine with more memory, would do',
  )
}

function size(bytes: number): string {
  return bytes < 2 ** 30 ? `${Math.ceil(bytes / 2 ** 20)} MiB` : `${(bytes / 2 ** 30).toFixed(1)} GiB`
}
