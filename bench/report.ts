// What every bench prints: the machine in one line, and tables in Markdown.
import os from 'node:os'

/**
 * Processor, cores, memory, date, and the load that others put on the machine. On a busy one peers' threads wait for
 * each other at every barrier, so ratios there mean nothing.
 */
export function machine(): string {
  const cpu = os.cpus()
  const memory = Math.round(os.totalmem() / 2 ** 30)
  const load = os.loadavg()[0]!
  const busy = load > 0.5 ? ` (BUSY: these figures mean nothing)` : ''
  return `${cpu[0]!.model}, ${cpu.length} cores, ${memory} GiB; node ${process.version}; ${new Date().toISOString().slice(0, 10)}; load before the run ${load.toFixed(1)}${busy}`
}

/** Rows of cells under a header; numbers go to the right. */
export function table(header: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) => `| ${cells.join(' | ')} |`
  const rule = header.map((_, column) =>
    rows.every(row => /^[\d.,<ex% -]*$/.test(row[column]!)) ? '--:' : '---',
  )
  return [line(header), line(rule), ...rows.map(line)].join('\n')
}

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b)
  const half = sorted.length >> 1
  return sorted.length % 2 ? sorted[half]! : (sorted[half - 1]! + sorted[half]!) / 2
}
