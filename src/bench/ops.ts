// Times each op at a model's shape, after native has compared it with the reference.

import { sizesOf } from '../checkpoint/checkpoint.ts'
import { loadAddon } from '../native/addon.ts'
import type { NativeOp, NativeTrainOp } from '../native/types.ts'
import { type BenchContext, micros, runNative } from './context.ts'
import { boundOf } from './counts.ts'
import type { OpReport } from './report.ts'

/** Time in seconds for which an op is repeated. */
const seconds = 0.2
/** Maximum rows of the two ops that keep all logits: more rows would take gigabytes. */
const maxLogitRows = 64
const logitOps: readonly NativeOp[] = ['head_sample', 'head_logits']
const decodeCache = 2048

export const opNames: readonly NativeOp[] = [
  ...(['embed', 'rms_norm', 'qkv', 'attention', 'append_kv', 'linear_add out', 'swiglu'] as const),
  ...(['linear_add down', 'gather_rows', 'head_score', 'head_sample', 'head_logits'] as const),
]
export const trainOpNames: readonly NativeTrainOp[] = [
  ...(['head_loss', 'rms_norm_backward', 'linear_backward', 'linear_backward thin', 'product'] as const),
  ...(['swiglu_backward', 'attention_backward', 'rope_backward', 'scatter_rows'] as const),
  ...(['embed_backward', 'repack', 'convert', 'adamw'] as const),
]
/** Those that run on weights, however many tokens there are. */
const weightOps: readonly NativeOp[] = ['repack', 'adamw']

/**
 * Times the ops of the forward pass.
 * @param rows the numbers of tokens to time each op with
 * @param reports gets the report of each op as soon as it is timed
 */
export async function timeOps(
  context: BenchContext,
  rows: readonly number[],
  reports: OpReport[],
): Promise<void> {
  const { contextLength } = context.config
  for (const op of opNames) {
    for (const count of rows) {
      if (logitOps.includes(op) && count > maxLogitRows) continue
      reports.push(await timeOp(context, op, count, 0))
    }
    // Attention is also timed as in a decode step: one row after many in the cache.
    if (op === 'attention')
      reports.push(await timeOp(context, op, 1, Math.min(decodeCache, contextLength) - 1))
  }
}

/** Times the ops of training, as timeOps() does. */
export async function timeTrainOps(
  context: BenchContext,
  rows: readonly number[],
  reports: OpReport[],
): Promise<void> {
  for (const op of trainOpNames)
    for (const count of weightOps.includes(op) ? [1] : rows) reports.push(await timeOp(context, op, count, 0))
}

async function timeOp(context: BenchContext, op: NativeOp, rows: number, cache: number): Promise<OpReport> {
  const { config, native, peaks, signal } = context
  context.onStep(`${op}, ${cache > 0 ? `1 row after ${cache}` : `${rows} row${rows === 1 ? '' : 's'}`}`)
  const request = { ...sizesOf(config), op, rows, cache, seconds }
  const timing = await runNative(signal, control => loadAddon().timeOp(request, native, control))
  const { flops, bytes, memoryBytes, fromMemory, runs } = timing
  return {
    ...{ op, rows, cache, runs, ...micros(timing), flops, bytes, memoryBytes, fromMemory },
    gflopPerSecond: flops / timing.seconds / 1e9,
    gigabytesPerSecond: bytes / timing.seconds / 1e9,
    ...boundOf({ flops, bytes: fromMemory ? memoryBytes : 0, seconds: timing.seconds }, peaks, native.dtype),
  }
}
