// Every protocol by name.
import { card } from './card.ts'
import type { Protocol } from './protocol.ts'
import { release } from './release/release.ts'

export const protocols: ReadonlyMap<string, Protocol> = new Map(
  [card, release].map(protocol => [protocol.name, protocol]),
)
