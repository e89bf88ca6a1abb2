// The version of this package, from its package.json.
import { readFile } from 'node:fs/promises'

/** Its package.json lies two folders up, from src as from dist. */
export async function packageVersion(): Promise<string> {
  const file = new URL('../../package.json', import.meta.url)
  return JSON.parse(await readFile(file, 'utf8')).version
}
