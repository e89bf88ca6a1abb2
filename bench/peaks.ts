// The arithmetic this machine can do: measured by the op bench (bench/native) in the same run as what is compared to it.
import { execFileSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import type { DType } from '../src/binding.ts'

const opsBench = fileURLToPath(new URL('../build/native/ops_bench', import.meta.url))

export interface Peaks {
  /** GFLOP/s by the best instruction the processor has for the dtype; float16 is widened to float32. */
  gflops: Record<DType, number>
  /** For people. */
  line: string
}

export function measurePeaks(threads: number): Peaks {
  if (!existsSync(opsBench)) throw new Error(`${opsBench} is missing: npm run test:native -- -N builds it`)
  // No op has that name, so it measures the peaks alone.
  const output = execFileSync(opsBench, ['--json', '--threads', String(threads), '--op', 'none'], {
    encoding: 'utf8',
  })
  const peaks = output
    .trim()
    .split('\n')
    .map(line => JSON.parse(line) as { peak: string; value: number })
  const best = (pattern: RegExp) => Math.max(...peaks.filter(p => pattern.test(p.peak)).map(p => p.value))
  const float32 = best(/^(avx512|avx2|scalar)$/)
  return {
    gflops: { float32, bfloat16: best(/^(?!read$)/), float16: float32 },
    line: `peaks of ${threads} threads: ${peaks.map(p => `${p.peak} ${p.value.toFixed(0)} ${p.peak === 'read' ? 'GB/s' : 'GFLOP/s'}`).join(', ')}`,
  }
}
