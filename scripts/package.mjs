#!/usr/bin/env node
// `package.mjs [cpu | cuda] [npm pack's options]`: the prebuild of this platform in prebuilds/, then the npm tarball.
// Without a word the prebuild has CUDA where it can (Linux on x64, with nvcc), else not, and which is said.
// It needs what a build of a clone needs; on Linux g++ with its static libstdc++ (on Debian it comes with g++, on Fedora
// and RHEL it is the package libstdc++-static). The tarball is packed from build/package, which has what is published.
import { spawnSync } from 'node:child_process'
import {
  cpSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { createRequire } from 'node:module'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { findNvcc } from './cuda/toolkit.mjs'
import { neededVersions } from './elf.mjs'

// A download that nobody has to think about; four architectures' kernels fit.
const maxBytes = 15e6
// RHEL 8's, and what Node's own binaries ask for. native/addon/old_glibc.cc keeps to it.
const maxGlibc = '2.28'

const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)))
const platform = `${process.platform}-${process.arch}`
const words = process.argv.slice(2)
const asked = ['cpu', 'cuda'].includes(words[0]) ? words.shift() : undefined
const kind = asked ?? (platform === 'linux-x64' && findNvcc() ? 'cuda' : 'cpu')

prebuild()
const folder = stage()
const { status } = spawnSync('npm', ['pack', folder, ...words], { cwd: root, stdio: 'inherit' })
process.exitCode = status ?? 1

// Builds this platform's addon into prebuilds/, checked.
function prebuild() {
  // prebuildify takes the addon from build/Release below its --cwd, which is where each kind of build has it.
  const cwd = kind === 'cuda' ? path.join(root, 'build', 'cuda') : root
  mkdirSync(cwd, { recursive: true })
  // Into a folder of its own: prebuilds/ may hold those of other C libraries, which do not load here.
  const out = path.join(root, 'build', 'prebuild')
  rmSync(out, { recursive: true, force: true })
  run(
    [resolve('prebuildify/bin.js'), '--napi', '--strip', '--tag-libc', '--name', 'mt-llama'].concat(
      ['--cwd', cwd, '--out', out],
      ['--node-gyp', path.join(root, 'scripts', 'build.mjs')],
    ),
    {
      MT_LLAMA_BUILD: kind === 'cuda' ? 'cuda' : 'gyp',
      // The C++ library is linked statically, so that the addon loads whatever version the system has.
      LDFLAGS: process.platform === 'linux' ? '-static-libstdc++ -static-libgcc' : '',
    },
  )
  const built = path.join(out, 'prebuilds', platform)
  for (const line of checked(built)) console.log(line)
  const prebuilds = path.join(root, 'prebuilds', platform)
  mkdirSync(prebuilds, { recursive: true })
  for (const file of readdirSync(built)) renameSync(path.join(built, file), path.join(prebuilds, file))
}

// Each prebuild loads, here and on older systems, and is small enough; and what it is.
function* checked(folder) {
  for (const name of readdirSync(folder)) {
    const file = path.join(folder, name)
    const { size } = statSync(file)
    const program = `const { cpu, gpus } = require(${JSON.stringify(file)})
      gpus(new Int32Array(new SharedArrayBuffer(8)))
        .then(found => console.log(JSON.stringify([cpu().variants, found])))`
    const { stdout, stderr, status } = spawnSync(process.execPath, ['-e', program], { encoding: 'utf8' })
    if (status !== 0) fail(`${name} does not load:\n${stderr}`)
    const [variants, { gpus, reason }] = JSON.parse(stdout)
    if (kind === 'cuda' && /no CUDA/.test(reason)) fail(`${name} was to have CUDA, but says: ${reason}`)
    const here = gpus.length > 0 ? gpus.map(gpu => gpu.name).join(', ') : reason
    const what = kind === 'cuda' ? `with CUDA (here: ${here})` : 'without CUDA'
    const libc = name.includes('glibc') ? `, ${glibcOf(file)}` : ''
    yield `prebuilds/${platform}/${name}: ${what}, ${(size / 1e6).toFixed(1)} MB${libc}; ${variants.join(', ')}`
    if (size > maxBytes) fail(`${name} has ${size} bytes; it may have ${maxBytes}`)
  }
}

// The oldest glibc that a file loads with.
function glibcOf(file) {
  const versions = neededVersions(file).map(line => line.split(' ')[1])
  const isNewer = (a, b) => a.localeCompare(b, 'en', { numeric: true }) > 0
  const glibc = versions
    .filter(version => /^GLIBC_\d/.test(version))
    .map(version => version.slice('GLIBC_'.length))
  const wrong = [
    ...versions.filter(version => !version.startsWith('GLIBC_')),
    ...glibc.filter(version => isNewer(version, maxGlibc)).map(version => `GLIBC_${version}`),
  ]
  if (wrong.length > 0)
    fail(`${file} would not load with glibc ${maxGlibc}: it needs ${wrong.join(', ')}. objdump -T says for which symbols;
native/addon/old_glibc.cc is where they get an older version`)
  return `glibc ${glibc.sort((a, b) => (isNewer(a, b) ? 1 : -1)).at(-1)} and newer`
}

// Lays out in build/package what is published; its path. No binding.gyp at the root and no script that npm runs by
// itself, or an install from a lockfile compiles: the sources lie in from-source, for those whose platform has no prebuild.
function stage() {
  const folder = path.join(root, 'build', 'package')
  rmSync(folder, { recursive: true, force: true })
  const docs = [
    'bundlers',
    'classification',
    'compare',
    'data',
    'mixtures',
    'report',
    'scale',
    'serving',
    'tasks',
    'training',
  ]
  for (const name of [
    ...['default', 'LICENSE', 'THIRD-PARTY-NOTICES', 'CHANGELOG.md'],
    ...docs.map(page => `docs/${page}.md`),
    // docs/scale.md names them.
    ...['examples/slurm.sh', 'examples/kubernetes.yaml'],
  ])
    cpSync(path.join(root, name), path.join(folder, name), { recursive: true })
  // The clone's is for those who build and change it.
  cpSync(path.join(root, 'docs', 'npm-readme.md'), path.join(folder, 'README.md'))
  run([path.join(root, 'scripts/build-ts.mjs'), path.join(folder, 'dist')])
  copy('prebuilds', 'prebuilds', file => /\.node$/.test(file))

  const notForCpu = /^native\/(simulator\/|backend\/cuda\/|sources_cuda\.txt$)/
  copy('native', 'from-source/native', file => !/\.md$/.test(file) && !notForCpu.test(file))
  cpSync(path.join(root, 'binding.gyp'), path.join(folder, 'from-source', 'binding.gyp'))

  const own = JSON.parse(readFileSync(path.join(root, 'package.json'), 'utf8'))
  const published = [
    'name',
    'version',
    'description',
    'license',
    'keywords',
    'type',
    'exports',
    'types',
    'bin',
  ]
  const manifest = Object.fromEntries(
    [...published, 'engines', 'dependencies', 'peerDependencies', 'peerDependenciesMeta'].map(field => [
      field,
      own[field],
    ]),
  )
  // npm puts its own node-gyp on the PATH of scripts.
  manifest.scripts = { 'build-addon': 'node-gyp rebuild --jobs max --directory from-source' }
  writeFileSync(path.join(folder, 'package.json'), `${JSON.stringify(manifest, null, 2)}\n`)
  return folder

  function copy(from, to, isWanted) {
    for (const entry of readdirSync(path.join(root, from), { recursive: true, withFileTypes: true })) {
      const file = path.join(entry.parentPath, entry.name)
      if (entry.isFile() && isWanted(path.relative(root, file).replaceAll('\\', '/')))
        cpSync(file, path.join(folder, to, path.relative(path.join(root, from), file)))
    }
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
