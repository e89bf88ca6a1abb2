// Tensors whose parts hold interleaved heads: refused where a part does not consist of whole heads of two halves.
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { loadAddon } from '../src/native/addon.ts'
import { newControl } from '../src/native/job.ts'
import { withFolder, writeFiles } from './checkpoint-files.ts'
import { floats } from './convert-files.ts'

describe('interleaved heads', () => {
  // Rows of each part, and whether they are interleaved.
  type Parts = [rows: number, interleaved: boolean][]
  const read = (headDim: number, parts: Parts) =>
    withFolder(async dir => {
      writeFiles(dir, { numbers: floats(0, 1, 2, 3, 4, 5, 6, 7, 8) })
      let rows = 0
      const stored = parts.map(([count, ropeInterleaved]) => {
        const [offset, file] = [4 * rows, join(dir, 'numbers')]
        rows += count
        return { file, offset, bytes: 4 * count, type: 'F32' as const, shape: [count, 1], ropeInterleaved }
      })
      const tensor = { name: 't', shape: [rows, 1], parts: stored }
      const bytes = await loadAddon().readRows(tensor, headDim, 0, rows, 'F32', newControl())
      return [...new Float32Array(bytes.buffer)]
    })

  it('are put in order in the part that has them', async () => {
    const parts: Parts = [
      [4, false],
      [4, true],
    ]
    assert.deepEqual(await read(4, parts), [0, 1, 2, 3, 4, 6, 5, 7])
  })

  const refused: [name: string, headDim: number, parts: Parts, message: RegExp][] = [
    ['of an odd size', 3, [[6, true]], /6 rows are no heads of an even headDim, which is 3/],
    ['cut', 4, [[6, true]], /6 rows are no heads of an even headDim, which is 4/],
    [
      'that begin within a head',
      4,
      [
        [3, false],
        [4, true],
        [1, false],
      ],
      /"t" has interleaved heads from row 3 on, which is within a head of 4/,
    ],
  ]
  for (const [name, headDim, parts, message] of refused)
    it(`${name} are refused`, () =>
      assert.rejects(async () => read(headDim, parts), { code: 'TENSOR_SHAPE', message }))
})
