// Runs a command of a build, which has to succeed.
import { spawnSync } from 'node:child_process'

/** Shows what the command prints. Where it fails, this process ends with its status. */
export function run(command, args) {
  const { status, error } = spawnSync(command, args, { stdio: 'inherit' })
  if (error) console.error(`${command}: ${error.message}`)
  if (status !== 0) process.exit(status ?? 1)
}
