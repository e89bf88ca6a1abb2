// Bodies of which the rest is not wanted, since the answer is known before all of them is there.
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Limits } from './route.ts'

/** Time in which the rest may come of what is refused, in ms, where a client may be silent for so long. */
const lingering = 5_000
/** A client of which nothing has come for so long, in ms, sends no more before it has its answer. */
const quiet = 200

/** Time in ms in which the rest may come of what is refused. */
export function lingerMs({ idleMs }: Limits): number {
  return Math.min(lingering, idleMs)
}

/**
 * Throws away for a while what still comes of a body: a client would lose the end of its answer with a connection that is reset
 * while it sends.
 * @param request whose body is not complete
 */
export function discardRest(request: IncomingMessage, limits: Limits): void {
  const late = setTimeout(() => request.destroy(), lingerMs(limits))
  request.on('close', () => clearTimeout(late))
  // Those of an iterator that nobody goes on with.
  request.removeAllListeners('readable')
  request.resume()
}

/**
 * Ends an answer whose connection stays open: once the body has come, or its client waits for the end. Where a connection is cut
 * whose client still sends after the end of its answer, Node's client has nobody to tell, and its process dies.
 */
export function endAfterBody(request: IncomingMessage, response: ServerResponse, limits: Limits): void {
  const end = () => response.end()
  if (request.complete) {
    end()
    return
  }
  let hasSent = false
  const endWhereQuiet = () => {
    if (hasSent) waits.refresh()
    else end()
    hasSent = false
  }
  // A process that stood still itself reads first what has come meanwhile.
  const waits = setTimeout(() => setImmediate(endWhereQuiet), Math.min(quiet, limits.idleMs / 2))
  request.on('data', () => {
    hasSent = true
  })
  request.on('end', end)
  request.on('close', () => clearTimeout(waits))
  discardRest(request, limits)
}
