// What a user reads when the addon is missing or broken.
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'

describe('loading the addon', () => {
  let home: string
  beforeEach(() => {
    home = mkdtempSync(path.join(tmpdir(), 'mt-llama-loading-'))
  })
  afterEach(() => rmSync(home, { recursive: true }))

  it('lists where it looked and what builds it, where there is none', () => {
    const { code, message } = loadFrom(home)
    assert.equal(code, 'ADDON_NOT_FOUND')
    assert.match(message, /native addon of mt-llama: none was found/)
    assert.match(message, /build\/Release: no such folder/)
    assert.ok(message.includes(`prebuilds/${process.platform}-${process.arch}: no such folder`), message)
    assert.match(message, /npx node-gyp rebuild/)
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
  const script = `
    import { loadAddon } from './src/binding.ts'
    try { loadAddon() } catch ({ code, message }) { console.log(JSON.stringify({ code, message })) }`
  const { stdout, stderr } = spawnSync(
    process.execPath,
    ['--import', 'tsx', '--input-type=module', '--eval', script],
    { encoding: 'utf8', env: { ...process.env, MT_LLAMA_PREBUILD: home } },
  )
  assert.notEqual(stdout, '', stderr)
  return JSON.parse(stdout)
}
