// Measures the arithmetic that this machine can do, in the same run as what is compared to it.
import { loadAddon } from '../src/native/addon.ts'
import { newControl } from '../src/native/job.ts'
import type { DType } from '../src/native/types.ts'

export interface Peaks {
  /** GFLOP/s by the instruction that the dtype goes through; what has no instruction of its own is widened to float32. */
  gflops: Record<DType, number>
  /** The peaks in words, for people. */
  line: string
}

export async function measurePeaks(threads: number): Promise<Peaks> {
  const { arithmetic, instructions, read } = await loadAddon().peaks('cpu', threads, newControl())
  const gflops = (dtype: DType) =>
    arithmetic.find(({ instruction }) => instruction === instructions[dtype])!.flops / 1e9
  const parts = arithmetic.map(
    ({ instruction, flops }) => `${instruction} ${(flops / 1e9).toFixed(0)} GFLOP/s`,
  )
  return {
    gflops: { float32: gflops('float32'), bfloat16: gflops('bfloat16'), float16: gflops('float16') },
    line: `peaks of ${threads} threads: ${parts.join(', ')}, read ${(read / 1e9).toFixed(0)} GB/s`,
  }
}
