#!/usr/bin/env node
// `package.mjs [cpu | cuda] [npm pack's options]`: the prebuild of this platform in prebuilds/, then the npm tarball.
// Without a word the prebuild has CUDA where it can (Linux on x64, with nvcc), else not, and which is said.
import { spawnSync } from 'node:child_process'
import { mkdirSync, readdirSync, renameSync, rmSync, statSync } from 'node:fs'
import { createRequire } from 'node:module'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { findNvcc } from './cuda/toolkit.mjs'

// A download that nobody has to think about; four architectures' kernels fit.
const mostBytes = 15e6

const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)))
const platform = `${process.platform}-${process.arch}`
const words = process.argv.slice(2)
const asked = ['cpu', 'cuda'].includes(words[0]) ? words.shift() : undefined
const kind = asked ?? (platform === 'linux-x64' && findNvcc() ? 'cuda' : 'cpu')

// prebuildify takes the addon from build/Release below its --cwd, which is where each kind of build has it.
const cwd = kind === 'cuda' ? path.join(root, 'build', 'cuda') : root
mkdirSync(cwd, { recursive: true })
// Into a folder of its own: prebuilds/ may hold those of other C libraries, which do not load here.
const out = path.join(root, 'build', 'package')
rmSync(out, { recursive: true, force: true })
run(
  [resolve('prebuildify/bin.js'), '--napi', '--strip', '--tag-libc', '--name', 'mt-llama'].concat(
    ['--cwd', cwd, '--out', out],
    ['--node-gyp', path.join(root, 'scripts', 'build.mjs')],
  ),
  { MT_LLAMA_BUILD: kind === 'cuda' ? 'cuda' : 'gyp' },
)
const built = path.join(out, 'prebuilds', platform)
for (const line of checked(built)) console.log(line)
const prebuilds = path.join(root, 'prebuilds', platform)
mkdirSync(prebuilds, { recursive: true })
for (const file of readdirSync(built)) renameSync(path.join(built, file), path.join(prebuilds, file))
const { status } = spawnSync('npm', ['pack', ...words], { cwd: root, stdio: 'inherit' })
process.exitCode = status ?? 1

// Each prebuild loads, is small enough, and what it is.
function* checked(folder) {
  for (const file of readdirSync(folder)) {
    const { size } = statSync(path.join(folder, file))
    const program = `const { cpu, gpus } = require(${JSON.stringify(path.join(folder, file))})
      gpus(new Int32Array(new SharedArrayBuffer(8)))
        .then(found => console.log(JSON.stringify([cpu().variants, found])))`
    const { stdout, stderr, status } = spawnSync(process.execPath, ['-e', program], { encoding: 'utf8' })
    if (status !== 0) fail(`${file} does not load:\n${stderr}`)
    const [variants, { gpus, reason }] = JSON.parse(stdout)
    if (kind === 'cuda' && /no CUDA/.test(reason)) fail(`${file} was to have CUDA, but says: ${reason}`)
    const here = gpus.length > 0 ? gpus.map(gpu => gpu.name).join(', ') : reason
    const what = kind === 'cuda' ? `with CUDA (here: ${here})` : 'without CUDA'
    yield `${path.relative(out, folder)}/${file}: ${what}, ${(size / 1e6).toFixed(1)} MB; ${variants.join(', ')}`
    if (size > mostBytes) fail(`${file} has ${size} bytes; it may have ${mostBytes}`)
  }
}

function resolve(name) {
  return createRequire(import.meta.url).resolve(name)
}

function run(args, env) {
  const { status } = spawnSync(process.execPath, args, {
    cwd: root,
    env: { ...process.env, ...env },
    stdio: 'inherit',
  })
  if (status !== 0) process.exit(status ?? 1)
}

function fail(message) {
  console.error(message)
  process.exit(1)
}
