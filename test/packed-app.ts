// The npm tarball, and an app beside it that has Node and a shell on its PATH, but no compiler, make or Python.
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, realpathSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { writeRandomModel } from './boundary/random-model.ts'

export const root = fileURLToPath(new URL('..', import.meta.url))
const platform = `${process.platform}-${process.arch}`
const request = { prompt: [1, 2, 3], continuations: [[4, 5], [6]] }

/** Packs into `folder` with this platform's prebuild, of `kind` 'cpu' or as package.mjs chooses. @returns the tarball's path */
export function pack(folder: string, kind?: 'cpu'): { tarball: string; said: string } {
  // A prebuild for another C library does not load here, and is packed too.
  const prebuilds = path.join(root, 'prebuilds', platform)
  const other = path.join(prebuilds, 'mt-llama.musl.node')
  const isNew = !existsSync(other)
  mkdirSync(prebuilds, { recursive: true })
  if (isNew) writeFileSync(other, '')
  try {
    const words = [...(kind ? [kind] : []), '--pack-destination', folder]
    const said = run(root, 'npm', ['run', 'package', '--', ...words])
    return { tarball: path.join(folder, readdirSync(folder).find(name => name.endsWith('.tgz'))!), said }
  } finally {
    if (isNew) rmSync(other)
  }
}

/** Makes a PATH of one folder with Node, npm, a shell and what shell scripts call. */
export function bareBin(folder: string): string {
  mkdirSync(folder)
  symlinkSync(process.execPath, path.join(folder, 'node'))
  for (const name of ['npm', 'sh', 'env', 'uname', 'dirname', 'mkdir', 'rm', 'cp', 'cat'])
    symlinkSync(which(name), path.join(folder, name))
  return folder
}

/** Makes an empty project. */
export function newApp(folder: string): string {
  mkdirSync(folder, { recursive: true })
  writeFileSync(path.join(folder, 'package.json'), '{ "private": true }')
  return folder
}

/** The source of a program that writes a small random model to `model` and prints log-likelihoods of it. */
export function scoring(model: string): { imported: string; required: string } {
  writeRandomModel(model)
  const main = `
    const main = async () => {
      const model = await loadModel(${JSON.stringify(model)}, { device: 'cpu' })
      const [answer] = await model.score([${JSON.stringify(request)}])
      console.log(JSON.stringify(answer.continuations.map(score => score.logLikelihood)))
      await model.dispose()
    }
  `
  return {
    imported: `import { loadModel } from 'mt-llama'\n${main}\nawait main()`,
    required: `const { loadModel } = require('mt-llama')\n${main}\nmain()`,
  }
}

/** Writes a program into the app and runs it. */
export function runProgram(app: string, bin: string, name: string, source: string): string {
  writeFileSync(path.join(app, name), source)
  return run(app, path.join(bin, 'node'), [name], { PATH: bin })
}

/** Runs a command that must succeed and gives its standard output. An error shows both outputs. */
export function run(cwd: string, command: string, args: string[], env: NodeJS.ProcessEnv = {}): string {
  const { stdout } = spawned(cwd, command, args, env)
  return stdout
}

/** Runs a command that must succeed and gives both outputs in one. */
export function allOutput(cwd: string, command: string, args: string[], env: NodeJS.ProcessEnv = {}): string {
  const { stdout, stderr } = spawned(cwd, command, args, env)
  return stdout + stderr
}

function spawned(cwd: string, command: string, args: string[], env: NodeJS.ProcessEnv) {
  const { MT_LLAMA_PREBUILD: _, ...rest } = process.env
  const { status, stdout, stderr, error } = spawnSync(command, args, {
    cwd,
    env: { ...rest, ...env },
    encoding: 'utf8',
    timeout: 1_200_000,
    killSignal: 'SIGKILL',
    maxBuffer: 1e8,
  })
  if (error) throw error
  if (status !== 0) throw new Error(`${command} ${args.join(' ')}: exit code ${status}\n${stdout}\n${stderr}`)
  return { stdout, stderr }
}

function which(name: string): string {
  for (const folder of process.env.PATH!.split(path.delimiter))
    try {
      return realpathSync(path.join(folder, name))
    } catch {}
  throw new Error(`${name} is not on PATH`)
}
