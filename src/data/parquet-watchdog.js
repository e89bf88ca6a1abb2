// Ends a process once it has used more computing or memory than it may, or its parent has gone; runs while the main thread
// is busy. Computing is counted, not time, so that a busy machine is no reason.
// @ts-check
import { Worker } from 'node:worker_threads'

const code = `
  const { parentPort, workerData } = require('node:worker_threads')
  const used = () => {
    const { user, system } = process.cpuUsage()
    return { cpuSeconds: (user + system) / 1e6, bytes: process.memoryUsage.rss() }
  }
  const max = used()
  const allow = ({ cpuSeconds, bytes = 0, anew }) => {
    max.cpuSeconds = (anew ? used() : max).cpuSeconds + cpuSeconds
    max.bytes += bytes
  }
  allow(workerData.first)
  parentPort.on('message', allow)
  setInterval(() => {
    const { cpuSeconds, bytes } = used()
    if (cpuSeconds > max.cpuSeconds) process.kill(process.pid, 'SIGALRM')
    if (bytes > max.bytes || process.ppid !== workerData.parent) process.kill(process.pid, 'SIGKILL')
  }, 20)`

/**
 * What may be used beside what was allowed before; `anew` counts computing from now on.
 * @typedef {{ cpuSeconds: number, bytes?: number, anew?: true }} Allowance
 */

/**
 * @param {Allowance} first what may be used from now on
 * @returns {Promise<(more: Allowance) => void>} allows more
 */
export async function startWatchdog(first) {
  const worker = new Worker(code, { eval: true, workerData: { first, parent: process.ppid } })
  await new Promise(resolve => worker.once('online', resolve))
  worker.unref()
  return more => worker.postMessage(more)
}
