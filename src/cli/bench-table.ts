// Prints a benchmark's report for people: the machine, its peaks, and one table.
import type { BenchReport, OpReport } from '../bench/report.ts'
import { mebibytes, millions } from './open-model.ts'

type Row = readonly [what: string, time: string, spread: string, rate: string, share: string]

const header: Row = ['', 'median', 'p10 .. p90', 'rate', 'of the peak']

export function benchText(report: BenchReport): string {
  const rows = [
    ...opRows(report.ops),
    ...prefillRows(report),
    ...decodeRows(report),
    ...scoringRows(report),
    ...opRows(report.trainOps),
    ...trainRows(report),
  ]
  const lines = [...headLines(report), ...(rows.length > 0 ? ['', ...table([header, ...rows])] : [])]
  return lines.map(line => `${line}\n`).join('')
}

function headLines({ machine, model, peaks }: BenchReport): string[] {
  if (machine === undefined || model === undefined || peaks === undefined) return []
  const { name, threads, backend, dtype, version, node } = machine
  const rates = peaks.arithmetic.map(peak => `${peak.instruction} ${digits(peak.gflopPerSecond)} GFLOP/s`)
  return [
    `${name}, ${threads} thread${threads === 1 ? '' : 's'}; ${backend}; mt-llama ${version}, node ${node}`,
    `${model.name}${model.random ? ', random weights' : ''}: ${millions(model.parameters)} parameters; ` +
      `${mebibytes(model.weightBytes)} as ${dtype}, through ${peaks.instruction}`,
    `peaks: ${rates.join(', ')}; read ${digits(peaks.readGigabytesPerSecond)} GB/s`,
  ]
}

function opRows(ops: readonly OpReport[] = []): Row[] {
  return ops.map(op => [
    `${op.op}, ${op.cache > 0 ? `1 row after ${op.cache}` : rowCount(op.rows)}`,
    ...times(op),
    op.bound === null || op.bound === 'read' || op.flops === 0
      ? `${digits(op.gigabytesPerSecond)} GB/s`
      : `${digits(op.gflopPerSecond)} GFLOP/s`,
    share(op),
  ])
}

function prefillRows({ prefill }: BenchReport): Row[] {
  if (prefill === undefined) return []
  const rate = `${digits(prefill.tokensPerSecond)} tokens/s, ${digits(prefill.gflopPerSecond)} GFLOP/s`
  return [[`prefill, ${prefill.tokens} ids`, ...times(prefill), rate, share(prefill)]]
}

function decodeRows({ decode = [] }: BenchReport): Row[] {
  return decode.map(step => [
    `decode, ${step.sequences} sequence${step.sequences === 1 ? '' : 's'}`,
    ...times(step),
    `${digits(step.tokensPerSecond)} tokens/s, ${digits(step.gigabytesPerSecond)} GB/s`,
    share(step),
  ])
}

function scoringRows({ scoring }: BenchReport): Row[] {
  if (scoring === undefined) return []
  const { prompts, continuations, tokensRun, tokensUnshared } = scoring
  const rate = `${digits(scoring.promptsPerSecond)} prompts/s, ${digits(scoring.tokensPerSecond)} tokens/s`
  return [
    [
      `scoring, ${prompts} x ${continuations} of ${scoring.promptTokens} + ${scoring.continuationTokens} ids`,
      ...times(scoring),
      `${rate}; ${tokensRun} run of ${tokensUnshared}`,
      '',
    ],
  ]
}

function trainRows({ train = [] }: BenchReport): Row[] {
  return train.map(step => [
    `train ${step.method}, ${step.tokens} ids`,
    ...times(step),
    `${digits(step.tokensPerSecond)} tokens/s, ${digits(step.gflopPerSecond)} GFLOP/s; ` +
      `${step.residentBytes === null ? 'some' : `${mebibytes(step.residentBytes)} taken of`} ${mebibytes(step.memoryBytes)}`,
    share(step),
  ])
}

function rowCount(rows: number): string {
  return `${rows} row${rows === 1 ? '' : 's'}`
}

function times(timed: { microseconds: number; microsecondsP10: number; microsecondsP90: number }) {
  const scale = timed.microseconds < 10_000 ? 1 : 1000
  const text = (microseconds: number) => digits(microseconds / scale)
  return [
    `${text(timed.microseconds)} ${scale === 1 ? 'us' : 'ms'}`,
    `${text(timed.microsecondsP10)} .. ${text(timed.microsecondsP90)}`,
  ] as const
}

function share({ share, bound }: { share: number | null; bound: string | null }): string {
  return share === null ? '-' : `${(100 * share).toFixed(0)} % of ${bound}`
}

/** Formats a number with three significant digits, or with all digits before the point where there are more. */
function digits(value: number): string {
  return value >= 100 ? value.toFixed(0) : value.toPrecision(3)
}

function table(rows: readonly Row[]): string[] {
  const widths = header.map((_, column) => Math.max(...rows.map(row => row[column]!.length)))
  const right = [1, 2]
  return rows.map(row =>
    row
      .map((cell, column) =>
        right.includes(column) ? cell.padStart(widths[column]!) : cell.padEnd(widths[column]!),
      )
      .join('  ')
      .trimEnd(),
  )
}
