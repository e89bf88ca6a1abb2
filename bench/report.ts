// Prints what every bench prints: the machine in one line, and tables in Markdown.
import os from 'node:os'
import type { Times } from './harness-rival.ts'

/** Describes the machine: processor, cores, memory, date, and how busy others keep it. */
export function machine(): string {
  const cpu = os.cpus()
  const memory = Math.round(os.totalmem() / 2 ** 30)
  const busy = busyShare()
  // Threads of torch and llama.cpp wait for each other at every barrier, so others' work makes them many times slower.
  const warning = busy > 0.05 ? ': NOT A QUIET MACHINE, compare nothing' : ''
  return [
    `${cpu[0]!.model}, ${cpu.length} cores, ${memory} GiB`,
    `node ${process.version}`,
    new Date().toISOString().slice(0, 10),
    `others take ${(100 * busy).toFixed(0)} % of it${warning}`,
  ].join('; ')
}

/** Measures the share of the machine's time that is not idle during a second in which this process sleeps. */
function busyShare(): number {
  const before = cpuTimes()
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1000)
  const after = cpuTimes()
  return 1 - (after.idle - before.idle) / (after.all - before.all)
}

function cpuTimes(): { idle: number; all: number } {
  const times = os.cpus().map(cpu => cpu.times)
  const total = (kinds: readonly number[]) => kinds.reduce((a, b) => a + b, 0)
  return { idle: total(times.map(t => t.idle)), all: total(times.flatMap(t => Object.values(t))) }
}

/** Rows of cells under a header; numbers go to the right. */
export function table(header: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) => `| ${cells.join(' | ')} |`
  const rule = header.map((_, column) =>
    rows.every(row => /^[\d.,<ex% +-]*$/.test(row[column]!)) ? '--:' : '---',
  )
  return [line(header), line(rule), ...rows.map(line)].join('\n')
}

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b)
  const half = sorted.length >> 1
  return sorted.length % 2 ? sorted[half]! : (sorted[half - 1]! + sorted[half]!) / 2
}

/** The heads of timeCells(). */
export const timeHeads = ['ours s', 'harness s', 'ratio', 'ours cpu s', 'harness cpu s', 'cpu ratio']

/** Seconds by the clock, then of the processor, each with the ratio: medians over rounds. */
export function timeCells(times: readonly { ours: Times; theirs: Times }[]): string[] {
  return (['seconds', 'cpuSeconds'] as const).flatMap(unit => [
    median(times.map(t => t.ours[unit])).toFixed(1),
    median(times.map(t => t.theirs[unit])).toFixed(1),
    `${median(times.map(t => t.theirs[unit] / t.ours[unit])).toFixed(2)}x`,
  ])
}
