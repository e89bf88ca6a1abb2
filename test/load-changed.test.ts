// A checkpoint whose files change between being opened and being read: never weights of two models under one name.
import assert from 'node:assert/strict'
import {
  copyFileSync,
  readFileSync,
  renameSync,
  rmSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { openCheckpoint } from '../src/checkpoint/open.ts'
import type { ErrorCode } from '../src/errors.ts'
import { loadOpened } from '../src/model/load.ts'
import { writeRandomModel } from './boundary/random-model.ts'
import { withFolder } from './checkpoint-files.ts'

describe('a checkpoint that changes while it is loaded', () => {
  const rows: [what: string, change: (file: string) => void, code: ErrorCode][] = [
    [
      'replaced by another file of the same size',
      file => {
        copyFileSync(file, `${file}.new`)
        renameSync(`${file}.new`, file)
      },
      'CHECKPOINT_CORRUPT',
    ],
    [
      'written to',
      file => {
        const bytes = readFileSync(file)
        bytes.writeFloatLE(1, bytes.length - 4)
        writeFileSync(file, bytes)
        utimesSync(file, new Date(), new Date(Date.now() + 5000))
      },
      'CHECKPOINT_CORRUPT',
    ],
    ['cut', file => truncateSync(file, 4096), 'FILE_READ'],
    ['removed', file => rmSync(file), 'FILE_READ'],
  ]
  for (const [what, change, code] of rows)
    it(`${what}: ${code}`, () =>
      withFolder(async folder => {
        writeRandomModel(folder)
        const checkpoint = await openCheckpoint(folder)
        change(join(folder, 'model.safetensors'))
        await assert.rejects(loadOpened(checkpoint, { device: 'cpu' }), (error: Error & { code: string }) => {
          assert.equal(error.code, code, error.message)
          return true
        })
      }))
})
