// Lists all filters by name. Those of Jinja that are missing need a Markup type, HTML, or chance (random.ts).
import type { Filter } from './runtime.ts'
import { sequenceFilters } from './sequence-filters.ts'
import { textFilters } from './text-filters.ts'

export const filters: ReadonlyMap<string, Filter> = new Map(
  Object.entries({ ...textFilters, ...sequenceFilters }),
)
