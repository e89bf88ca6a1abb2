// The number formats of weight files that are read, as the addon tells them.
import { loadAddon } from './addon.ts'
import { nativeCall } from './job.ts'
import type { NativeStoredType, StoredType } from './types.ts'

let table: ReadonlyMap<StoredType, NativeStoredType> | undefined

/** By name, plain numbers first. */
export function readableTypes(): ReadonlyMap<StoredType, NativeStoredType> {
  table ??= new Map(nativeCall(() => loadAddon().storedTypes()).map(type => [type.name, type]))
  return table
}
