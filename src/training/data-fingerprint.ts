// What the examples of a run depend on beside its seed and options: a run is gone on with only over the same data.
import { createHash, type Hash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { notReadable } from '../data/lines.ts'
import type { OpenMixture } from './open-mixture.ts'

export interface DataFingerprint {
  /** SHA-256 of each set's files, by the set's name: one of all files of a set that the mixture has in several entries. */
  sets: Record<string, string>
  /** By the task's name, in the order of the mixture, on which the order of examples depends. */
  tasks: Record<string, { cap: number; templateSha256: string }>
}

/** Reads every file of a mixture. @throws DATA_NOT_FOUND */
export async function dataFingerprint({ sets, tasks }: OpenMixture): Promise<DataFingerprint> {
  const ofSets = new Map<string, Hash>()
  for (const { set, files } of sets) {
    const hash = ofSets.get(set.name) ?? createHash('sha256')
    ofSets.set(set.name, hash)
    for (const file of files) {
      try {
        for await (const chunk of createReadStream(file, { highWaterMark: 2 ** 20 })) hash.update(chunk)
      } catch (error) {
        throw notReadable(file, error)
      }
    }
  }
  const ofTasks = tasks.map(({ name, cap, template: { jinja, answerChoicesText } }) => {
    const texts = JSON.stringify([jinja, answerChoicesText ?? null])
    return [name, { cap, templateSha256: createHash('sha256').update(texts).digest('hex') }] as const
  })
  return {
    sets: Object.fromEntries(Array.from(ofSets, ([name, hash]) => [name, hash.digest('hex')])),
    tasks: Object.fromEntries(ofTasks),
  }
}
