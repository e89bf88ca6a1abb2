// Loads built-in tasks by name, as protocol card asks about them.
import { type DataOptions, loadWork, type Work } from '../src/evaluation/work.ts'
import { card } from '../src/protocols/card.ts'
import type { Ask } from '../src/protocols/protocol.ts'
import { builtInTasks } from '../src/tasks/built-in/registry.ts'

export async function cardWork(names: readonly string[], data: DataOptions): Promise<Work[]> {
  return loadWork(
    names.map(name => builtInTasks.get(name)!),
    card,
    data,
  )
}

/** What is asked about one task. */
export async function cardAsks(
  name: string,
  dataDir: string,
  limit: number | null = null,
): Promise<readonly Ask[]> {
  const [work] = await cardWork([name], { dataDir, limit })
  return work!.asks
}
