// Checks the layer rule: a file sees its own layer and those before it, in native (#include) and in src (import).
import { readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'

// A layer is a list of rooms: folders, or files without their extension. The longest matching room counts.
const nativeLayers = [
  ['native/base'],
  ['native/backend'],
  // These are variants that may not know of each other.
  ['native/backend/reference', 'native/backend/cpu', 'native/backend/cuda'],
  ['native/model', 'native/check'],
  ['native/train'],
  ['native/addon'],
  ['native/simulator'],
]
const sourceLayers = [
  ['src/errors', 'src/data'],
  ['src/files', 'src/templates'],
  ['src/native'],
  ['src/calls'],
  ['src/checkpoint', 'src/tokenizer'],
  ['src/hub'],
  ['src/scoring', 'src/generation', 'src/embedding', 'src/chat'],
  ['src/zero-shot'],
  ['src/model'],
  ['src/lines'],
  ['src/prompts', 'src/tasks', 'src/metrics'],
  ['src/protocols'],
  ['src/evaluation'],
  ['src/report'],
  ['src/training'],
  ['src/fleet'],
  ['src/bench'],
  ['src/server'],
  ['src/index'],
  ['src/cli'],
]
// What the CUDA backend's kernels run on is chosen in these files: a GPU, or in tests the simulator.
const seams = [
  'native/backend/cuda/device/device.cuh',
  'native/backend/cuda/device/device_sm90.cuh',
  'native/backend/cuda/runtime/launch.cuh',
]
const strangers = ['native/backend/reference', 'native/backend/cpu', 'native/backend/cuda']

const faults = [
  ...check('native', nativeLayers, /\.(cc|h|inc|cu|cuh)$/, /^\s*#\s*include\s*"([^"]+)"/gm),
  ...check('src', sourceLayers, /\.[jt]s$/, /(?:\bfrom|\bimport\s*\(|\bimport)\s*['"](\.[^'"]+)['"]/g),
  ...only('native/addon/', 'native', /\.(cc|h|inc|cu|cuh)$/, /<(napi|node_api|uv)\.h>/),
  ...only('src/native/addon', 'src', /\.ts$/, /node-gyp-build|\.node['"]/),
]
for (const fault of faults) console.error(fault)
process.exitCode = faults.length > 0 ? 1 : 0

function check(root, layers, files, reference) {
  const faults = []
  for (const file of list(root, files)) {
    const from = place(layers, file)
    if (!from) {
      faults.push(`${file}: belongs to no layer; give its folder one in scripts/check-layers.mjs`)
      continue
    }
    for (const [, target] of readFileSync(file, 'utf8').matchAll(reference)) {
      const seen = path.posix.join(path.posix.dirname(file), target)
      const to = place(layers, seen)
      if (!to) faults.push(`${file}: sees ${target}, which is in no layer`)
      else if (to.room === 'native/simulator' && seams.includes(file)) continue
      else if (to.depth > from.depth) faults.push(`${file}: sees ${target}, of a later layer (${to.room})`)
      else if (to.room !== from.room && strangers.includes(to.room) && strangers.includes(from.room))
        faults.push(`${file}: sees ${target}; ${from.room} and ${to.room} may not know each other`)
    }
  }
  return faults
}

function only(home, root, files, pattern) {
  return list(root, files)
    .filter(file => !file.startsWith(home) && pattern.test(readFileSync(file, 'utf8')))
    .map(file => `${file}: only ${home} may name ${pattern.source}`)
}

function list(root, files) {
  return readdirSync(root, { recursive: true })
    .map(file => `${root}/${file.replaceAll('\\', '/')}`)
    .filter(file => files.test(file))
}

function place(layers, file) {
  let best
  for (const [depth, rooms] of layers.entries())
    for (const room of rooms)
      if (
        (file.startsWith(`${room}/`) || file.startsWith(`${room}.`)) &&
        room.length > (best?.room.length ?? 0)
      )
        best = { depth, room }
  return best
}
