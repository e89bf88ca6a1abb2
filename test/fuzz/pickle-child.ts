// Reads files of torch.save with random damage: to the file, to an entry of its archive, to the opcodes of its pickle. Every
// failure is an MtLlamaError with a known code; every tensor that is found lies whole in the file, of an archive in one entry.
import assert from 'node:assert/strict'
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { open } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { readTorchFile } from '../../src/checkpoint/pickle/torch-file.ts'
import { type Place, Zip } from '../../src/checkpoint/pickle/zip.ts'
import { MtLlamaError } from '../../src/index.ts'
import { u32, u64 } from '../checkpoint-files.ts'
import { carried } from '../shared.ts'
import { bytes, global, tensorPickle, text, tuple, zipBytes } from '../torch-files.ts'
import { checkError, runCases } from './cases.ts'
import { mutateBytes } from './mutate.ts'
import type { Random } from './random.ts'

type Entries = [name: string, content: Buffer][]

const folder = mkdtempSync(path.join(tmpdir(), 'mt-llama-fuzz-'))
process.on('exit', () => rmSync(folder, { recursive: true, force: true }))
const file = path.join(folder, 'model.bin')
const seeds = readdirSync(carried('torch'))
  .filter(name => name.endsWith('.bin'))
  .map(name => carried('torch', name))
const wholes = seeds.map(seed => readFileSync(seed))
const archives = (await Promise.all(seeds.map(entriesOf))).filter(entries => entries.length > 0)

await runCases(async random => {
  const content = random.chance(0.4) ? damagedFile(random) : damagedArchive(random)
  writeFileSync(file, content)
  let tensors: Awaited<ReturnType<typeof readTorchFile>>
  try {
    tensors = await readTorchFile(file)
  } catch (error) {
    checkError(error, 'readTorchFile', MtLlamaError)
    assert.ok((error as Error).message.startsWith('model.bin: '), String(error))
    return
  }
  const places = await placesOf(file)
  if (places.length === 0) places.push({ name: 'the file', offset: 0, bytes: content.length })
  for (const { name, offset, bytes, shape, type } of tensors) {
    if (/ with strides /.test(type)) continue
    const elements = shape.reduce((product, n) => product * n, 1)
    const found = `${name}: ${bytes} bytes at ${offset} of ${content.length}, ${type} [${shape}]`
    const inside = places.some(
      place => place.offset <= offset && offset + bytes <= place.offset + place.bytes,
    )
    assert.ok(Number.isSafeInteger(offset) && inside, found)
    assert.ok(elements === 0 || bytes % elements === 0, found)
  }
})

/** Where the entries of an archive lie; none where it is in the old format, or not stored. */
async function placesOf(file: string): Promise<(Place & { name: string })[]> {
  const handle = await open(file)
  try {
    const zip = await Zip.open(handle, (await handle.stat()).size, file)
    return await Promise.all(zip.names().map(async name => ({ name, ...(await zip.place(name))! })))
  } catch (error) {
    checkError(error, 'Zip', MtLlamaError)
    return []
  } finally {
    await handle.close()
  }
}

async function entriesOf(file: string): Promise<Entries> {
  const content = readFileSync(file)
  const places = await placesOf(file)
  return places.map(({ name, offset, bytes }) => [name, content.subarray(offset, offset + bytes)])
}

function damagedFile(random: Random): Buffer {
  const content = mutateBytes(random, random.pick(wholes))
  if (!random.chance(0.3)) return content
  // The directory of an archive is at its end.
  const end = content.subarray(-400)
  return Buffer.concat([content.subarray(0, -400), mutateBytes(random, end)])
}

function damagedArchive(random: Random): Buffer {
  const entries: Entries = random.pick(archives).map(([name, content]) => [name, content])
  const pickle = entries.find(([name]) => name.endsWith('/data.pkl'))!
  for (let i = random.int(1, 2); i > 0; i--)
    pickle[1] = random.pick([spliced, numbered, mutateBytes])(random, pickle[1])
  if (random.chance(0.2)) entries.splice(random.below(entries.length), 1)
  return zipBytes(entries, { method: random.chance(0.02) ? 8 : 0 })
}

/** Another number in the place of one of a byte: a shape, a stride, an offset or a size. */
function numbered(random: Random, pickle: Buffer): Buffer {
  const copy = Buffer.from(pickle)
  const numbers = [...copy.keys()].filter(i => copy[i] === 0x4b && i + 1 < copy.length)
  if (numbers.length > 0) copy[random.pick(numbers) + 1] = random.below(256)
  return copy
}

/** Some opcodes put into a pickle, or in the place of others. */
function spliced(random: Random, pickle: Buffer): Buffer {
  const at = random.below(pickle.length)
  const size = () => random.pick([0, 1, 3, 100, 2 ** 16, 2 ** 31, 2 ** 32 - 1])
  const opcode = random.make<Uint8Array>([
    () => random.bytes(1),
    () =>
      bytes(random.pick([...'N)}](tuseabRQ0129', '\x85', '\x86', '\x87', '\x88', '\x93', '\x94', '\x81'])),
    () => bytes(random.pick([...'XTBjr', '\x8b']), u32(size())),
    () =>
      bytes(random.pick(['\x8d', '\x8e', '\x95', '\x96']), u64(random.pick([0, 7, 2 ** 40, 2n ** 64n - 1n]))),
    () => bytes(random.pick(['\x8a', 'U', 'C', 'h', 'q', 'K']), random.below(256)),
    () => bytes(random.pick(['I', 'L', 'F', 'S']), random.pick(['01', '7', '-9', 'x', '9'.repeat(50)]), '\n'),
    () =>
      bytes(
        global(
          random.pick(['torch', 'torch._utils', 'os', 'collections']),
          random.pick([
            'Size',
            'system',
            '_rebuild_tensor_v2',
            '_rebuild_parameter',
            'OrderedDict',
            'FloatStorage',
          ]),
        ),
      ),
    () => text(random.text()),
    () => tuple(text('storage'), global('torch', 'HalfStorage'), text('0'), 'N', 'K', random.below(9)),
    () =>
      tensorPickle({
        offset: random.int(-1, 3),
        shape: [random.below(4), size()],
        strides: [random.int(0, 4), 1],
      }),
  ])
  return Buffer.concat([pickle.subarray(0, at), opcode, pickle.subarray(at + random.pick([0, 0, 1, 2, 5]))])
}
