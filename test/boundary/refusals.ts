// Wrong arguments, and calls that have to refuse them.
import assert from 'node:assert/strict'

// biome-ignore lint/suspicious/noExplicitAny: wrong types are what is tested
export type Anything = any

export const cpu = { dtype: 'float32', device: 'cpu', threads: 0 } as const

/** What no argument of the addon may be. */
export const notThese = [undefined, null, 1, 'text', {}, [], new Float32Array(4), detached()]

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
