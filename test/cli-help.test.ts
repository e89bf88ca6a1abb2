// The help of every command, as printed. UPDATE_SNAPSHOTS=1 writes it anew.
import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { commands } from '../src/cli/registry.ts'
import { cli } from './cli-run.ts'

const snapshot = (name: string) => fileURLToPath(new URL(`snapshots/help-${name}.txt`, import.meta.url))
const io = {
  signal: new AbortController().signal,
  sayAtStop: () => {},
  exitCode: () => 0 as const,
  endWith: () => {},
  endWell: () => {},
}
const names = Object.keys(commands)

describe('mt-llama --help', () => {
  for (const name of ['mt-llama', ...names]) {
    it(`${name}: is as recorded, on stdout, exit code 0`, async () => {
      const { code, stdout, stderr } = await cli(name === 'mt-llama' ? ['--help'] : [name, '--help'])
      assert.deepEqual([code, stderr], [0, ''])
      if (process.env.UPDATE_SNAPSHOTS === '1') writeFileSync(snapshot(name), stdout)
      assert.equal(stdout, readFileSync(snapshot(name), 'utf8'))
    })
  }

  it('a command is loaded by its own name', async () => {
    for (const [name, load] of Object.entries(commands)) assert.equal((await load())(io).name(), name)
  })

  it('every command has --json, --quiet, examples and exit codes', () => {
    for (const name of names) {
      const text = readFileSync(snapshot(name), 'utf8')
      for (const part of ['--json', '--quiet', '\nExamples:\n', '\nExit codes:\n']) {
        assert.ok(text.includes(part), `${name} lacks ${part}`)
      }
      assert.ok(text.includes(`mt-llama ${name}`), `${name} has no example of itself`)
    }
  })

  it("README's table has every command", () => {
    const readme = readFileSync(new URL('../README.md', import.meta.url), 'utf8')
    for (const name of names)
      assert.match(readme, new RegExp(`^\\| .*\`mt-llama ${name}\\b.*\`.* \\|`, 'm'), name)
  })
})
