// Shows progress on stderr: a bar with time left and tokens per second on a terminal, else a plain line now and then.
import { performance } from 'node:perf_hooks'
import { clearScreenDown } from 'node:readline'
import cliProgress from 'cli-progress'

export interface ProgressStep {
  done: number
  /** Undefined while it is not known. */
  total: number | undefined
  /** Tokens that are done, and what they may come to: how far the bar is, and how long the rest takes. @default done, total */
  tokens?: { done: number; total: number | undefined }
  tokensPerSecond: number
  /** What else is shown: 'loss 1.234'. */
  more?: string
}

export interface Progress {
  update(step: ProgressStep): void
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
      shown.update({
        ...{ done: mib(done), total: mib(total) },
        tokensPerSecond: (1000 * mib(done)) / (performance.now() - begin),
      }),
    stop: shown.stop,
  }
}

function start(label: string, units: Units, { quiet }: Quiet, from = 0): Progress {
  if (quiet) return { update: () => {}, stop: () => {} }
  return process.stderr.isTTY ? bar(label, units, from) : lines(label, units, from)
}

function bar(label: string, { counted, speed }: Units, from: number): Progress {
  const format = `${label.padEnd(12)} [{bar}] {count} ${counted}, ETA {left}, {speed} ${speed}{more}`
  const shown = new cliProgress.SingleBar(
    { format, stream: process.stderr, hideCursor: true, clearOnComplete: false, fps: 5 },
    cliProgress.Presets.rect,
  )
  const start = performance.now()
  let started = false
  return {
    update(step) {
      const { done, total, tokensPerSecond, more } = step
      // The bar is shown from the first step on, since the first results may take long.
      if (total === undefined || (done === 0 && tokensPerSecond === 0)) return
      const work = workOf(step, total, from)
      const payload = {
        count: `${done}/${total}`,
        ...{ speed: Math.round(tokensPerSecond).toLocaleString('en'), more: more ? `, ${more}` : '' },
        left: timeLeft(start, work),
      }
      if (!started) shown.start(work.total, work.done, payload)
      else {
        shown.setTotal(work.total)
        shown.update(work.done, payload)
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
    update(step) {
      const { done, total, tokensPerSecond, more } = step
      const now = performance.now()
      if (now - last < 1000 * lineEvery) return
      last = now
      const [of, eta] =
        total === undefined ? ['', ''] : [`/${total}`, `, ETA ${timeLeft(start, workOf(step, total, from))}`]
      process.stderr.write(
        `${label}: ${done}${of} ${counted}${eta}, ${Math.round(tokensPerSecond)} ${speed}${more ? `, ${more}` : ''}\n`,
      )
    },
    stop() {},
  }
}

interface Work {
  done: number
  total: number
  /** What an earlier run has done of it. */
  from: number
}

/** What the time left is told by: tokens, of which there are some before the first result, where it is known how many come. */
function workOf({ done, tokens }: ProgressStep, total: number, from: number): Work {
  if (tokens?.total === undefined || done === total) return { done, total, from }
  return { done: tokens.done, total: tokens.total, from: 0 }
}

/** The time left by the mean pace since the start, since results come in batches. '-' before anything is done. */
function timeLeft(start: number, { done, total, from }: Work): string {
  if (done === from) return '-'
  const pace = (performance.now() - start) / (done - from)
  const seconds = Math.ceil((pace * (total - done)) / 1000)
  const [hours, minutes] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60]
  if (hours > 0) return `${hours}h${String(minutes).padStart(2, '0')}m`
  return minutes > 0 ? `${minutes}m${String(seconds % 60).padStart(2, '0')}s` : `${seconds}s`
}
