// GGUF models in parts: as gguf-py writes them, and sets that are not one model.
import assert from 'node:assert/strict'
import { copyFileSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { convert } from '../src/checkpoint/convert/convert.ts'
import { ggmlName } from '../src/checkpoint/gguf/gguf-llama.ts'
import { openCheckpoint } from '../src/checkpoint/open.ts'
import type { ErrorCode } from '../src/errors.ts'
import { loadModel } from '../src/index.ts'
import {
  type GgufValue,
  ggufBytes,
  tinyMetadata,
  tinyTensors,
  withFolder,
  writeFiles,
} from './checkpoint-files.ts'
import { carried } from './shared.ts'

const folder = carried('gguf_split')
const whole = join(folder, 'whole.gguf')
const sets = {
  parts: 'parts-00001-of-00003.gguf',
  'metadata-first': 'metadata-first-00001-of-00004.gguf',
}

async function logits(path: string): Promise<Uint32Array> {
  await using model = await loadModel(path, { dtype: 'float32' })
  return new Uint32Array((await model.logits([1, 2, 3])).buffer)
}

describe('GGUF models in parts', () => {
  for (const [set, first] of Object.entries(sets)) {
    const names = readdirSync(folder).filter(name => name.startsWith(`${set}-0`))

    for (const name of names)
      it(`are one model, whichever is opened: ${name}`, async () => {
        const opened = await openCheckpoint(join(folder, name))
        assert.deepEqual(opened.config, (await openCheckpoint(whole)).config)
        assert.equal(opened.chatTemplateFile, first)
        assert.deepEqual(opened.warnings, [])
        assert.deepEqual(await logits(join(folder, name)), await logits(whole))
      })

    it(`are one model in a folder that holds them alone: ${set}`, () =>
      withFolder(async dir => {
        for (const name of names) copyFileSync(join(folder, name), join(dir, name))
        assert.deepEqual(await logits(dir), await logits(whole))
      }))

    it(`are converted whole: ${set}`, () =>
      withFolder(async dir => {
        await convert(await openCheckpoint(join(folder, names.at(-1)!)), join(dir, 'converted'))
        assert.deepEqual(await logits(join(dir, 'converted')), await logits(whole))
      }))
  }

  it('are several models in a folder with several', () =>
    assert.rejects(openCheckpoint(folder), {
      code: 'CHECKPOINT_UNSUPPORTED',
      message: new RegExp(`holds ${sets['metadata-first']}, ${sets.parts}, whole.gguf; name one of them`),
    }))
})

const tensors = [...tinyTensors()].map(([name, tensor]) => [ggmlName(name), tensor] as const)

/** Metadata and tensors of a part; those of a good set where nothing is said. */
interface Part {
  name?: string
  metadata?: Record<string, GgufValue | undefined>
  tensors?: readonly (typeof tensors)[number][]
}

/** A set of three whose parts differ from a good one; undefined: the part is not there. */
function files(...changes: (Part | undefined)[]): Record<string, Buffer> {
  const found: Record<string, Buffer> = {}
  const count = Math.max(3, changes.length)
  for (let i = 0; i < count; i++) {
    if (i in changes && changes[i] === undefined) continue
    const change = changes[i] ?? {}
    const metadata: Record<string, GgufValue | undefined> = {
      ...(i === 0 ? { ...tinyMetadata, 'llama.attention.layer_norm_rms_epsilon': 0.5 ** 20 } : {}),
      'split.no': i,
      'split.count': 3,
      'split.tensors.count': tensors.length,
      ...change.metadata,
    }
    const defined = Object.entries(metadata).filter(
      (entry): entry is [string, GgufValue] => entry[1] !== undefined,
    )
    found[change.name ?? `x-0000${i + 1}-of-00003.gguf`] = ggufBytes(
      Object.fromEntries(defined),
      new Map(change.tensors ?? tensors.slice(4 * i, 4 * i + 4)),
    )
  }
  return found
}

const refused: [name: string, files: Record<string, Buffer>, code: ErrorCode, message: RegExp][] = [
  [
    'a missing part',
    files({}, undefined),
    'CHECKPOINT_NOT_FOUND',
    /x-00002-of-00003\.gguf: no such file, but x-00001-of-00003\.gguf is one of 3 parts\. Is the download complete\?/,
  ],
  [
    'a part past the last',
    files({}, {}, {}, { name: 'x-00004-of-00003.gguf' }),
    'CHECKPOINT_CORRUPT',
    /^x-00004-of-00003\.gguf: beside x-00001-of-00003\.gguf, whose model has parts 1 to 3/,
  ],
  [
    'a part before the first',
    files({}, {}, {}, { name: 'x-00000-of-00003.gguf' }),
    'CHECKPOINT_CORRUPT',
    /^x-00000-of-00003\.gguf: beside x-0000\d-of-00003\.gguf, whose model has parts 1 to 3/,
  ],
  [
    'two parts whose names were swapped',
    files({}, { name: 'x-00003-of-00003.gguf' }, { name: 'x-00002-of-00003.gguf' }),
    'CHECKPOINT_CORRUPT',
    /^x-00002-of-00003\.gguf: "split\.no" is 2; its name makes it 1$/,
  ],
  [
    'a part that does not say which it is',
    files({}, { metadata: { 'split.no': undefined } }),
    'CHECKPOINT_CORRUPT',
    /^x-00002-of-00003\.gguf: no "split\.no"; its name makes it 1$/,
  ],
  [
    'a first part that says it is the only one',
    files({ metadata: { 'split.count': undefined } }),
    'CHECKPOINT_CORRUPT',
    /^x-00001-of-00003\.gguf: no "split\.count"; its name makes it 3$/,
  ],
  [
    'names of more parts than there were',
    files(
      { metadata: { 'split.count': 2 } },
      { metadata: { 'split.count': 2 } },
      { metadata: { 'split.count': 2 } },
    ),
    'CHECKPOINT_CORRUPT',
    /^x-00001-of-00003\.gguf: "split\.count" is 2; its name makes it 3$/,
  ],
  [
    'a part of a set of another size',
    files({}, {}, { metadata: { 'split.count': 4 } }),
    'CHECKPOINT_CORRUPT',
    /^x-00003-of-00003\.gguf: "split\.count" is 4; the first part has 3\. Is it another model's\?$/,
  ],
  [
    'a part of another model',
    files({}, { metadata: { 'general.architecture': 'qwen2' } }),
    'CHECKPOINT_CORRUPT',
    /^x-00002-of-00003\.gguf: "general\.architecture" is "qwen2"; the first part has "llama"/,
  ],
  [
    'a tensor in two parts',
    files({}, { tensors: tensors.slice(3, 8) }),
    'CHECKPOINT_CORRUPT',
    /^x-00002-of-00003\.gguf: the tensor "blk\.0\.attn_k\.weight" is in x-00001-of-00003\.gguf too$/,
  ],
  [
    'fewer tensors than the parts should hold',
    files({}, {}, { tensors: [] }),
    'CHECKPOINT_CORRUPT',
    /^x-00001-of-00003\.gguf: "split\.tensors\.count" is 12; the 3 parts hold 8 tensors$/,
  ],
  [
    'a tensor that no part has',
    files(
      ...[0, 1, 2].map(i => ({
        metadata: { 'split.tensors.count': 11 },
        ...(i === 2 ? { tensors: tensors.slice(8).filter(([name]) => name !== 'output_norm.weight') } : {}),
      })),
    ),
    'TENSOR_MISSING',
    /^x-00001-of-00003\.gguf and its 2 other parts: no tensor "output_norm\.weight"/,
  ],
  [
    'a part that was renamed',
    { 'renamed.gguf': Object.values(files())[0]! },
    'CHECKPOINT_CORRUPT',
    /^renamed\.gguf: "split\.count" is 3; parts are found by their names/,
  ],
  [
    'a part that is no GGUF file',
    { ...files(), 'x-00003-of-00003.gguf': Buffer.from('version https://git-lfs') },
    'CHECKPOINT_CORRUPT',
    /^x-00003-of-00003\.gguf: begins with "vers", not "GGUF"/,
  ],
]

describe('GGUF models in parts: refused', () => {
  it('is nothing of a good set', () =>
    withFolder(async dir => {
      writeFiles(dir, files())
      await openCheckpoint(dir)
      await openCheckpoint(join(dir, 'x-00002-of-00003.gguf'))
    }))

  for (const [name, content, code, message] of refused)
    it(`${name}, in a folder and by name`, () =>
      withFolder(async dir => {
        writeFiles(dir, content)
        await assert.rejects(openCheckpoint(dir), { code, message })
        await assert.rejects(openCheckpoint(join(dir, Object.keys(content)[0]!)), { code, message })
      }))
})
