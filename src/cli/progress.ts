// Shows progress on stderr: a bar with time left and tokens per second on a terminal, else a plain line now and then.
import { performance } from 'node:perf_hooks'
import { clearScreenDown } from 'node:readline'
import cliProgress from 'cli-progress'

export interface Progress {
  /**
   * @param total undefined while it is not known
   * @param more what else is shown: 'loss 1.234'
   */
  update(done: number, total: number | undefined, tokensPerSecond: number, more?: string): void
  stop(): void
}

/** Time in seconds between plain lines. */
const lineEvery = 10

interface Units {
  /** What is counted, such as 'samples'. */
  counted: string
  speed: string
}

type Quiet = { quiet?: boolean | undefined }

/**
 * @param counted what is counted, such as 'samples'
 * @param from how much an earlier run has done, which says nothing about the pace
 */
export function startProgress(label: string, counted: string, options: Quiet, from = 0): Progress {
  return start(label, { counted, speed: 'tokens/s' }, options, from)
}

/** Starts progress over bytes, which is shown in MiB. */
export function startByteProgress(
  label: string,
  options: Quiet,
): { update: (done: number, total: number) => void; stop: () => void } {
  const begin = performance.now()
  const shown = start(label, { counted: 'MiB', speed: 'MiB/s' }, options)
  const mib = (bytes: number) => Math.round(bytes / 2 ** 20)
  return {
    update: (done, total) =>
      shown.update(mib(done), mib(total), (1000 * mib(done)) / (performance.now() - begin)),
    stop: shown.stop,
  }
}

function start(label: string, units: Units, { quiet }: Quiet, from = 0): Progress {
  if (quiet) return { update: () => {}, stop: () => {} }
  return process.stderr.isTTY ? bar(label, units, from) : lines(label, units, from)
}

function bar(label: string, { counted, speed }: Units, from: number): Progress {
  const format = `${label.padEnd(12)} [{bar}] {value}/{total} ${counted}, ETA {left}, {speed} ${speed}{more}`
  const shown = new cliProgress.SingleBar(
    { format, stream: process.stderr, hideCursor: true, clearOnComplete: false, fps: 5 },
    cliProgress.Presets.rect,
  )
  const start = performance.now()
  let started = false
  return {
    update(done, total, rate, more) {
      // The bar is shown from the first step on, since the first results may take long.
      if (total === undefined || (done === 0 && rate === 0)) return
      const payload = {
        ...{ speed: Math.round(rate).toLocaleString('en'), more: more ? `, ${more}` : '' },
        left: timeLeft(start, done - from, total - from),
      }
      if (!started) shown.start(total, done, payload)
      else {
        shown.setTotal(total)
        shown.update(done, payload)
      }
      started = true
    },
    stop() {
      if (!started) return
      shown.stop()
      // A signal's message may stand below the bar, where it would show through the lines to come.
      clearScreenDown(process.stderr)
    },
  }
}

function lines(label: string, { counted, speed }: Units, from: number): Progress {
  const start = performance.now()
  let last = start
  return {
    update(done, total, rate, more) {
      const now = performance.now()
      if (now - last < 1000 * lineEvery) return
      last = now
      const [of, eta] =
        total === undefined ? ['', ''] : [`/${total}`, `, ETA ${timeLeft(start, done - from, total - from)}`]
      process.stderr.write(
        `${label}: ${done}${of} ${counted}${eta}, ${Math.round(rate)} ${speed}${more ? `, ${more}` : ''}\n`,
      )
    },
    stop() {},
  }
}

/** The time left by the mean pace since the start, since results come in batches. '-' before the first result. */
function timeLeft(start: number, done: number, total: number): string {
  if (done === 0) return '-'
  const seconds = Math.ceil((((performance.now() - start) / done) * (total - done)) / 1000)
  const [hours, minutes] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60]
  if (hours > 0) return `${hours}h${String(minutes).padStart(2, '0')}m`
  return minutes > 0 ? `${minutes}m${String(seconds % 60).padStart(2, '0')}s` : `${seconds}s`
}
