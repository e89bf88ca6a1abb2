// Checks what a user reads when the addon is missing or broken: the cause and the way out. No fault ends the process.
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import {
  chmodSync,
  copyFileSync,
  cpSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { refused } from '../../src/native/addon-not-found.ts'
import { skip } from '../skip.ts'

const platform = `${process.platform}-${process.arch}`
const own = createRequire(import.meta.url)('node-gyp-build').resolve(path.resolve('.')) as string
const { glibcVersionRuntime } = (process.report.getReport() as { header: { glibcVersionRuntime?: string } })
  .header

interface Row {
  name: string
  /** Writes the faulty file. */
  make: (file: string) => void
  cause: RegExp
  way?: RegExp
  /** Options that node is started with. */
  node?: string[]
  /** Whether the fault is made from an addon for Linux on x64 with glibc. */
  onlyLinux?: boolean
}

const again = /Delete node_modules and install on this machine/
const rows: Row[] = [
  {
    name: 'a folder where the file should be',
    make: file => mkdirSync(file),
    cause: /mt_llama\.node cannot be read: EISDIR/,
    way: /may read/,
  },
  {
    name: 'an empty file',
    make: file => writeFileSync(file, ''),
    cause: /is not a Linux addon/,
    way: again,
    onlyLinux: true,
  },
  {
    name: 'a text',
    make: file => writeFileSync(file, 'version https://git-lfs.github.com/spec/v1\n'.repeat(3)),
    cause: /is not a Linux addon/,
    way: again,
    onlyLinux: true,
  },
  ...[100, 5000, 100_000, 600_000].map(bytes => ({
    name: `a file cut after ${bytes} bytes`,
    make: (file: string) => writeFileSync(file, readFileSync(own).subarray(0, bytes)),
    cause: new RegExp(`is cut short: it has ${bytes} of \\d+ bytes`),
    way: again,
    onlyLinux: true,
  })),
  {
    name: 'a build for another processor',
    make: file => writeFileSync(file, Buffer.from(readFileSync(own)).fill(183, 18, 19)),
    cause: /is for arm64; this Node is for x64/,
    way: again,
    onlyLinux: true,
  },
  {
    name: 'a build for a newer glibc',
    make: file => writeFileSync(file, patched('GLIBC_2.14', 'GLIBC_9.14')),
    cause: /needs glibc 9\.14 or newer; this system has glibc \d+\.\d+/,
    onlyLinux: true,
  },
  {
    name: 'a build for musl',
    make: file => writeFileSync(file, patched('libc.so.6', 'ld-musl-x')),
    cause: /is built for musl; this system has glibc/,
    onlyLinux: true,
  },
  {
    name: 'a library that is missing',
    make: file => writeFileSync(file, patched('libm.so.6', 'libq.so.9')),
    cause: /needs libq\.so\.9, which this system does not have/,
    way: /libq\.so\.9 installed/,
    onlyLinux: true,
  },
  {
    name: 'a library that is no addon',
    make: file => copyFileSync(systemLibrary('libm.so.6'), file),
    cause: /is no addon for Node/,
    way: again,
    onlyLinux: true,
  },
  {
    name: 'a Node that loads no addons',
    make: file => copyFileSync(own, file),
    cause: /Node was started so that it loads no addons/,
    way: /without --no-addons/,
    node: ['--no-addons'],
  },
]

// The words of loaders that cannot be run here: on a file system mounted noexec, and musl's.
const refusals: [string, RegExp][] = [
  ['/x.node: failed to map segment from shared object', /no code may be run from/],
  [
    'Error loading shared library ld-linux-x86-64.so.2: No such file or directory (needed by /x.node)',
    /is built for glibc/,
  ],
  ['Error relocating /x.node: __memcpy_chk: symbol not found', /is built for glibc/],
  [
    "/lib/x86_64-linux-gnu/libstdc++.so.6: version `GLIBCXX_3.4.30' not found (required by /x.node)",
    /GLIBCXX_3\.4\.30/,
  ],
  ['/x.node: undefined symbol: napi_new', /does not load: .*undefined symbol: napi_new/],
]

describe('loading the addon', () => {
  let home: string
  let file: string
  beforeEach(() => {
    home = mkdtempSync(path.join(tmpdir(), 'mt-llama-loading-'))
    chmodSync(home, 0o755)
    mkdirSync(path.join(home, 'build', 'Release'), { recursive: true })
    file = path.join(home, 'build', 'Release', 'mt_llama.node')
  })
  afterEach(() => rmSync(home, { recursive: true }))

  describe('of an installed package', () => {
    let addon: string
    beforeEach(() => {
      cpSync('src', path.join(home, 'dist'), { recursive: true })
      symlinkSync(path.resolve('node_modules'), path.join(home, 'node_modules'))
      mkdirSync(path.join(home, 'from-source'))
      addon = path.join(home, 'dist', 'native', 'addon.ts')
    })

    it('lists where it looked and what builds it, where there is none', () => {
      writeFileSync(path.join(home, 'package.json'), '{ "name": "mt-llama", "type": "module" }')
      mkdirSync(path.join(home, 'prebuilds', 'sunos-mips'), { recursive: true })
      const { code, message } = load({ addon })
      assert.equal(code, 'ADDON_NOT_FOUND')
      assert.match(message, /native addon of mt-llama: none was found/)
      assert.match(message, /from-source\/build\/Release: no such folder/)
      assert.match(message, /\/build\/Release: no build/)
      assert.match(message, /\/prebuilds: sunos-mips/)
      assert.ok(message.includes(`prebuilds/${platform}: no such folder`), message)
      assert.match(
        message,
        /A C\+\+20 compiler, make and Python 3 make one:\n {2}npm run build-addon --prefix /,
      )
      assert.ok(message.includes(`--prefix ${home}`), message)
    })

    it('takes what was built from source before the prebuild', () => {
      writeFileSync(path.join(home, 'package.json'), '{ "name": "mt-llama", "type": "module" }')
      const built = path.join(home, 'from-source', 'build', 'Release')
      mkdirSync(built, { recursive: true })
      copyFileSync(own, path.join(built, 'mt_llama.node'))
      writeFileSync(file, 'not this one')
      assert.deepEqual(load({ addon }), {})
    })

    it('says that it was moved, where its package is not around it', () => {
      writeFileSync(path.join(home, 'package.json'), '{ "name": "app", "type": "module" }')
      copyFileSync(own, file)
      const { code, message } = load({ addon })
      assert.equal(code, 'ADDON_NOT_FOUND')
      assert.match(message, /this code was bundled[\s\S]*--external:mt-llama/)
    })
  })

  it('takes a .node file that MT_LLAMA_PREBUILD names', () => {
    assert.deepEqual(load({ env: { MT_LLAMA_PREBUILD: own } }), {})
  })

  it('says that MT_LLAMA_PREBUILD names a folder without a build, or nothing', () => {
    for (const named of [home, path.join(home, 'nothing')]) {
      const { code, message } = load({ env: { MT_LLAMA_PREBUILD: named } })
      assert.equal(code, 'ADDON_NOT_FOUND')
      assert.match(message, /build\/Release: (no build|no such folder)/)
      assert.match(message, /, which MT_LLAMA_PREBUILD names\. Unset it, or name another$/)
    }
  })

  for (const { name, make, cause, way = /which MT_LLAMA_PREBUILD names/, node, onlyLinux } of rows)
    it(`says so of ${name}`, function () {
      if (onlyLinux && !(platform === 'linux-x64' && glibcVersionRuntime))
        skip(this, 'it is for Linux on x64 with glibc')
      make(file)
      const { code, message } = load({ env: { MT_LLAMA_PREBUILD: home }, node })
      assert.equal(code, 'ADDON_NOT_FOUND')
      assert.match(message, cause)
      assert.match(message, way)
      assert.match(message, /build\/Release: mt_llama\.node/)
    })

  it('says so of a file that this user may not read', function () {
    if (!process.geteuid) skip(this, 'there are no users as on Unix')
    copyFileSync(own, file)
    chmodSync(file, 0)
    const { code, message } = load({ env: { MT_LLAMA_PREBUILD: file }, as: 65534 })
    assert.equal(code, 'ADDON_NOT_FOUND')
    assert.match(message, /mt_llama\.node cannot be read: EACCES/)
    assert.match(message, /this user \(\d+\) may read/)
  })

  for (const [text, cause] of refusals)
    it(`knows "${text}"`, () => {
      assert.match(
        refused('/x.node', Object.assign(new Error(text), { code: 'ERR_DLOPEN_FAILED' })).cause,
        cause,
      )
    })
})

/** The error of loadAddon() in a process of its own, {} where it loads; `as` is the user that it runs as, where it can. */
function load({
  addon = './src/native/addon.ts',
  env = {},
  node = [],
  as,
}: {
  addon?: string
  env?: NodeJS.ProcessEnv
  node?: string[] | undefined
  as?: number
}): { code?: string; message: string } {
  const script = `
    import { loadAddon } from ${JSON.stringify(addon)}
    if (${as} && process.geteuid() === 0) process.seteuid(${as})
    try { loadAddon(); console.log('{}') } catch ({ code, message }) { console.log(JSON.stringify({ code, message })) }`
  const { MT_LLAMA_PREBUILD: _, ...rest } = process.env
  const { stdout, stderr, signal } = spawnSync(
    process.execPath,
    [...node, '--import', 'tsx', '--input-type=module', '--eval', script],
    { encoding: 'utf8', env: { ...rest, ...env }, timeout: 50_000, killSignal: 'SIGKILL' },
  )
  assert.notEqual(stdout, '', `${signal} ${stderr}`)
  return JSON.parse(stdout)
}

/** This addon with another text of the same length in the place of each that its loader reads. */
function patched(text: string, other: string): Buffer {
  const bytes = Buffer.from(readFileSync(own))
  for (let at = bytes.indexOf(`${text}\0`); at >= 0; at = bytes.indexOf(`${text}\0`, at + 1))
    bytes.write(other, at)
  return bytes
}

function systemLibrary(name: string): string {
  const { sharedObjects } = process.report.getReport() as { sharedObjects: string[] }
  return sharedObjects.find(file => path.basename(file) === name)!
}
