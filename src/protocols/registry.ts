// Every protocol by name.
import { card } from './card.ts'
import type { Protocol } from './protocol.ts'

export const protocols: ReadonlyMap<string, Protocol> = new Map(
  [card].map(protocol => [protocol.name, protocol]),
)
