// Tells whether the files of a checkpoint are still those that were opened.
import { stat } from 'node:fs/promises'
import type { NativeTensor } from '../native/types.ts'
import { storedParts } from './tensors.ts'

/** Size and time of every file that holds a weight. */
export async function sourceState({ tensors }: { tensors: readonly NativeTensor[] }): Promise<string> {
  const files = new Set(tensors.flatMap(tensor => storedParts(tensor).map(part => part.file)))
  const lines: string[] = []
  for (const file of files) {
    const found = await stat(file).catch(() => undefined)
    lines.push(`${file} ${found?.size} ${found?.mtimeMs} ${found?.ino}`)
  }
  return lines.join('\n')
}
