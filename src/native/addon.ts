// Loads the native addon. The only file that names the .node.
import { existsSync, readdirSync } from 'node:fs'
import { createRequire } from 'node:module'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { MtLlamaError } from '../errors.ts'
import type { NativeAddon } from './types.ts'

let loaded: NativeAddon | undefined

/**
 * Loads the addon once: build/Release of a clone, else the prebuild for this platform.
 * @throws ADDON_NOT_FOUND, saying where it was looked for, why each attempt failed and what to run.
 */
export function loadAddon(): NativeAddon {
  loaded ??= requireAddon()
  return loaded
}

function requireAddon(): NativeAddon {
  const require = createRequire(import.meta.url)
  const finder = require('node-gyp-build') as { resolve(folder: string): string }
  // this file is two folders below the package, in src and in dist
  const home = named() ?? fileURLToPath(new URL('../..', import.meta.url))
  let file: string
  try {
    file = finder.resolve(home)
  } catch (error) {
    throw addonNotFound(home, 'none was found', error)
  }
  try {
    return require(file) as NativeAddon
  } catch (error) {
    throw addonNotFound(home, `${file} does not load: ${(error as Error).message}`, error)
  }
}

/** The folder that the environment names in the place of the package. */
function named(): string | undefined {
  return process.env.MT_LLAMA_PREBUILD
}

function addonNotFound(home: string, cause: string, error: unknown): MtLlamaError {
  Object.assign(process.report, { excludeNetwork: true }) // else the report may wait for DNS
  const { glibcVersionRuntime } = (process.report.getReport() as { header: { glibcVersionRuntime?: string } })
    .header
  const libc =
    process.platform === 'linux' ? (glibcVersionRuntime ? `glibc ${glibcVersionRuntime}` : 'musl') : ''
  const platform = `${process.platform}-${process.arch}`
  const searched = ['build/Release', 'build/Debug', `prebuilds/${platform}`].map(place => {
    const folder = path.join(home, place)
    const files = existsSync(folder) ? readdirSync(folder).filter(name => name.endsWith('.node')) : undefined
    return `  ${folder}: ${files === undefined ? 'no such folder' : files.join(', ') || 'no .node file'}`
  })
  const isClone = existsSync(path.join(home, 'src'))
  const build = isClone ? 'npm run build:addon' : `cd ${home} && npx node-gyp rebuild`
  const ways = named()
    ? ['expected: a build in that folder, which MT_LLAMA_PREBUILD names. Unset it, or name another']
    : [
        'expected: a build for this platform and C library. A C++20 compiler, make and Python 3 build one:',
        `  ${build}`,
      ]
  return new MtLlamaError(
    'ADDON_NOT_FOUND',
    [
      `the native addon of mt-llama: ${cause}`,
      `found: ${platform} ${libc}, Node ${process.versions.node}; looked in`,
      ...searched,
      ...ways,
    ].join('\n'),
    { cause: error },
  )
}
