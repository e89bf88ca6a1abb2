// What every bench prints: the machine in one line, and tables in Markdown.
import os from 'node:os'

/** Processor, cores, memory, date, and the load that others put on the machine. */
export function machine(): string {
  const cpu = os.cpus()
  const memory = Math.round(os.totalmem() / 2 ** 30)
  const busy = os.loadavg()[0]!.toFixed(1)
  return `${cpu[0]!.model}, ${cpu.length} cores, ${memory} GiB; node ${process.version}; ${new Date().toISOString().slice(0, 10)}; load before the run ${busy}`
}

/** Rows of cells under a header; numbers go to the right. */
export function table(header: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) => `| ${cells.join(' | ')} |`
  const rule = header.map((_, column) =>
    rows.every(row => /^[\d.,<x% -]*$/.test(row[column]!)) ? '--:' : '---',
  )
  return [line(header), line(rule), ...rows.map(line)].join('\n')
}

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b)
  const half = sorted.length >> 1
  return sorted.length % 2 ? sorted[half]! : (sorted[half - 1]! + sorted[half]!) / 2
}
