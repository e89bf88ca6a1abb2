// The embedded default is what its script makes, and fingerprints tell checkpoints apart.
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { fingerprint } from '../src/checkpoint/fingerprint.ts'
import { openCheckpoint } from '../src/checkpoint/open.ts'
import { childLimit } from './child-limit.ts'

const embedded = fileURLToPath(new URL('../default/model', import.meta.url))
const script = fileURLToPath(new URL('../scripts/make-default-model.mjs', import.meta.url))

describe('the embedded default', () => {
  let folder: string
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'mt-llama-default-'))
  })
  afterEach(() => rmSync(folder, { recursive: true }))

  it('is byte for byte what scripts/make-default-model.mjs writes', () => {
    execFileSync(process.execPath, [script, folder], childLimit)
    assert.deepEqual(readdirSync(folder).sort(), readdirSync(embedded).sort())
    for (const name of readdirSync(folder)) {
      assert.ok(readFileSync(join(folder, name)).equals(readFileSync(join(embedded, name))), name)
    }
  })

  describe('fingerprint', () => {
    const of = async (path: string) => fingerprint(await openCheckpoint(path))
    const change = (name: string, edit: (content: Buffer) => Buffer) =>
      writeFileSync(join(folder, name), edit(readFileSync(join(folder, name))))
    beforeEach(() => cpSync(embedded, folder, { recursive: true }))

    it('is the same for a copy elsewhere', async () => assert.equal(await of(folder), await of(embedded)))

    const edits: [name: string, edit: (content: Buffer) => Buffer][] = [
      ['model.safetensors', content => content.fill(0, content.length - 128)],
      [
        'config.json',
        content => Buffer.from(content.toString().replace('"rope_theta": 10000', '"rope_theta": 20000')),
      ],
      [
        'tokenizer.json',
        content => Buffer.from(content.toString().replace('"use_regex": false', '"use_regex": true')),
      ],
    ]
    for (const [name, edit] of edits) {
      it(`is another one when ${name} says something else`, async () => {
        change(name, edit)
        assert.notEqual(await of(folder), await of(embedded))
      })
    }
  })
})
