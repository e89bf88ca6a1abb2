// What to tell a user whose addon is missing or does not load: the cause, what was found, and the way out.
import { closeSync, existsSync, openSync, readdirSync, readSync, realpathSync, statSync } from 'node:fs'
import path from 'node:path'
import { MtLlamaError } from '../errors.ts'

/** A cause, and what to do about it where building the addon on this machine is not the way. */
export interface Fault {
  cause: string
  way?: string
}

/** An ADDON_NOT_FOUND; `home` is the folder or file that was looked at, where there was one. */
export function addonNotFound({ cause, way }: Fault, home?: string, error?: unknown): MtLlamaError {
  const libc = process.platform === 'linux' ? ` ${libcHere()}` : ''
  const found = `found: ${platform}${libc}, Node ${process.versions.node}`
  const named = process.env.MT_LLAMA_PREBUILD
    ? 'a build in that place, which MT_LLAMA_PREBUILD names. Unset it, or name another'
    : undefined
  const lines = [
    `the native addon of mt-llama: ${cause}`,
    ...(home === undefined ? [found] : [`${found}; looked in`, ...searched(home)]),
    `expected: ${way ?? named ?? building(home!)}`,
  ]
  return new MtLlamaError('ADDON_NOT_FOUND', lines.join('\n'), { cause: error })
}

export function bundled(url: string | undefined): Fault {
  return {
    cause: `this code was bundled${url ? ` into ${url}` : ''}, away from the package's folder, where the addon lies`,
    way: [
      'mt-llama marked as external, so that it is loaded from node_modules',
      '  (esbuild: --external:mt-llama, webpack: externals, Rollup: external, Vite: ssr.external, Next.js:',
      "  serverExternalPackages), or MT_LLAMA_PREBUILD with the package's folder or its .node file",
    ].join('\n'),
  }
}

export function noFinder(folder: string): Fault {
  return {
    cause: `node-gyp-build, which looks through ${folder}, is not installed`,
    way: 'MT_LLAMA_PREBUILD with the .node file itself, or mt-llama marked as external for the bundler',
  }
}

export function none(): Fault {
  return { cause: 'none was found' }
}

/** What is to be seen in the file itself, before it is loaded. */
export function unloadable(file: string): Fault | undefined {
  let header: Buffer
  try {
    header = start(file)
  } catch (error) {
    return {
      cause: `${file} cannot be read: ${(error as Error).message}`,
      way: `a file that this user (${process.getuid?.() ?? 'unknown'}) may read: change its mode, or install as this user`,
    }
  }
  if (process.platform !== 'linux') return undefined
  if (header.length < 64 || header.readUInt32BE(0) !== 0x7f454c46)
    return { cause: `${file} is not a Linux addon (no ELF file)`, way: again }
  const arch = machines[header.readUInt16LE(18)] ?? 'another processor'
  if (arch !== process.arch)
    return { cause: `${file} is for ${arch}; this Node is for ${process.arch}`, way: again }
  // the table of sections comes last
  const bytes = Number(header.readBigUInt64LE(40)) + header.readUInt16LE(58) * header.readUInt16LE(60)
  const { size } = statSync(file)
  if (size < bytes) return { cause: `${file} is cut short: it has ${size} of ${bytes} bytes`, way: again }
}

/** What the system's loader says about a file. */
export function refused(file: string, { code, message }: NodeJS.ErrnoException): Fault {
  if (code === 'ERR_DLOPEN_DISABLED')
    return {
      cause: `Node was started so that it loads no addons: ${message}`,
      way: 'Node without --no-addons, and with --allow-addons where it has --permission',
    }
  for (const [pattern, explain] of refusals) {
    const match = message.match(pattern)
    if (match) return explain(file, match)
  }
  return { cause: `${file} does not load: ${message}` }
}

const platform = `${process.platform}-${process.arch}`
const again =
  'the package as it was published, for this platform. Delete node_modules and install on this machine'
/** e_machine of ELF, as Node names processors. */
const machines: Record<number, string> = {
  3: 'ia32',
  21: 'ppc64',
  22: 's390x',
  40: 'arm',
  62: 'x64',
  183: 'arm64',
  243: 'riscv64',
  258: 'loong64',
}

const refusals: [RegExp, (file: string, match: RegExpMatchArray) => Fault][] = [
  [
    /version [`']GLIBC_([\d.]+)' not found/,
    (file, [, wanted]) => ({
      cause: `${file} needs glibc ${wanted} or newer; this system has ${libcHere()}`,
    }),
  ],
  [
    /version [`']((?:GLIBCXX|CXXABI)_[\d.]+)' not found/,
    (file, [, wanted]) => ({ cause: `${file} needs a newer libstdc++, with ${wanted}` }),
  ],
  [
    /ld-linux|libc\.so\.6|Error relocating/,
    file => ({ cause: `${file} is built for glibc; this system has ${libcHere()}` }),
  ],
  [/ld-musl|libc\.musl/, file => ({ cause: `${file} is built for musl; this system has ${libcHere()}` })],
  [
    /failed to map segment/,
    file => ({
      cause: `${file} lies where no code may be run from (a file system mounted noexec, or a security policy)`,
      way: 'node_modules in a place that allows it, or MT_LLAMA_PREBUILD with a copy of the file in one',
    }),
  ],
  [/did not self-register/, file => ({ cause: `${file} is no addon for Node`, way: again })],
  [
    /(\S+): cannot open shared object file: No such file/,
    (file, [, library]) => ({
      cause: `${file} needs ${library}, which this system does not have`,
      way: `${library} installed, or mt-llama built here`,
    }),
  ],
]

/** 'glibc 2.36' or 'musl'. */
function libcHere(): string {
  Object.assign(process.report, { excludeNetwork: true }) // else the report may wait for DNS
  const { header } = process.report.getReport() as { header: { glibcVersionRuntime?: string } }
  return header.glibcVersionRuntime ? `glibc ${header.glibcVersionRuntime}` : 'musl'
}

/** The places below `home` where node-gyp-build looks, and what is there. */
function searched(home: string): string[] {
  const places = [
    'from-source/build/Release',
    'build/Release',
    'build/Debug',
    'prebuilds',
    `prebuilds/${platform}`,
  ]
  if (statSync(home, { throwIfNoEntry: false })?.isFile()) return [`  ${home}`]
  return places.map(place => {
    const folder = path.join(home, place)
    return `  ${folder}: ${contents(folder, place === 'prebuilds' ? /^\w+-\w+$/ : /\.node$/)}`
  })
}

function contents(folder: string, wanted: RegExp): string {
  try {
    return (
      readdirSync(folder)
        .filter(name => wanted.test(name))
        .join(', ') || 'no build'
    )
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException
    return code === 'ENOENT' ? 'no such folder' : message
  }
}

/** How an addon is built here, in a clone or an installed package. */
function building(home: string): string {
  const prefix = path.dirname(path.dirname(realpathSync(process.execPath)))
  const beside = existsSync(path.join(prefix, 'include', 'node', 'node_api.h'))
  const command = existsSync(path.join(home, 'from-source'))
    ? `npm run build-addon --prefix ${/\s/.test(home) ? JSON.stringify(home) : home}${beside ? ` -- --nodedir=${prefix}` : ''}`
    : 'npm run build:addon'
  return `a build for this platform and C library. A C++20 compiler, make and Python 3 make one:\n  ${command}`
}

function start(file: string): Buffer {
  const descriptor = openSync(file, 'r')
  try {
    const header = Buffer.alloc(64)
    return header.subarray(0, readSync(descriptor, header, 0, 64, 0))
  } finally {
    closeSync(descriptor)
  }
}
