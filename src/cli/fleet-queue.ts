// What the commands of a fleet have in common: the server of the queue.
import type { Command } from 'commander'
import { Connection } from '../fleet/queue.ts'
import type { CommonOptions } from './command.ts'
import { note } from './io.ts'

export interface FleetOptions extends CommonOptions {
  redis?: string
}

export function addRedis(command: Command): Command {
  return command.option(
    '--redis <url>',
    'server of the queue (default: $REDIS_URL, else redis://127.0.0.1:6379)',
  )
}

/** Time in ms that a command has to end by itself once its connection is closed. */
const lastMs = 3000

/** Connects to the queue, works, and closes the connection. */
export async function withQueue<Result>(
  options: FleetOptions,
  work: (connection: Connection) => Promise<Result>,
): Promise<Result> {
  const url = options.redis ?? (process.env.REDIS_URL || 'redis://127.0.0.1:6379')
  const connection = await Connection.open(url, text => note(text, options))
  try {
    return await work(connection)
  } finally {
    connection.close()
    // Where the server is away, timers of BullMQ would keep the process for ever.
    setTimeout(() => process.exit(), lastMs).unref()
  }
}
