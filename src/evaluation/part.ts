// A part of each task's samples, for runs that several machines share.
import { type Shard, shardBounds } from '../files/shard.ts'
import type { TaskGroup } from '../tasks/yaml/load.ts'
import type { WholeRun } from './results.ts'
import type { Work } from './work.ts'

/** The samples of a shard: those that follow the ones of the shard before it. */
export function partOf(work: readonly Work[], shard: Shard): Work[] {
  return work.map(task => ({ ...task, asks: task.asks.slice(...shardBounds(task.asks.length, shard)) }))
}

/** What all shards together have. */
export function wholeOf(work: readonly Work[], groups: readonly TaskGroup[]): WholeRun {
  const samples = Object.fromEntries(work.map(({ task, asks }) => [task.name, asks.length]))
  return { samples, groups }
}
