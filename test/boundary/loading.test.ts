// What a user reads when the addon is missing or broken.
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'

describe('loading the addon', () => {
  let home: string
  beforeEach(() => {
    home = mkdtempSync(path.join(tmpdir(), 'mt-llama-loading-'))
  })
  afterEach(() => rmSync(home, { recursive: true }))

  it('lists where it looked and what builds it, where there is none', () => {
    // as an installed package: the code in dist, and no prebuild
    mkdirSync(path.join(home, 'dist', 'native'), { recursive: true })
    for (const file of ['native/addon.ts', 'errors.ts'])
      copyFileSync(path.join('src', file), path.join(home, 'dist', file))
    symlinkSync(path.resolve('node_modules'), path.join(home, 'node_modules'))
    writeFileSync(path.join(home, 'package.json'), '{ "type": "module" }')
    const { code, message } = load(path.join(home, 'dist', 'native', 'addon.ts'))
    assert.equal(code, 'ADDON_NOT_FOUND')
    assert.match(message, /native addon of mt-llama: none was found/)
    assert.match(message, /build\/Release: no such folder/)
    assert.ok(message.includes(`prebuilds/${process.platform}-${process.arch}: no such folder`), message)
    assert.ok(message.endsWith(`\n  cd ${home}/ && npx node-gyp rebuild`), message)
  })

  it('says that MT_LLAMA_PREBUILD names a folder without a build', () => {
    const { code, message } = loadFrom(home)
    assert.equal(code, 'ADDON_NOT_FOUND')
    assert.match(message, /build\/Release: no such folder/)
    assert.match(message, /, which MT_LLAMA_PREBUILD names\. Unset it, or name another$/)
  })

  it('says which file does not load and why', () => {
    mkdirSync(path.join(home, 'build', 'Release'), { recursive: true })
    const file = path.join(home, 'build', 'Release', 'mt_llama.node')
    writeFileSync(file, 'not a shared object')
    const { code, message } = loadFrom(home)
    assert.equal(code, 'ADDON_NOT_FOUND')
    assert.ok(message.includes(`${file} does not load: `), message)
    assert.match(message, /build\/Release: mt_llama\.node/)
  })
})

function loadFrom(home: string): { code: string; message: string } {
  return load('./src/native/addon.ts', { MT_LLAMA_PREBUILD: home })
}

function load(addon: string, env: NodeJS.ProcessEnv = {}): { code: string; message: string } {
  const script = `
    import { loadAddon } from ${JSON.stringify(addon)}
    try { loadAddon() } catch ({ code, message }) { console.log(JSON.stringify({ code, message })) }`
  const { MT_LLAMA_PREBUILD: _, ...rest } = process.env
  const { stdout, stderr } = spawnSync(
    process.execPath,
    ['--import', 'tsx', '--input-type=module', '--eval', script],
    { encoding: 'utf8', env: { ...rest, ...env } },
  )
  assert.notEqual(stdout, '', stderr)
  return JSON.parse(stdout)
}
