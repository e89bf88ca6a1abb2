#!/usr/bin/env node
// Builds the addon: `build.mjs gyp` (default) to build/Release, `build.mjs cmake` to build/cmake/build/Release, and so on:
// cuda with the CUDA backend (nvcc), host-device and host-device-asan for the tests of that backend.
// Node's headers are taken from beside the node binary; only where they are not there does node-gyp fetch them.
// prebuildify calls this file in the place of node-gyp, with node-gyp's arguments, which all say what is done anyway; the
// kind is in MT_LLAMA_BUILD then.
import { spawnSync } from 'node:child_process'
import { copyFileSync, existsSync, realpathSync, renameSync } from 'node:fs'
import { createRequire } from 'node:module'
import { availableParallelism } from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { advice, findNvcc } from './cuda/toolkit.mjs'

const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)))
const require = createRequire(import.meta.url)
const jobs = String(Math.min(availableParallelism(), 8))

const cmakeOptions = {
  cmake: [],
  cuda: ['MT_LLAMA_CUDA=ON'],
  'host-device': ['MT_LLAMA_HOST_DEVICE=ON'],
  'host-device-asan': ['MT_LLAMA_HOST_DEVICE=ON', 'MT_LLAMA_SANITIZE=address,undefined'],
}
const kind = process.env.MT_LLAMA_BUILD ?? process.argv[2]

if (cmakeOptions[kind]) {
  // N-API headers come with cmake-js ("binary.napi_versions" in package.json), so nothing is fetched.
  const options = cmakeOptions[kind].map(option => `--CD${option}`)
  // node-gyp's make takes LDFLAGS in each build, CMake only in a folder's first
  options.push(`--CDCMAKE_SHARED_LINKER_FLAGS=${process.env.LDFLAGS ?? ''}`)
  if (kind === 'cuda') options.push(`--CDCMAKE_CUDA_COMPILER=${nvcc()}`)
  // The target is named because test-native.mjs has the native tests in the same folders.
  const target = ['--target', 'mt_llama', '--parallel', jobs]
  run('cmake-js/bin/cmake-js', ['build', '--out', `build/${kind}/build`, ...target, ...options])
} else {
  const prefix = path.dirname(path.dirname(realpathSync(process.execPath)))
  const beside = existsSync(path.join(prefix, 'include', 'node', 'node_api.h'))
  // 'configure build', not 'rebuild': that would remove the other builds under build/.
  const nodedir = beside ? [`--nodedir=${prefix}`] : []
  run('node-gyp/bin/node-gyp.js', ['configure', 'build', '--release', '--jobs', jobs, ...nodedir])
  // A file of its own, not make's hard link: prebuildify strips it in place, and a process may be running the linked one.
  const addon = path.join(root, 'build', 'Release', 'mt_llama.node')
  copyFileSync(addon, `${addon}.copy`)
  renameSync(`${addon}.copy`, addon)
}

function nvcc() {
  const found = findNvcc()
  if (found) return found
  console.error(advice)
  process.exit(1)
}

function run(script, args) {
  const { status } = spawnSync(process.execPath, [require.resolve(script), ...args], {
    cwd: root,
    stdio: 'inherit',
  })
  if (status !== 0) process.exit(status ?? 1)
}
