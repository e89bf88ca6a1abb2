// Times each op of the forward pass at a model's shape, after native has compared it with the reference.

import { sizesOf } from '../checkpoint/checkpoint.ts'
import { loadAddon } from '../native/addon.ts'
import type { NativeOp } from '../native/types.ts'
import { type BenchContext, micros, runNative } from './context.ts'
import { boundOf } from './counts.ts'
import type { OpReport } from './report.ts'

/** How long an op is timed. */
const seconds = 0.2
/** More rows than these have gigabytes of logits, which the two ops keep. */
const maxLogitRows = 64
const logitOps: readonly NativeOp[] = ['head_sample', 'head_logits']
const decodeCache = 2048

export const opNames: readonly NativeOp[] = [
  ...(['embed', 'rms_norm', 'qkv', 'attention', 'append_kv', 'linear_add out', 'swiglu'] as const),
  ...(['linear_add down', 'gather_rows', 'head_score', 'head_sample', 'head_logits'] as const),
]

/** Adds to `reports` as it goes. @param rows numbers of tokens */
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
    // A decode step has one row after many.
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
