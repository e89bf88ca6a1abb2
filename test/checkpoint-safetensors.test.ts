// Gives the safetensors reader files that lie: each is refused with the name of the file and of what is wrong.
import assert from 'node:assert/strict'
import { copyFileSync } from 'node:fs'
import { join } from 'node:path'
import { readSafetensors } from '../src/checkpoint/huggingface/safetensors.ts'
import { openCheckpoint } from '../src/checkpoint/open.ts'
import type { ErrorCode } from '../src/errors.ts'
import { safetensorsWithHeader, tinyConfig, withFolder, writeFiles } from './checkpoint-files.ts'
import { shared, sharedMissing } from './shared.ts'
import { skip } from './skip.ts'

/** Makes a header of one tensor "x". */
function one(fields: object): string {
  return JSON.stringify({ x: { dtype: 'F32', shape: [2], data_offsets: [0, 8], ...fields } })
}

describe('readSafetensors', () => {
  it('says where each tensor lies, and allows empty ones and scalars', () =>
    withFolder(async dir => {
      const header = {
        __metadata__: { format: 'pt' },
        b: { dtype: 'BF16', shape: [2, 2], data_offsets: [4, 12] },
        a: { dtype: 'F32', shape: [], data_offsets: [0, 4] },
        empty: { dtype: 'F32', shape: [0, 3], data_offsets: [4, 4] },
      }
      const text = JSON.stringify(header)
      writeFiles(dir, { 'x.safetensors': safetensorsWithHeader(text, new Uint8Array(12)) })
      const file = join(dir, 'x.safetensors')
      const start = 8 + text.length
      assert.deepEqual(await readSafetensors(file), [
        { name: 'b', file, offset: start + 4, bytes: 8, type: 'BF16', shape: [2, 2] },
        { name: 'a', file, offset: start, bytes: 4, type: 'F32', shape: [] },
        { name: 'empty', file, offset: start + 4, bytes: 0, type: 'F32', shape: [0, 3] },
      ])
    }))

  const two = (first: [number, number], second: [number, number]) =>
    JSON.stringify({
      x: { dtype: 'F32', shape: [(first[1] - first[0]) / 4], data_offsets: first },
      y: { dtype: 'F32', shape: [(second[1] - second[0]) / 4], data_offsets: second },
    })
  const refused: [name: string, header: string, dataBytes: number, message: RegExp][] = [
    ['a header that is a list', '[]', 0, /x\.safetensors, header: \[\], expected an object/],
    ['a header cut short', '{"x":', 0, /header: not valid JSON/],
    ['a tensor that is a number', '{"x":1}', 0, /"x" is 1; expected dtype, shape/],
    ['a dtype that is a number', one({ dtype: 1 }), 8, /"x" has dtype 1/],
    ['a dtype by the name of a method', one({ dtype: 'toString' }), 8, /"x" has dtype "toString"/],
    ['a negative size', one({ shape: [-2] }), 8, /"x" has shape \[-2\]/],
    ['a fraction of a size', one({ shape: [0.5] }), 8, /"x" has shape \[0\.5\]/],
    ['a size past 2^53', one({ shape: [2 ** 60] }), 8, /"x" has shape \[1152921504606847000\]/],
    ['nine dimensions', one({ shape: Array(9).fill(1) }), 8, /"x" has shape .*at most 8/],
    [
      'a product that wraps to the right number',
      one({ shape: [2 ** 31, 2 ** 31, 4, 2] }),
      8,
      /F32 \[.*\] takes 147573952589676412928/,
    ],
    ['three offsets', one({ data_offsets: [0, 8, 8] }), 8, /"x" has data_offsets \[0,8,8\]/],
    ['no offsets', one({ data_offsets: undefined }), 8, /"x" has data_offsets undefined/],
    ['offsets before the data', one({ data_offsets: [-8, 0] }), 8, /"x" has data_offsets \[-8,0\]/],
    ['the end before the beginning', one({ data_offsets: [8, 0] }), 8, /the end lies before the beginning/],
    ['an end past the file', one({}), 7, /"x" ends at byte 8 of the data, of which there are 7/],
    ['bytes after the last tensor', one({}), 9, /x\.safetensors: 1 bytes after the last tensor/],
    ['an overlap', two([0, 8], [4, 12]), 12, /"y" overlaps "x"/],
    ['a hole', two([0, 4], [8, 12]), 12, /4 bytes before "y" belong to no tensor/],
    ['a hole at the beginning', two([4, 8], [8, 12]), 12, /4 bytes before "x" belong to no tensor/],
  ]
  for (const [name, header, dataBytes, message] of refused) {
    it(`refuses ${name}`, () =>
      withFolder(async dir => {
        writeFiles(dir, { 'x.safetensors': safetensorsWithHeader(header, new Uint8Array(dataBytes)) })
        await assert.rejects(readSafetensors(join(dir, 'x.safetensors')), { message })
      }))
  }
})

describe('hostile safetensors', () => {
  before(function () {
    if (sharedMissing) skip(this, sharedMissing)
  })

  const rows: [file: string, message: RegExp, code?: ErrorCode][] = [
    ['deeply-nested', /header: nested deeper than 64/],
    ['duplicate-key', /header: the key "model\.norm\.weight" comes twice/],
    ['empty', /0 bytes, too short/],
    ['header-length-2-63', /a header of 9223372036854775813 bytes, but only 88 follow/],
    ['header-longer-than-file', /a header of 1099511627776 bytes, but only 88 follow/],
    ['not-json', /header: not valid JSON/],
    ['offset-backwards', /"model\.norm\.weight" has data_offsets \[256, 0\]/],
    ['offset-negative', /"model\.norm\.weight" has data_offsets \[-8,248\]/],
    ['offset-past-end', /"model\.norm\.weight" ends at byte 1125899906842624/],
    ['overlapping-tensors', /"model\.layers\.0\.input_layernorm\.weight" overlaps "model\.norm\.weight"/],
    ['shape-does-not-match-bytes', /128 bytes; F32 \[64\] takes 256/],
    ['shape-overflow', /F32 \[4294967296,4294967296\] takes 73786976294838206464/],
    ['truncated', /"model\.layers\.1\.mlp\.down_proj\.weight" ends at byte 410368 of the data/],
    ['unknown-dtype', /"model\.norm\.weight" has dtype "F4X"/, 'CHECKPOINT_UNSUPPORTED'],
  ]
  for (const [name, message, code = 'CHECKPOINT_CORRUPT'] of rows) {
    it(`${name} alone`, () =>
      assert.rejects(readSafetensors(shared('golden', 'hostile', `${name}.safetensors`)), (error: Error) => {
        assert.match(error.message, message)
        assert.ok(error.message.startsWith(`${name}.safetensors`))
        assert.equal((error as Error & { code: string }).code, code)
        return true
      }))

    it(`${name} as the weights of a valid config.json`, () =>
      withFolder(async dir => {
        writeFiles(dir, { 'config.json': tinyConfig })
        copyFileSync(shared('golden', 'hostile', `${name}.safetensors`), join(dir, 'model.safetensors'))
        await assert.rejects(openCheckpoint(dir), { code, message })
      }))
  }
})
