// Gives every argument and option that names a file or folder what is no name: each is refused by the option's name.
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { convert } from '../src/checkpoint/convert/convert.ts'
import { RunFolder } from '../src/evaluation/run-folder.ts'
import { loadModel, loadTokenizer, openCheckpoint, type TokenizerSource } from '../src/index.ts'
import { cardWork } from './card-work.ts'
import { defaultModel } from './tiny-model.ts'

const file = join(defaultModel, 'tokenizer.json')
const tokenizer = (changes: object) =>
  loadTokenizer({ kind: 'tokenizer.json', file, ...changes } as TokenizerSource)

describe('the name of a file or folder', () => {
  const options: [name: string, use: (path: string) => Promise<unknown>][] = [
    ['path', path => loadModel(path)],
    ['path', path => openCheckpoint(path)],
    ['source.file', path => tokenizer({ file: path })],
    ['source.file', path => tokenizer({ kind: 'tokenizer.model', file: path })],
    ['source.file', path => tokenizer({ kind: 'gguf', file: path, metadata: new Map() })],
    ['source.configFile', path => tokenizer({ configFile: path })],
    ['source.specialTokensFile', path => tokenizer({ specialTokensFile: path })],
    ['source.addedTokensFile', path => tokenizer({ addedTokensFile: path })],
    ['out', async path => convert(await openCheckpoint(defaultModel), path)],
    ['dataDir', path => cardWork(['copa'], { dataDir: path, limit: null })],
    ['out', path => RunFolder.open(path)],
  ]
  for (const [name, use] of options) {
    it(`${name}: a NUL in it, a number and null are refused`, async () => {
      await assert.rejects(use('/tmp/a\0b'), {
        ...{ name: 'MtLlamaError', code: 'INVALID_ARGUMENT' },
        message: `${name} is "/tmp/a\\u0000b"; expected the name of a folder or file, which holds no NUL`,
      })
      for (const value of [5, null])
        await assert.rejects(use(value as never), { name: 'MtLlamaError', code: 'INVALID_ARGUMENT' })
    })
  }
})
