// What downloads of checkpoints and of data sets have in common: options, and the wait for another process's download.
import { dirname } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { makeFolder } from '../checkpoint/files.ts'
import { holderName, type Lock, takeLock } from '../files/lock.ts'
import { type Place, writing } from '../files/output.ts'
import { aborted, type HubClientOptions } from './client.ts'

export interface PullOptions extends HubClientOptions {
  /** Called with what people should know, such as a wait. */
  onNote?: ((text: string) => void) | undefined
  onProgress?: ((bytesDone: number, bytesTotal: number) => void) | undefined
}

/** The time in ms between looks at a lock that another process holds. */
const pollMs = 500

/**
 * Locks what `path` stands for, waiting as long as another process of this machine holds it.
 * @param folder what is locked, for messages
 * @throws OUTPUT, ABORTED
 */
export function lockPull(
  path: string,
  folder: string,
  place: Place,
  { signal, onNote }: PullOptions,
): Promise<Lock> {
  let isTold = false
  return writing(path, place, async () => {
    await makeFolder(dirname(path))
    return takeLock(path, {
      words: [folder, 'Then run the same command again'],
      onAbandoned: () => {},
      onHeld: async holder => {
        if (!isTold) onNote?.(`${folder} is being written by ${holderName(holder)}; waiting for it`)
        isTold = true
        await delay(pollMs, undefined, signal && { signal }).catch(() => {
          throw aborted()
        })
      },
    })
  })
}
