// Finds nvcc: $CUDACXX, one on the PATH, or the one that install() has put into build/cuda-toolkit.
import { spawnSync } from 'node:child_process'
import { existsSync, readdirSync, rmSync, symlinkSync } from 'node:fs'
import path from 'node:path'

const folder = path.resolve('build/cuda-toolkit')
// The packages must have one version, though none of them asks for that: hence pip's --no-deps.
const packages = ['nvidia-cuda-nvcc', 'nvidia-cuda-crt', 'nvidia-nvvm', 'nvidia-cuda-runtime']
const version = '13.0.*'

export const advice = `no nvcc: set CUDACXX to one of CUDA 13, put one on the PATH, or install one into build/cuda-toolkit \
(about 100 MB from PyPI; needs Python 3 with pip): npm run check:cuda -- --install`

// The path of nvcc, or undefined.
export function findNvcc() {
  const inPath = (process.env.PATH ?? '').split(path.delimiter).map(folder => path.join(folder, 'nvcc'))
  return [process.env.CUDACXX, ...inPath, path.join(installedRoot(), 'bin/nvcc')].find(
    file => file && existsSync(file),
  )
}

// Installs nvcc from PyPI into build/cuda-toolkit and returns its path.
export function install() {
  rmSync(folder, { recursive: true, force: true })
  const options =
    '--quiet --disable-pip-version-check --root-user-action=ignore --no-deps --no-compile --target'
  const names = packages.map(name => `${name}==${version}`)
  const args = ['-m', 'pip', 'install', ...options.split(' '), folder, ...names]
  const { status, error } = spawnSync('python3', args, { stdio: 'inherit' })
  if (error || status !== 0) {
    rmSync(folder, { recursive: true, force: true })
    throw new Error(`pip could not install ${names.join(' ')}; on Debian: apt-get install python3-pip`)
  }
  // nvcc links from lib64, and CMake looks for the library without a number: both are made, as the toolkit has them.
  const lib = path.join(installedRoot(), 'lib')
  symlinkSync('lib', path.join(installedRoot(), 'lib64'))
  symlinkSync(
    readdirSync(lib).find(name => name.startsWith('libcudart.so.')),
    path.join(lib, 'libcudart.so'),
  )
  return path.join(installedRoot(), 'bin/nvcc')
}

// nvidia/cu13 at present: the folder that holds bin/nvcc.
function installedRoot() {
  const nvidia = path.join(folder, 'nvidia')
  const found = existsSync(nvidia)
    ? readdirSync(nvidia).find(name => existsSync(path.join(nvidia, name, 'bin/nvcc')))
    : undefined
  return path.join(nvidia, found ?? 'cu13')
}
