// Times each op of the forward pass at a model's shape, after native has compared it with the reference.

import { sizesOf } from '../checkpoint/checkpoint.ts'
import { loadAddon } from '../native/addon.ts'
import type { NativeOp } from '../native/types.ts'
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

/** Adds a report to `reports` as soon as an op is timed. @param rows the numbers of tokens to time each op with */
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
