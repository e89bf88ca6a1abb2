// Loads the native addon. The only file that names the .node.
import { readFileSync, statSync } from 'node:fs'
import { createRequire } from 'node:module'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { addonNotFound, bundled, noFinder, none, refused, unloadable } from './addon-not-found.ts'
import type { NativeAddon } from './types.ts'

let loaded: NativeAddon | undefined

/**
 * Loads the addon once: the .node file or the folder that MT_LLAMA_PREBUILD names; without it, of this package, what was
 * built here (build/Release of a clone, from-source of an installed package), else the prebuild for this platform.
 * @throws ADDON_NOT_FOUND, saying where it was looked for, what is wrong with what was found, and what to do.
 */
export function loadAddon(): NativeAddon {
  loaded ??= requireAddon()
  return loaded
}

function requireAddon(): NativeAddon {
  const named = process.env.MT_LLAMA_PREBUILD
  const home = named ? path.resolve(named) : packageFolder()
  if (home === undefined) throw addonNotFound(bundled(import.meta.url))
  const file = find(home)
  // before loading: the loader of Linux ends the process where a file is cut short
  const fault = unloadable(file)
  if (fault) throw addonNotFound(fault, home)
  try {
    return createRequire(file)(file) as NativeAddon
  } catch (error) {
    throw addonNotFound(refused(file, error as NodeJS.ErrnoException), home, error)
  }
}

/** This package's folder, two above this file, in src as in dist; undefined where a bundler has moved the code. */
function packageFolder(): string | undefined {
  try {
    // where a bundle is CommonJS, import.meta.url may be undefined
    const folder = path.resolve(fileURLToPath(import.meta.url), '../../..')
    const { name } = JSON.parse(readFileSync(path.join(folder, 'package.json'), 'utf8'))
    return name === 'mt-llama' ? folder : undefined
  } catch {
    return undefined
  }
}

function find(home: string): string {
  if (statSync(home, { throwIfNoEntry: false })?.isFile()) return home
  const finder = requireFinder(home)
  if (!finder) throw addonNotFound(noFinder(home), home)
  let last: unknown
  for (const folder of [path.join(home, 'from-source'), home])
    try {
      return finder.resolve(folder)
    } catch (error) {
      last = error
    }
  throw addonNotFound(none(), home, last)
}

/** node-gyp-build, which is installed beside this package, but perhaps not beside a bundle that holds its code. */
function requireFinder(home: string): { resolve(folder: string): string } | undefined {
  for (const from of [import.meta.url, path.join(home, 'package.json')])
    try {
      return createRequire(from)('node-gyp-build')
    } catch {}
}
