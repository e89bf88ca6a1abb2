// readRows(): how parts, base and adapters of a stored tensor come together, and which of them do not fit.
import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { loadAddon } from '../src/native/addon.ts'
import { newControl } from '../src/native/job.ts'
import type { NativeTensor, StoredPart } from '../src/native/types.ts'
import { withFolder } from './checkpoint-files.ts'

/** Rows of small whole numbers and halves, exact in every format. */
function numbers(rows: number, columns: number, seed: number): number[][] {
  return Array.from({ length: rows }, (_, r) =>
    Array.from({ length: columns }, (_, c) => ((r * 37 + c * 11 + seed * 5) % 31) / 2 - 7),
  )
}

/** Writes matrices one after another into a file of float32. */
function store(folder: string, ...matrices: number[][][]): StoredPart[] {
  const file = join(folder, 'weights.bin')
  writeFileSync(file, new Uint8Array(Float32Array.from(matrices.flat(2)).buffer))
  let offset = 0
  return matrices.map(matrix => {
    const shape = [matrix.length, matrix[0]!.length]
    const bytes = 4 * shape[0]! * shape[1]!
    offset += bytes
    return { file, offset: offset - bytes, bytes, type: 'F32', shape }
  })
}

async function read(
  tensor: NativeTensor,
  first = 0,
  count = tensor.shape[0]!,
  headDim = 2,
): Promise<number[][]> {
  const bytes = await loadAddon().readRows(tensor, headDim, first, count, 'F32', newControl())
  const values = [...new Float32Array(bytes.buffer)]
  const columns = tensor.shape[1] ?? 1
  return Array.from({ length: count }, (_, row) => values.slice(row * columns, (row + 1) * columns))
}

const half = (value: number): number => {
  // float16 has 10 bits of fraction; the numbers here are neither subnormal nor too large for it.
  const step = 2 ** (Math.floor(Math.log2(Math.abs(value))) - 10)
  const [low, rest] = [Math.floor(value / step), (value / step) % 1]
  if (value === 0 || rest === 0) return value
  const up = value / step - low > 0.5 || (value / step - low === 0.5 && low % 2 !== 0)
  return (low + Number(up)) * step
}

describe('stored tensors', () => {
  const top = numbers(4, 6, 1)
  const bottom = numbers(2, 6, 2)

  it('parts one below the other, read from any row on', () =>
    withFolder(async folder => {
      const tensor = { name: 'w', shape: [6, 6], parts: store(folder, top, bottom) }
      const whole = [...top, ...bottom]
      assert.deepEqual(await read(tensor), whole)
      for (let first = 0; first < 6; first++)
        for (let count = 1; first + count <= 6; count++)
          assert.deepEqual(await read(tensor, first, count), whole.slice(first, first + count))
    }))

  it('parts one beside the other', () =>
    withFolder(async folder => {
      const right = numbers(4, 3, 3)
      const tensor = { name: 'w', shape: [4, 9], parts: store(folder, top, right), axis: 1 as const }
      const whole = top.map((row, r) => [...row, ...right[r]!])
      assert.deepEqual(await read(tensor), whole)
      assert.deepEqual(await read(tensor, 1, 2), whole.slice(1, 3))
    }))

  it('interleaved heads of each part are put back', () =>
    withFolder(async folder => {
      const parts = store(folder, numbers(8, 3, 1), numbers(4, 3, 2)).map(part => ({
        ...part,
        ropeInterleaved: true,
      }))
      const stored = [...numbers(8, 3, 1), ...numbers(4, 3, 2)]
      // Heads of 4: stored row 2 i + j is row i + 2 j.
      const want = [0, 4, 8].flatMap(head => [0, 2, 1, 3].map(row => stored[head + row]!))
      const tensor = { name: 'w', shape: [12, 3], parts }
      assert.deepEqual(await read(tensor, 0, 12, 4), want)
      assert.deepEqual(await read(tensor, 4, 8, 4), want.slice(4))
      await assert.rejects(read(tensor, 2, 4, 4), { code: 'INVALID_ARGUMENT', message: /multiples of 4/ })
    }))

  it('a delta and its base are added in float16; rows that the base lacks count as zero', () =>
    withFolder(async folder => {
      const base = [
        [1000.5, 3, 1 / 3],
        [0.1, -2, 5],
      ]
      const delta = [
        [0.3, 2, 1 / 7],
        [0.2, 2, 1e-3],
        [0.7, 8, -1 / 3],
      ]
      const [stored, own] = store(folder, base, delta)
      const tensor = { name: 'w', shape: [3, 3], parts: [own!], base: { parts: [stored!] } }
      const want = delta.map((row, r) =>
        row.map((value, c) => half(half(Math.fround(base[r]?.[c] ?? 0)) + half(Math.fround(value)))),
      )
      assert.deepEqual(await read(tensor), want)
      assert.deepEqual(await read(tensor, 1, 2), want.slice(1))
      assert.deepEqual(await read(tensor, 2, 1), want.slice(2))
    }))

  it('adapters are added one after another, also to a base with a delta', () =>
    withFolder(async folder => {
      const [w, d, a1, b1, a2, b2] = [
        ...[numbers(4, 3, 1), numbers(4, 3, 2), numbers(2, 3, 3), numbers(4, 2, 4), numbers(1, 3, 5)],
        numbers(4, 1, 6),
      ] as const
      const parts = store(folder, w!, d!, a1!, b1!, a2!, b2!)
      const product = (b: number[][], a: number[][], r: number, c: number) =>
        a.reduce((sum, row, i) => sum + b[r]![i]! * row[c]!, 0)
      const tensor: NativeTensor = {
        ...{ name: 'w', shape: [4, 3], parts: [parts[1]!], base: { parts: [parts[0]!] } },
        adapters: [
          { a: parts[2]!, b: parts[3]!, scale: 0.5 },
          { a: parts[4]!, b: parts[5]!, scale: -2 },
        ],
      }
      const want = w!.map((row, r) =>
        row.map(
          (value, c) => value + d![r]![c]! + 0.5 * product(b1!, a1!, r, c) - 2 * product(b2!, a2!, r, c),
        ),
      )
      assert.deepEqual(await read(tensor), want)
      assert.deepEqual(await read(tensor, 2, 2), want.slice(2))
    }))

  it('a vector is read whole', () =>
    withFolder(async folder => {
      const [part] = store(folder, [[1, 2, 3]])
      const tensor = { name: 'w', shape: [3], parts: [{ ...part!, shape: [3] }] }
      assert.deepEqual(await read(tensor), [[1], [2], [3]])
    }))

  it('whatever does not fit is refused by the name of its file and its own', () =>
    withFolder(async folder => {
      const [a, b, flat, narrow] = store(folder, top, bottom, [[1, 2]], numbers(4, 3, 1)) as [
        StoredPart,
        StoredPart,
        StoredPart,
        StoredPart,
      ]
      const tensor = (change: Partial<NativeTensor>): NativeTensor => ({
        ...{ name: 'w', shape: [6, 6], parts: [a, b] },
        ...change,
      })
      const rows: [what: string, tensor: NativeTensor, code: string, message: RegExp][] = [
        ['no parts', tensor({ parts: [] }), 'INVALID_ARGUMENT', /"w" has no parts/],
        ['rows missing', tensor({ parts: [a] }), 'TENSOR_SHAPE', /parts of 4 rows in all; \[6, 6\] needs 6/],
        ['rows too many', tensor({ parts: [a, b, b] }), 'TENSOR_SHAPE', /part \[2, 6\], which does not fit/],
        [
          'other columns',
          tensor({ parts: [narrow, b] }),
          'TENSOR_SHAPE',
          /part \[4, 3\], which does not fit/,
        ],
        ['other axis', tensor({ axis: 1 }), 'TENSOR_SHAPE', /does not fit/],
        ['no axis', tensor({ axis: 2 as 1 }), 'INVALID_ARGUMENT', /axis/],
        ['a vector among them', tensor({ parts: [{ ...a, shape: [24] }] }), 'TENSOR_SHAPE', /part \[24\]/],
        ['bytes that lie', tensor({ parts: [a, { ...b, bytes: 44 }] }), 'TENSOR_SHAPE', /has 44 bytes/],
        ['a larger base', tensor({ base: { parts: [a, a] } }), 'TENSOR_SHAPE', /base of 8 rows/],
        ['a narrow base', tensor({ base: { parts: [narrow] } }), 'TENSOR_SHAPE', /part \[4, 3\]/],
        ['an empty base', tensor({ base: { parts: [] } }), 'INVALID_ARGUMENT', /base without parts/],
        [
          'an adapter of other columns',
          tensor({ adapters: [{ a: flat, b, scale: 1 }] }),
          'TENSOR_SHAPE',
          /an adapter of \[2, 6\] times \[1, 2\] does not fit/,
        ],
        [
          'an adapter without a scale',
          tensor({ adapters: [{ a, b, scale: Number.NaN }] }),
          'INVALID_ARGUMENT',
          /scale/,
        ],
        [
          'halves of blocks',
          tensor({ parts: [{ ...a, type: 'Q4_0' }] }),
          'TENSOR_SHAPE',
          /Q4_0|does not fit/,
        ],
      ]
      for (const [what, wrong, code, message] of rows)
        await assert.rejects(
          async () => read(wrong),
          (error: Error & { code: string }) => {
            assert.equal(error.code, code, `${what}: ${error.message}`)
            assert.match(error.message, message, what)
            return true
          },
        )
    }))

  it('a format that is only read, or whose blocks do not fit, is not written', () =>
    withFolder(async folder => {
      const tensor = { name: 'w', shape: [4, 6], parts: store(folder, top) }
      for (const type of ['Q4_K', 'Q8_0'])
        await assert.rejects(async () => loadAddon().readRows(tensor, 2, 0, 4, type, newControl()), {
          code: 'TENSOR_DTYPE',
          message: /"w" cannot be written as Q/,
        })
    }))
})
