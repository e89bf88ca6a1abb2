// Makes random changes of bytes and of JSON.
import type { Random } from './random.ts'

/** Makes a changed copy: other bytes, a cut, a piece removed or repeated, or a number that lies about a size. */
export function mutateBytes(random: Random, bytes: Uint8Array): Buffer {
  let copy: Buffer = Buffer.from(bytes)
  for (let i = random.int(1, 3); i > 0; i--) {
    // Headers are at the start, and most of what can be wrong is in them.
    const at = random.below(random.chance(0.7) ? Math.min(copy.length, 400) : copy.length)
    copy = random.make<Buffer>([
      () =>
        Buffer.concat([
          copy.subarray(0, at),
          random.bytes(random.int(1, 4)),
          copy.subarray(at + random.int(0, 4)),
        ]),
      () => copy.subarray(0, at),
      () => Buffer.concat([copy.subarray(0, at), copy.subarray(at + random.int(1, 40))]),
      () => Buffer.concat([copy.subarray(0, at + random.int(1, 40)), copy.subarray(at)]),
      () => Buffer.concat([copy.subarray(0, at), size(random), copy.subarray(at + 8)]),
    ])
  }
  return copy
}

/** Makes eight bytes that a reader may take for a length, a count or an offset. */
function size(random: Random): Buffer {
  const bytes = Buffer.alloc(8)
  bytes.writeBigUInt64LE(
    random.pick([
      0n,
      1n,
      0x7fffffffn,
      0xffffffffn,
      2n ** 40n,
      2n ** 53n,
      2n ** 63n - 1n,
      2n ** 63n,
      2n ** 64n - 1n,
    ]),
  )
  return bytes
}

/** Makes a changed copy of a JSON value: somewhere in it a value is replaced, removed or added. */
export function mutateJson(random: Random, value: unknown): unknown {
  if (value === null || typeof value !== 'object' || random.chance(0.15)) return anyJson(random, 2)
  if (Array.isArray(value)) {
    const copy = [...value]
    const at = random.below(copy.length + 1)
    if (random.chance(0.2)) copy.splice(at, 1)
    else copy[at] = mutateJson(random, copy[at])
    return copy
  }
  const copy: Record<string, unknown> = { ...value }
  const names = Object.keys(copy)
  const name = names.length === 0 || random.chance(0.05) ? random.text() : random.pick(names)
  if (random.chance(0.15)) delete copy[name]
  else copy[name] = mutateJson(random, copy[name])
  return copy
}

function anyJson(random: Random, depth: number): unknown {
  return random.make<unknown>([
    () => null,
    () => random.chance(0.5),
    () => random.oddNumber(), // those that JSON has no word for become null
    () => random.int(0, 300),
    () => random.text(),
    () => random.pick(['BPE', 'Unigram', 'Sequence', 'llama3', 'yarn', 'linear', 'F16', 'LlamaForCausalLM']),
    () => (depth > 0 ? random.array(random.int(0, 3), () => anyJson(random, depth - 1)) : []),
    () =>
      depth > 0 ? { [random.text()]: anyJson(random, depth - 1), type: anyJson(random, depth - 1) } : {},
  ])
}
