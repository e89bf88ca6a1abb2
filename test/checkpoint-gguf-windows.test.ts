// Sliding windows in GGUF files: which layers have one by the file's keys, and that a conversion writes and keeps them.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Checkpoint, LlamaConfig } from '../src/checkpoint/checkpoint.ts'
import { convert } from '../src/checkpoint/convert/convert.ts'
import { readGguf } from '../src/checkpoint/gguf/gguf.ts'
import { openCheckpoint } from '../src/checkpoint/open.ts'
import type { ErrorCode } from '../src/errors.ts'
import { type GgufValue, tinyMetadata, u32, u64, withFolder, writeFiles } from './checkpoint-files.ts'
import { tinyGguf } from './convert-files.ts'
import { carried, shared, sharedMissing } from './shared.ts'
import { skip } from './skip.ts'

const context = Number(tinyMetadata['llama.context_length'])
const window = 'llama.attention.sliding_window'
const pattern = 'llama.attention.sliding_window_pattern'

describe('sliding windows of a GGUF file', () => {
  const read: [name: string, keys: Record<string, GgufValue>, windows: number[]][] = [
    ['none without keys', {}, []],
    ['none of 0 tokens', { [window]: 0 }, []],
    ['one below the context, with a warning', { [window]: context - 1 }, [context - 1]],
    ['one token', { [window]: 1 }, [1]],
    ['none as long as the context', { [window]: context }, []],
    ['one that the pattern names', { [window]: 3, [pattern]: booleans(1) }, [3]],
    ['none that the pattern leaves out', { [window]: 3, [pattern]: booleans(0) }, []],
    ['none of a pattern alone', { [pattern]: booleans(1) }, []],
  ]
  for (const [name, keys, windows] of read) {
    it(`reads ${name}`, async () => {
      const { config, warnings } = await openTiny(keys)
      assert.deepEqual(config.windows, windows)
      assert.equal(config.architecture, windows.length > 0 ? 'MistralForCausalLM' : 'LlamaForCausalLM')
      const said =
        /^x\.gguf: "llama\.attention\.sliding_window" = \d+ counts here; llama\.cpp computes .* without/
      assert.deepEqual(
        warnings.map(warning => said.test(warning)),
        windows.map(() => true),
      )
    })
  }

  const refused: [name: string, keys: Record<string, GgufValue>, code: ErrorCode, message: RegExp][] = [
    [
      'a window that is no number',
      { [window]: 'long' },
      'CHECKPOINT_CORRUPT',
      /"llama\.attention\.sliding_window" is "long"; expected a whole number/,
    ],
    [
      'a pattern of other layers',
      { [window]: 3, [pattern]: booleans(1, 0) },
      'CHECKPOINT_CORRUPT',
      /sliding_window_pattern" is .*; llama\.block_count = 1 asks for 1 entries/,
    ],
    [
      'a period in the place of a pattern',
      { [window]: 3, [pattern]: 2 },
      'CHECKPOINT_UNSUPPORTED',
      /sliding_window_pattern" is 2; a list of booleans runs/,
    ],
  ]
  for (const [name, keys, code, message] of refused)
    it(`refuses ${name}`, () => assert.rejects(openTiny(keys), { code, message }))

  it('refuses so many layers that a list of their windows would fill the memory', () =>
    assert.rejects(openTiny({ [window]: 3, 'llama.block_count': 2 ** 24 }), {
      code: 'CHECKPOINT_CORRUPT',
      message: /"llama\.block_count" is 16777216; expected a whole number from 1 to 65536/,
    }))
})

describe('sliding windows in a conversion', () => {
  it('of a Mistral are written for all layers, read back, and stand in config.json again', () =>
    withFolder(async folder => {
      const source = await openCheckpoint(carried('hf', 'mistral-mqa-f16'))
      const windows = Array<number>(source.config.layers).fill(7)
      const { config, metadata, warnings } = await throughGguf(source, folder, { windows })
      assert.equal(metadata.get('general.architecture'), 'llama')
      assert.equal(metadata.get(window), 7)
      assert.ok(!metadata.has(pattern))
      assert.deepEqual(config.windows, windows)
      assert.equal(config.architecture, 'MistralForCausalLM')
      assert.match(
        warnings.join(),
        /^mistral-mqa-f16: has a sliding window of 7 tokens, which llama\.cpp does not apply/,
      )
      await convert(await openCheckpoint(join(folder, 'x.gguf')), join(folder, 'back'))
      const json = JSON.parse(readFileSync(join(folder, 'back', 'config.json'), 'utf8'))
      assert.deepEqual([json.architectures, json.sliding_window], [['MistralForCausalLM'], 7])
    }))

  it('of some layers of a Qwen are written with their pattern, and read back', async function () {
    if (sharedMissing) skip(this, sharedMissing)
    await withFolder(async folder => {
      const source = await openCheckpoint(shared('golden', 'sister', 'qwen3'))
      const windows = [source.config.contextLength, 9]
      const { config, metadata } = await throughGguf(source, folder, { windows })
      assert.equal(metadata.get('qwen3.attention.sliding_window'), 9)
      assert.deepEqual(metadata.get('qwen3.attention.sliding_window_pattern'), Uint8Array.of(0, 1))
      assert.deepEqual(config.windows, windows)
      await convert(await openCheckpoint(join(folder, 'x.gguf')), join(folder, 'back'))
      assert.deepEqual((await openCheckpoint(join(folder, 'back'))).config.windows, windows)
    })
  })

  it('refuses a window of some layers of a LLaMA, which transformers has no model for', () =>
    withFolder(async folder => {
      const source = await openCheckpoint(carried('hf', 'mistral-mqa-f16'))
      const windows = Array.from({ length: source.config.layers }, (_, layer) =>
        layer === 0 ? source.config.contextLength : 7,
      )
      await assert.rejects(throughGguf(source, folder, { windows }), {
        code: 'CHECKPOINT_UNSUPPORTED',
        message: /sliding_window_pattern" is .*; a LLaMA's layers all have a window or none has/,
      })
    }))
})

/** The checkpoint with another config, converted and opened. */
async function throughGguf(source: Checkpoint, folder: string, change: Partial<LlamaConfig>) {
  const file = join(folder, 'x.gguf')
  const warnings: string[] = []
  const changed = { ...source, config: { ...source.config, ...change } }
  await convert(changed, file, { onWarning: warning => warnings.push(warning) })
  const { config } = await openCheckpoint(file)
  return { config, warnings, metadata: (await readGguf(file)).metadata }
}

function openTiny(keys: Record<string, GgufValue>): Promise<Checkpoint> {
  return withFolder(async folder => {
    writeFiles(folder, { 'x.gguf': tinyGguf({}, keys) })
    return openCheckpoint(join(folder, 'x.gguf'))
  })
}

function booleans(...values: number[]): GgufValue {
  return { raw: Buffer.concat([u32(9), u32(7), u64(values.length), Buffer.from(values)]) }
}
