// Where nvcc is: $CUDACXX, on the PATH, or what install() has put into build/cuda-toolkit.
import { spawnSync } from 'node:child_process'
import { existsSync, readdirSync, rmSync, symlinkSync } from 'node:fs'
import path from 'node:path'

const folder = path.resolve('build/cuda-toolkit')
// One minor version, as nvcc asks for no particular one of the others.
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
  const args = ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', '--no-deps', '--no-compile']
  const names = packages.map(name => `${name}==${version}`)
  const { status, error } = spawnSync('python3', [...args, '--target', folder, ...names], {
    stdio: 'inherit',
  })
  if (error || status !== 0) {
    rmSync(folder, { recursive: true, force: true })
    throw new Error(`pip could not install ${names.join(' ')}; on Debian: apt-get install python3-pip`)
  }
  // nvcc links with lib64, the wheels have lib
  symlinkSync('lib', path.join(installedRoot(), 'lib64'))
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
