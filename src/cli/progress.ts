// Progress on stderr: a bar with time left and tokens per second on a terminal, else a plain line now and then.
import { performance } from 'node:perf_hooks'
import cliProgress from 'cli-progress'

export interface Progress {
  /** @param total undefined while it is not known */
  update(done: number, total: number | undefined, tokensPerSecond: number): void
  stop(): void
}

/** Seconds between plain lines. */
const lineEvery = 10

/** @param unit what is counted: 'samples', say */
export function startProgress(
  label: string,
  unit: string,
  { quiet }: { quiet?: boolean | undefined },
): Progress {
  if (quiet) return { update: () => {}, stop: () => {} }
  return process.stderr.isTTY ? bar(label, unit) : lines(label, unit)
}

function bar(label: string, unit: string): Progress {
  const format = `${label.padEnd(12)} [{bar}] {value}/{total} ${unit}, ETA {eta_formatted}, {speed} tokens/s`
  const shown = new cliProgress.SingleBar(
    { format, stream: process.stderr, hideCursor: true, etaBuffer: 50, clearOnComplete: false, fps: 5 },
    cliProgress.Presets.rect,
  )
  let started = false
  return {
    update(done, total, speed) {
      if (total === undefined) return
      const payload = { speed: Math.round(speed).toLocaleString('en') }
      if (!started) shown.start(total, done, payload)
      else {
        shown.setTotal(total)
        shown.update(done, payload)
      }
      started = true
    },
    stop: () => started && shown.stop(),
  }
}

function lines(label: string, unit: string): Progress {
  const start = performance.now()
  let last = start
  return {
    update(done, total, speed) {
      const now = performance.now()
      if (now - last < 1000 * lineEvery) return
      last = now
      const rest = total !== undefined && done > 0 ? ((now - start) / done) * (total - done) : undefined
      const eta = rest === undefined ? '' : `, ${Math.ceil(rest / 1000)} s left`
      const of = total === undefined ? '' : `/${total}`
      process.stderr.write(`${label}: ${done}${of} ${unit}${eta}, ${Math.round(speed)} tokens/s\n`)
    },
    stop() {},
  }
}
