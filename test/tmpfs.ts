// Mounts file systems for tests of disks that are full or may not be written.
import { execFileSync } from 'node:child_process'
import { childLimit } from './child-limit.ts'
import { skip } from './skip.ts'

/**
 * Runs `use` while a file system in memory lies over a folder; skips the test where this user may mount none.
 * @param options mount's options: 'size=32k'
 * @param use is given a function that mounts it anew with other options: 'size=4m'
 */
export async function onTmpfs(
  test: Mocha.Context,
  folder: string,
  options: string,
  use: (remount: (options: string) => void) => Promise<void>,
): Promise<void> {
  const mount = (options: string) =>
    execFileSync('mount', ['-t', 'tmpfs', '-o', options, 'tmpfs', folder], { ...childLimit, stdio: 'pipe' })
  try {
    mount(options)
  } catch (error) {
    skip(test, `no tmpfs can be mounted (${(error as Error).message.trim().split('\n').at(-1)})`)
  }
  try {
    await use(options => mount(`remount,${options}`))
  } finally {
    execFileSync('umount', [folder], childLimit)
  }
}
