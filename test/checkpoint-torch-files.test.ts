// Files of torch.save: what torch reads from those that it made, and where their tensors lie.
import assert from 'node:assert/strict'
import { closeSync, openSync, readdirSync, readFileSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { readTorchFile } from '../src/checkpoint/pickle/torch-file.ts'
import type { StoredTensor } from '../src/checkpoint/tensors.ts'
import { u32, withFolder } from './checkpoint-files.ts'
import { carried } from './shared.ts'
import {
  archiveEntries,
  bytes,
  dict,
  global,
  holding,
  integer,
  oldHolding,
  pickle,
  readTorchBytes,
  sixNumbers,
  tensorPickle,
  text,
  torchArchive,
  tuple,
  zipPieces,
} from './torch-files.ts'

const shapes = (tensors: StoredTensor[]) =>
  tensors.map(({ name, type, shape }) => `${name} ${type} [${shape}]`)

describe('files of torch.save: what torch made', () => {
  interface Expected {
    refused?: string
    tensors: Record<string, { type: string; shape: number[]; contiguous: boolean; values: number[] }>
  }
  const expected: Record<string, Expected> = JSON.parse(
    readFileSync(carried('torch', 'expected.json'), 'utf8'),
  )

  it('has what is expected of every file', () =>
    assert.deepEqual(
      readdirSync(carried('torch')).filter(name => name.endsWith('.bin')),
      Object.keys(expected).sort(),
    ))

  for (const [name, { refused, tensors }] of Object.entries(expected))
    it(`${refused ? 'refuses' : 'reads'} ${name}`, async () => {
      const file = carried('torch', name)
      if (refused) {
        await assert.rejects(readTorchFile(file), error => {
          const { code, message } = error as { code: string; message: string }
          assert.match(code, /^CHECKPOINT_(UNSUPPORTED|CORRUPT)$/)
          assert.ok(message.startsWith(`${name}: `) && message.includes(refused), message)
          return true
        })
        return
      }
      const content = readFileSync(file)
      const found = await readTorchFile(file)
      assert.deepEqual(found.map(tensor => tensor.name).sort(), Object.keys(tensors).sort())
      for (const tensor of found) {
        const { type, shape, contiguous, values } = tensors[tensor.name]!
        assert.deepEqual(tensor.shape, shape, tensor.name)
        if (!contiguous) {
          assert.match(tensor.type, new RegExp(`^${type} with strides \\[`), tensor.name)
          continue
        }
        assert.equal(tensor.type, type)
        const stored = content.subarray(tensor.offset, tensor.offset + tensor.bytes)
        assert.deepEqual(numbers(type, stored), values, tensor.name)
      }
    })
})

/** The value of a normal float16, or 0. */
function half(bits: number): number {
  const size = bits & 0x7fff ? (1 + (bits & 1023) / 1024) * 2 ** (((bits >> 10) & 31) - 15) : 0
  return bits & 0x8000 ? -size : size
}

/** Stored numbers; a float8 of 1 is known by its bits. */
function numbers(type: string, stored: Buffer): number[] {
  const { buffer } = new Uint8Array(stored)
  const arrays: Record<string, () => ArrayLike<number | bigint>> = {
    ...{ F64: () => new Float64Array(buffer), C64: () => new Float32Array(buffer) },
    F32: () => new Float32Array(buffer),
    F16: () => Float32Array.from(new Uint16Array(buffer), half),
    BF16: () => new Float32Array(Uint32Array.from(new Uint16Array(buffer), bits => bits << 16).buffer),
    ...{ C128: () => new Float64Array(buffer), I64: () => new BigInt64Array(buffer) },
    ...{ U64: () => new BigUint64Array(buffer), I32: () => new Int32Array(buffer) },
    ...{ U32: () => new Uint32Array(buffer), I16: () => new Int16Array(buffer) },
    ...{ U16: () => new Uint16Array(buffer), I8: () => new Int8Array(buffer) },
    ...{ U8: () => new Uint8Array(buffer), BOOL: () => new Uint8Array(buffer) },
    F8_E4M3: () => new Uint8Array(buffer).map(bits => Number(bits === 0x38)),
    F8_E5M2: () => new Uint8Array(buffer).map(bits => Number(bits === 0x3c)),
  }
  const array = arrays[type]!()
  return Array.from(array, Number)
}

describe('files of torch.save: where tensors lie', () => {
  it('gives the bytes of a tensor within its storage, in both formats', async () => {
    for (const content of [holding, oldHolding].map(make =>
      make(tensorPickle({ shape: [1, 3], offset: 2 })),
    )) {
      const [tensor] = await readTorchBytes(content)
      const stored = content.subarray(tensor!.offset, tensor!.offset + tensor!.bytes)
      assert.deepEqual(stored, sixNumbers.subarray(8, 20))
    }
  })

  it('takes an OrderedDict of Python 2, and its texts', async () => {
    const key = bytes('U', 1, 'w')
    const pairs = bytes(']]', key, 'a', tensorPickle(), 'aa')
    const value = bytes(global('collections', 'OrderedDict'), tuple(pairs), 'R')
    assert.deepEqual(shapes(await readTorchBytes(torchArchive(pickle(value), { 0: sixNumbers }))), [
      'w F32 [2,3]',
    ])
  })

  it('takes values from the memo under any number', async () => {
    const kept = bytes('q', 200, 'r', u32(70_000))
    const pickled = pickle('}(', text('w'), kept, tensorPickle(), 'r', u32(7), text('v'), 'j', u32(7), 'u')
    assert.deepEqual(shapes(await readTorchBytes(torchArchive(pickled, { 0: sixNumbers }))), [
      'w F32 [2,3]',
      'v F32 [2,3]',
    ])
  })

  it('takes no entry of another kind than a tensor', async () => {
    const entries: [string, Uint8Array | string][] = [
      ['w', tensorPickle()],
      ['epoch', integer(3)],
      ['nested', dict([['v', tensorPickle()]])],
    ]
    assert.deepEqual(shapes(await readTorchBytes(torchArchive(pickle(dict(entries)), { 0: sixNumbers }))), [
      'w F32 [2,3]',
    ])
  })

  it('finds storages past 4 GiB by the 64-bit fields of the archive', () =>
    withFolder(async dir => {
      const file = join(dir, 'model.bin')
      const entries = archiveEntries(pickle(dict([['w', tensorPickle()]])), { 0: sixNumbers })
      const offset = 5 * 2 ** 30 + 64
      const handle = openSync(file, 'w')
      for (const [at, piece] of zipPieces(entries, { placed: { 'archive/data/0': offset } }))
        writeSync(handle, piece, 0, piece.length, at)
      closeSync(handle)
      const [tensor] = await readTorchFile(file)
      assert.deepEqual(tensor, { name: 'w', file, offset, bytes: 24, type: 'F32', shape: [2, 3] })
    }))
})
