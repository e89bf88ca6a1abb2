// Opens files that are made to fill the memory: it may take a few times their size, whatever they declare.
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { safetensorsWithHeader, tinyConfig, u32, u64, withFolder, writeFiles } from './checkpoint-files.ts'
import { childLimit } from './child-limit.ts'
import { skip } from './skip.ts'
import { pickle, torchArchive, zipBytes } from './torch-files.ts'

const program = fileURLToPath(new URL('open-peak.ts', import.meta.url))
/** Bytes that reading any checkpoint takes at all: code, buffers, room of the garbage collector. */
const baseBytes = 64 * 2 ** 20

const config = JSON.stringify(tinyConfig)
const repeated = (count: number, text: (i: number) => string) =>
  Array.from({ length: count }, (_, i) => text(i)).join(',')
const withHeader = (header: string) => ({
  'config.json': config,
  'model.safetensors': safetensorsWithHeader(header),
})
/** A pickle of this opcode again and again, in an archive of torch.save. */
const repeatedOpcode = (before: string, opcode: Buffer | string, count = 1_000_000) => ({
  'config.json': config,
  'pytorch_model.bin': torchArchive(
    pickle(before, Buffer.from(String(opcode).repeat(count / String(opcode).length), 'latin1')),
    {},
  ),
})
const emptyArrays = (count: number) =>
  Buffer.concat([
    Buffer.concat([Buffer.from('GGUF'), u32(3), u64(0), u64(1), u64(1), Buffer.from('x')]),
    Buffer.concat([u32(9), u32(9), u64(count)]),
    Buffer.alloc(12 * count),
  ])

const rows: [name: string, files: () => Record<string, string | Buffer>, message: RegExp][] = [
  [
    'a GGUF of empty arrays in an array',
    () => ({ 'model.gguf': emptyArrays(4_000_000) }),
    /^model\.gguf: "x" is an array of arrays/,
  ],
  [
    'a safetensors header of empty lists',
    () => withHeader(`{"x":[${repeated(2_000_000, () => '[]')}]}`),
    /^model\.safetensors: "x" is \[\[\],\[\].*; expected dtype/,
  ],
  [
    'a safetensors header of empty lists in a shape',
    () => withHeader(`{"x":{"dtype":"F32","shape":[${repeated(2_000_000, () => '[]')}]}}`),
    /^model\.safetensors: "x" is \{"dtype".*; expected dtype/,
  ],
  [
    'a safetensors header of short keys',
    () => withHeader(`{${repeated(600_000, i => `"${i.toString(36)}":0`)}}`),
    /^model\.safetensors: "0" is 0; expected dtype/,
  ],
  [
    'a safetensors header of short keys in its metadata',
    () => withHeader(`{"__metadata__":{${repeated(600_000, i => `"${i.toString(36)}":0`)}}}`),
    /no tensor/,
  ],
  [
    'an index of empty lists',
    () => ({
      'config.json': config,
      'model.safetensors.index.json': `{"weight_map":{"x":[${repeated(2_000_000, () => '[]')}]}}`,
    }),
    /"x" is in \[\[\],/,
  ],
  [
    'a config of empty lists',
    () => ({ 'config.json': `{"x":[${repeated(2_000_000, () => '[]')}]}` }),
    /^config\.json: more than 501000 lists and objects in 6000007 characters/,
  ],
  [
    'a config larger than any',
    () => ({ 'config.json': `{${repeated(3_000_000, i => `"${i.toString(36)}":0`)}}` }),
    /^config\.json: 28\d{6} bytes; at most 16777216 are read/,
  ],
  ['a pickle of dicts', () => repeatedOpcode('', '}'), /byte 10048: more than 10000 values wait/],
  ['a pickle of dicts in a list', () => repeatedOpcode(']', '}a'), /makes values of more than 12 MiB/],
  ['a pickle of lists in a list', () => repeatedOpcode(']', ']a'), /makes values of more than 12 MiB/],
  ['a pickle of tuples in tuples', () => repeatedOpcode(')', '\x85'), /makes values of more than 12 MiB/],
  ['a pickle of short texts in a list', () => repeatedOpcode(']', '\x8c\x02aba'), /more than 12 MiB/],
  ['a pickle of one value in a list', () => repeatedOpcode(']', 'Na'), /holds a list/],
  ['a pickle of one value in the memo', () => repeatedOpcode('N', '\x94'), /more than 12 MiB/],
  [
    'a pickle of numbers in a list',
    () => repeatedOpcode(']', '\x8a\x09\x00\x00\x00\x00\x00\x00\x00\x00\x01a'),
    /holds a list/,
  ],
  ['a pickle of lists of one value', () => repeatedOpcode(']', ']Naa'), /more than 12 MiB/],
  ['a pickle of dicts of one value', () => repeatedOpcode(']', '}NNsa'), /more than 12 MiB/],
  [
    'a pickle whose calls take a list again and again',
    () =>
      repeatedOpcode(
        `]q\x01(${'K\x01K\x02\x86'.repeat(1000)}e0`.slice(0, -1),
        'ccollections\nOrderedDict\nh\x01\x85Rq\x02',
      ),
    /more than 12 MiB/,
  ],
  [
    'an archive of many entries',
    () => ({
      'config.json': config,
      'pytorch_model.bin': zipBytes(Array.from({ length: 8192 }, (_, i) => [`a/${i}`, Buffer.of()])),
    }),
    /a zip archive of \["a\/0"/,
  ],
]

describe('memory of opening a checkpoint', () => {
  before(function () {
    if (process.platform !== 'linux') skip(this, 'only Linux tells the peak of a process')
  })

  for (const [name, files, message] of rows)
    it(`stays near the size of ${name}`, () =>
      withFolder(async folder => {
        const all = files()
        writeFiles(folder, all)
        const { stdout, stderr } = spawnSync(process.execPath, ['--import', 'tsx', program, folder], {
          ...childLimit,
          encoding: 'utf8',
        })
        assert.notEqual(stdout, '', stderr)
        const { error, peakBytes } = JSON.parse(stdout)
        assert.match(error?.message ?? 'opened', message)
        const size = Object.values(all).reduce((sum, file) => sum + file.length, 0)
        const peak = `${(peakBytes / 2 ** 20).toFixed(0)} MiB for ${(size / 2 ** 20).toFixed(1)} MiB of files`
        assert.ok(peakBytes < baseBytes + 4 * size, peak)
        console.log(`      ${peak}`)
      }))
})
