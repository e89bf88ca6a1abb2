// Wrong arguments, a model to give them to, and calls that have to refuse them.
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { loadAddon } from '../../src/native/addon.ts'
import type { NativeModel, NativePack } from '../../src/native/types.ts'
import { newControl, randomPack, writeRandomModel } from './random-model.ts'

// biome-ignore lint/suspicious/noExplicitAny: wrong types are what is tested
export type Anything = any

export const cpu = { dtype: 'float32', device: 'cpu', threads: 0 } as const

/** What no argument of the addon may be. */
export const notThese = [undefined, null, 1, 'text', {}, [], new Float32Array(4), detached()]

/** A random model for the tests of a describe(), in which this is called: it is loaded before them and disposed after. */
export function testedModel() {
  const folder = mkdtempSync(path.join(tmpdir(), 'mt-llama-arguments-'))
  const random = writeRandomModel(folder)
  let model: NativeModel
  before(async () => {
    model = await loadAddon().load(random.config, random.tensors, cpu, newControl())
  })
  after(() => {
    model.dispose()
    rmSync(folder, { recursive: true })
  })
  return {
    random,
    model: () => model,
    /** Two sequences of three tokens, all next tokens scored: rows 0 1 3 4. */
    pack: (change: Partial<NativePack> = {}) => ({ ...randomPack(random.config, 2, 3), ...change }),
  }
}

/** Waits for the refusal, thrown or rejected, with one of the codes ('A|B'). */
export async function refuses(call: () => unknown, codes: string): Promise<{ error: Error }> {
  try {
    await call()
  } catch (error) {
    const { code } = error as { code?: string }
    assert.ok(codes.split('|').includes(code ?? 'none'), `want ${codes}, have ${code ?? 'no code'}: ${error}`)
    return { error: error as Error }
  }
  assert.fail(`want ${codes}, have no error`)
}

/** Makes an array whose buffer is detached. */
function detached(): Int32Array {
  const array = new Int32Array(4)
  structuredClone(array.buffer, { transfer: [array.buffer] })
  return array
}
