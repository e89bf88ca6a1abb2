// A conversion that is stopped or killed: nothing half stands in its place, and the next one goes on.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { readdirSync, readFileSync, rmSync, statSync, truncateSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type ConvertOptions, convert } from '../src/checkpoint/convert/convert.ts'
import { openCheckpoint } from '../src/checkpoint/open.ts'
import { safetensorsBytes, tinyConfig, tinyTensors, withFolder, writeFiles } from './checkpoint-files.ts'
import { childLimit } from './child-limit.ts'

/** A folder `from` whose numbers all differ. */
function writeSource(folder: string): void {
  const tensors = tinyTensors()
  let next = 0
  for (const tensor of tensors.values()) {
    const length = tensor.shape.reduce((a, b) => a * b)
    tensor.data = new Uint8Array(Float32Array.from({ length }, () => ++next / 8).buffer)
  }
  writeFiles(join(folder, 'from'), {
    'config.json': tinyConfig,
    'model.safetensors': safetensorsBytes(tensors),
  })
}

async function convertIn(folder: string, out: string, options: ConvertOptions): Promise<void> {
  await convert(await openCheckpoint(join(folder, 'from')), join(folder, out), options)
}

/** All files of what was written, by name. */
function content(path: string): Record<string, Buffer> {
  if (statSync(path).isFile()) return { '': readFileSync(path) }
  return Object.fromEntries(readdirSync(path).map(name => [name, readFileSync(join(path, name))]))
}

/** Converts, and stops after so many pieces of the tensors. */
async function stopAfter(
  folder: string,
  out: string,
  pieces: number,
  options: ConvertOptions,
): Promise<void> {
  const stop = new AbortController()
  let seen = 0
  const onProgress = () => {
    if (++seen === pieces) stop.abort()
  }
  await assert.rejects(convertIn(folder, out, { ...options, onProgress, signal: stop.signal }), {
    code: 'ABORTED',
    message:
      /from: the conversion was stopped\. What is finished is kept in .*partial, and the same call goes on/,
  })
}

const targets: [name: string, out: string, options: ConvertOptions][] = [
  ['a single file', 'out', {}],
  ['a GGUF file', 'out.gguf', {}],
  ['shards', 'out', { maxShardBytes: 600, dtype: 'bfloat16' }],
]

for (const [name, out, options] of targets) {
  const whole = `whole-${out}`
  describe(`convert, stopped: ${name}`, () => {
    it('goes on where it was, and writes the same bytes', () =>
      withFolder(async folder => {
        writeSource(folder)
        let pieces = 0
        await convertIn(folder, whole, { ...options, onProgress: () => pieces++ })
        const expected = content(join(folder, whole))
        assert.ok(pieces > 10)
        for (const stopAt of [1, 2, 7, pieces - 1]) {
          await stopAfter(folder, out, stopAt, options)
          assert.deepEqual(readdirSync(folder).sort(), [
            'from',
            `${out}.partial`,
            `${out}.partial.json`,
            whole,
          ])
          const kept: number[] = []
          let more = 0
          await convertIn(folder, out, {
            ...options,
            onResume: bytes => kept.push(bytes),
            onProgress: () => more++,
          })
          assert.equal(kept.length, 1)
          assert.equal(more, pieces - stopAt)
          assert.deepEqual(content(join(folder, out)), expected)
          assert.deepEqual(readdirSync(folder).sort(), ['from', out, whole].sort())
          rmSync(join(folder, out), { recursive: true })
        }
      }))

    const changes: [name: string, change: (folder: string) => ConvertOptions | undefined][] = [
      ['another dtype', () => ({ ...options, dtype: 'float16' })],
      [
        'a source that was touched',
        folder => {
          utimesSync(join(folder, 'from', 'model.safetensors'), 1, 1)
          return undefined
        },
      ],
      [
        'a broken record',
        folder => {
          const record = join(folder, `${out}.partial.json`)
          const { conversion } = JSON.parse(readFileSync(record, 'utf8'))
          writeFileSync(record, JSON.stringify({ conversion, file: 1e6, bytes: 7 }))
          return undefined
        },
      ],
      [
        'an output that is shorter than the record says',
        folder => {
          const partial = join(folder, `${out}.partial`)
          if (statSync(partial).isFile()) truncateSync(partial, 3)
          else
            for (const file of readdirSync(partial))
              if (file.endsWith('.safetensors')) truncateSync(join(partial, file), 3)
          return undefined
        },
      ],
    ]
    for (const [change, make] of changes) {
      it(`writes all anew, or what is missing, after ${change}`, () =>
        withFolder(async folder => {
          writeSource(folder)
          await stopAfter(folder, out, 5, options)
          const changed = make(folder) ?? options
          await convertIn(folder, out, changed)
          await convertIn(folder, whole, changed)
          assert.deepEqual(content(join(folder, out)), content(join(folder, whole)))
          assert.deepEqual(readdirSync(folder).sort(), ['from', out, whole].sort())
        }))
    }

    it('leaves the output whole or absent when it is killed', () =>
      withFolder(async folder => {
        writeSource(folder)
        await convertIn(folder, whole, options)
        const expected = content(join(folder, whole))
        rmSync(join(folder, whole), { recursive: true })
        for (const piece of [1, 9]) {
          await killedAt(piece, join(folder, 'from'), join(folder, out), options)
          assert.ok(!readdirSync(folder).includes(out))
          let kept = -1
          await convertIn(folder, out, { ...options, onResume: bytes => (kept = bytes) })
          assert.notEqual(kept, -1)
          assert.deepEqual(content(join(folder, out)), expected)
          assert.deepEqual(readdirSync(folder).sort(), ['from', out].sort())
          rmSync(join(folder, out), { recursive: true })
        }
      }))
  })
}

describe('convert: the source', () => {
  it('that changes meanwhile is an error, and nothing is left', () =>
    withFolder(async folder => {
      writeSource(folder)
      const onProgress = () => utimesSync(join(folder, 'from', 'model.safetensors'), 1, 1)
      await assert.rejects(convertIn(folder, 'out', { onProgress }), {
        code: 'CHECKPOINT_CORRUPT',
        message: /from: was changed while it was converted/,
      })
      assert.deepEqual(readdirSync(folder), ['from'])
    }))
})

/** Converts in a process that ends by SIGKILL after so many pieces. */
function killedAt(piece: number, from: string, out: string, options: ConvertOptions): Promise<void> {
  const script = `
    import { convert } from './src/checkpoint/convert/convert.ts'
    import { openCheckpoint } from './src/checkpoint/open.ts'
    let seen = 0
    const onProgress = () => { if (++seen === ${piece}) process.kill(process.pid, 'SIGKILL') }
    await convert(await openCheckpoint(${JSON.stringify(from)}), ${JSON.stringify(out)},
      { ...${JSON.stringify(options)}, onProgress })`
  const child = spawn(process.execPath, ['--import', 'tsx', '--input-type=module', '-e', script], {
    ...childLimit,
    stdio: ['ignore', 'ignore', 'inherit'],
  })
  return new Promise((resolve, reject) => {
    child.on('error', reject)
    child.on('close', (code, signal) =>
      signal === 'SIGKILL' ? resolve() : reject(new Error(`the conversion ended with ${signal ?? code}`)),
    )
  })
}
