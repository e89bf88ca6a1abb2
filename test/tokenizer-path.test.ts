// Tokenizers by a path: of a folder, a file, a GGUF model.
import assert from 'node:assert/strict'
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { loadTokenizer } from '../src/index.ts'
import { shared, sharedMissing } from './shared.ts'
import { skip } from './skip.ts'

describe('loadTokenizer() of a path', () => {
  const folder = mkdtempSync(path.join(tmpdir(), 'mt-llama-tokenizer-'))
  after(() => rmSync(folder, { recursive: true }))
  const text = 'Two birds, 12 km!'

  it('gives the same of a folder, its file and the model that is made of it', async function () {
    if (sharedMissing) skip(this, sharedMissing)
    const model = shared('models', 'smollm2-135m')
    const json = path.join(model, 'tokenizer.json')
    const ids = (await loadTokenizer({ kind: 'tokenizer.json', file: json })).encode(text)
    for (const where of [model, json, path.join(model, 'model-q4_1.gguf')])
      assert.deepEqual((await loadTokenizer(where)).encode(text), ids, where)
    const gguf = path.join(folder, 'gguf')
    mkdirSync(gguf)
    copyFileSync(path.join(model, 'model-q4_1.gguf'), path.join(gguf, 'model.gguf'))
    assert.equal((await loadTokenizer(gguf)).kind, 'gguf')
    // The settings beside a file count, as they do for its folder.
    assert.ok((await loadTokenizer(json)).namedTokens.size > 0)
  })

  it('says what is missing', async () => {
    writeFileSync(path.join(folder, 'notes.txt'), '')
    await assert.rejects(loadTokenizer(path.join(folder, 'none')), { code: 'CHECKPOINT_NOT_FOUND' })
    for (const where of [folder, path.join(folder, 'notes.txt')])
      await assert.rejects(loadTokenizer(where), {
        code: 'TOKENIZER',
        message: `${where}: no tokenizer here; expected tokenizer.json, tokenizer.model or a GGUF file that has one`,
      })
  })
})
