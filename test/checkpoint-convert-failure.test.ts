// A conversion that fails, or meets others in its place: nothing half is left, and what is not its own stays.
import assert from 'node:assert/strict'
import { mkdirSync, readdirSync, rmSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import type { ConvertOptions } from '../src/checkpoint/convert/convert.ts'
import { openCheckpoint } from '../src/checkpoint/open.ts'
import type { ErrorCode } from '../src/errors.ts'
import { withFolder, writeFiles } from './checkpoint-files.ts'
import { assertSameTensors, convertFile, floats, tinyGguf } from './convert-files.ts'
import { onTmpfs } from './tmpfs.ts'

describe('convert: failure leaves nothing behind', () => {
  const rows: [name: string, gguf: Uint8Array, options: ConvertOptions, code: ErrorCode, message: RegExp][] =
    [
      ['a broken file', Buffer.from('GGUF'), {}, 'CHECKPOINT_CORRUPT', /x\.gguf/],
      [
        "a value past float16's range",
        tinyGguf({
          'output_norm.weight': { type: 'F32', shape: [8], data: floats(1, 2, 3, -70000, 5, 6, 7, 8) },
        }),
        { dtype: 'float16' },
        'WEIGHT_NOT_FINITE',
        /x\.gguf: "model\.norm\.weight": element 3 is -70000\.0+, which is too large for F16/,
      ],
      [
        'a signal',
        tinyGguf(),
        { signal: AbortSignal.abort() },
        'ABORTED',
        /x\.gguf: the conversion was stopped/,
      ],
      [
        'factors that are no llama3 scaling',
        tinyGguf({ 'rope_freqs.weight': { type: 'F32', shape: [2], data: floats(3, 2) } }),
        {},
        'CHECKPOINT_UNSUPPORTED',
        /x\.gguf: "rope_freqs\.weight" is no llama3 scaling/,
      ],
    ]
  for (const [name, gguf, options, code, message] of rows) {
    it(`of ${name}`, () =>
      withFolder(async folder => {
        writeFiles(folder, { 'x.gguf': gguf })
        await assert.rejects(convertFile(join(folder, 'x.gguf'), join(folder, 'out'), options), {
          code,
          message,
        })
        assert.deepEqual(readdirSync(folder), ['x.gguf'])
      }))
  }

  it('takes an empty folder, no file and no folder with anything in it', () =>
    withFolder(async folder => {
      writeFiles(folder, { 'x.gguf': tinyGguf() })
      const file = join(folder, 'x.gguf')
      mkdirSync(join(folder, 'empty'))
      await convertFile(file, join(folder, 'empty'))
      await openCheckpoint(join(folder, 'empty'))
      await assert.rejects(convertFile(file, join(folder, 'empty')), {
        code: 'OUTPUT',
        message: /empty: is not empty/,
      })
      await assert.rejects(convertFile(file, file), {
        code: 'OUTPUT',
        message: /x\.gguf: is there; give a new file/,
      })
      await convertFile(file, join(folder, 'deep', 'er'))
      await assert.rejects(convertFile(file, join(file, 'out')), { code: 'OUTPUT' })
    }))
})

describe('convert: others that write to the same folder', () => {
  const convertTo = (folder: string, options: ConvertOptions = {}) => {
    writeFiles(folder, { 'x.gguf': tinyGguf() })
    return convertFile(join(folder, 'x.gguf'), join(folder, 'out'), options)
  }

  it('are refused while one runs, and it comes to its end', () =>
    withFolder(async folder => {
      const outcomes: string[] = []
      let other: Promise<unknown> | undefined
      await convertTo(folder, {
        onProgress: () => {
          other ??= convertFile(join(folder, 'x.gguf'), join(folder, 'out')).catch(error =>
            outcomes.push(error.message),
          )
        },
      })
      await other
      assert.match(
        outcomes.join(),
        /out is being written by this process\. Name another folder\.|out: is not empty/,
      )
      assert.deepEqual(readdirSync(folder), ['out', 'x.gguf'])
      await openCheckpoint(join(folder, 'out'))
    }))

  it('that no conversion has made are left alone, and named where they are in the way', () =>
    withFolder(async folder => {
      mkdirSync(join(folder, 'out.partial'))
      writeFiles(folder, { 'out.partial/model.safetensors': Buffer.from('half') })
      await assert.rejects(convertTo(folder), {
        code: 'OUTPUT',
        message: /out\.partial: is in the way, and no conversion has left it/,
      })
      assert.deepEqual(readdirSync(folder).sort(), ['out.partial', 'x.gguf'])
    }))

  it('links are not followed: in place of the folder, to an empty one too', () =>
    withFolder(async folder => {
      mkdirSync(join(folder, 'empty'))
      for (const to of ['empty', 'nothing']) {
        symlinkSync(join(folder, to), join(folder, 'out'))
        await assert.rejects(convertTo(folder), {
          code: 'OUTPUT',
          message: /out: is a link; give a new folder/,
        })
        rmSync(join(folder, 'out'))
      }
      assert.deepEqual(readdirSync(folder).sort(), ['empty', 'x.gguf'])
    }))

  it('a disk that fills up is named, and once there is room the rest is written', async function () {
    await withFolder(async folder => {
      const disk = join(folder, 'disk')
      mkdirSync(disk)
      await onTmpfs(this, disk, 'size=32k', async remount => {
        // Shards of one tensor: 11 of them do not fit into 8 pages.
        const options = { maxShardBytes: 1 }
        writeFiles(folder, { 'x.gguf': tinyGguf() })
        const out = join(disk, 'out')
        await assert.rejects(convertFile(join(folder, 'x.gguf'), out, options), {
          code: 'OUTPUT',
          message:
            /disk\/out: the disk is full\. What is finished is kept in .*out\.partial, and the same call goes on with it; make room/,
        })
        assert.deepEqual(
          readdirSync(disk).filter(name => !name.startsWith('out.partial')),
          [],
        )
        await remount('size=4m')
        let kept = 0
        await convertFile(join(folder, 'x.gguf'), out, { ...options, onResume: bytes => (kept = bytes) })
        assert.ok(kept > 0)
        assert.deepEqual(readdirSync(disk), ['out'])
        await assertSameTensors(await openCheckpoint(join(folder, 'x.gguf')), await openCheckpoint(out))
      })
    })
  })
})
