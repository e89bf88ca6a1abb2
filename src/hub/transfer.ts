// Downloads several files of a commit at once, where the disk has room for all of them.
import { stat, statfs } from 'node:fs/promises'
import { dirname } from 'node:path'
import { makeFolder } from '../checkpoint/files.ts'
import { MtLlamaError } from '../errors.ts'
import { type Place, partOf, writing } from '../files/output.ts'
import type { HubClient } from './client.ts'
import { downloadFile } from './download.ts'
import type { HubFile } from './listing.ts'
import type { PullOptions } from './pull.ts'
import type { Repo } from './repo.ts'

export interface Transfer {
  repo: Repo
  commit: string
  file: HubFile
  /** The file to write. */
  target: string
}

/** Connections at a time: the hub's servers give one less than most lines carry. */
const connections = 4

/** @throws what downloadFile() throws, for the file that failed first; OUTPUT where the disk has no room */
export async function transferAll(
  client: HubClient,
  transfers: readonly Transfer[],
  place: Place,
  { signal, onProgress }: PullOptions,
): Promise<void> {
  for (const { target } of transfers) await writing(target, place, () => makeFolder(dirname(target)))
  await checkRoom(transfers, place)
  const total = transfers.reduce((sum, { file }) => sum + file.size, 0)
  const bytes = transfers.map(() => 0)
  const failed = new AbortController()
  const either = AbortSignal.any([failed.signal, ...(signal ? [signal] : [])])
  const waiting = transfers.entries()
  let failure: unknown
  const work = async () => {
    // The workers take from one iterator, so that each transfer has one of them.
    for (const [index, { repo, commit, file, target }] of waiting) {
      await downloadFile(client, file, target, {
        ...{ repo, commit, place, signal: either },
        onProgress: done => {
          bytes[index] = done
          onProgress?.(
            bytes.reduce((sum, n) => sum + n, 0),
            total,
          )
        },
      })
    }
  }
  const stopAll = (error: unknown) => {
    failure ??= error
    failed.abort()
  }
  await Promise.all(Array.from({ length: connections }, () => work().catch(stopAll)))
  if (failure !== undefined) throw failure
}

/** Refuses what cannot end well before it begins. Files that an earlier attempt has begun need only their rest. */
async function checkRoom(transfers: readonly Transfer[], { folder, kept }: Place): Promise<void> {
  const needed = new Map<string, number>()
  for (const { file, target } of transfers) {
    const begun = await stat(partOf(target)).catch(() => undefined)
    const rest = Math.max(0, file.size - (begun?.size ?? 0))
    needed.set(dirname(target), (needed.get(dirname(target)) ?? 0) + rest)
  }
  for (const [where, bytes] of needed) {
    // A file system that does not say what is free may take it.
    const disk = await statfs(where).catch(() => undefined)
    const free = disk ? disk.bavail * disk.bsize : Number.POSITIVE_INFINITY
    if (bytes > free)
      throw new MtLlamaError(
        'OUTPUT',
        `${where}: ${bytes} bytes are to be downloaded, and the disk has ${free} left. ${kept}; make room, or name a ${folder} on another disk.`,
      )
  }
}
