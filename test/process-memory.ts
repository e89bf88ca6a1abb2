// Reads the memory of this process, as Linux counts it.
import { readFileSync } from 'node:fs'

/** Gives bytes: 'VmRSS' is what the process has now, 'VmHWM' the maximum it ever had. */
export function memory(field: 'VmRSS' | 'VmHWM'): number {
  const [, kibibytes] = new RegExp(`${field}:\\s+(\\d+) kB`).exec(readFileSync('/proc/self/status', 'utf8'))!
  return Number(kibibytes) * 1024
}
