// Makes random choices for fuzzers, the same ones for the same seed.
import { randomNumbers } from '../attention-oracle.ts'

/** A getter of an argument throws this on purpose: it has to come back as it is. */
export class OnPurpose extends Error {}

export class Random {
  private readonly next: () => number

  /** Cases of a seed have numbers of their own, so that one can be run again alone. */
  constructor(seed: number, index: number) {
    this.next = randomNumbers(Math.imul(seed, 0x9e3779b1) ^ Math.imul(index + 1, 0x85ebca6b))
    this.next()
  }

  /** A whole number from 0 to n - 1. */
  below(n: number): number {
    return Math.floor(this.next() * n)
  }
  /** A whole number from low to high. */
  int(low: number, high: number): number {
    return low + this.below(high - low + 1)
  }
  chance(probability: number): boolean {
    return this.next() < probability
  }
  pick<T>(from: readonly T[]): T {
    return from[this.below(from.length)]!
  }
  /** One of the makers' values. */
  make<T>(makers: readonly (() => T)[]): T {
    return this.pick(makers)()
  }
  array<T>(length: number, make: (index: number) => T): T[] {
    return Array.from({ length }, (_, index) => make(index))
  }
  bytes(length: number): Uint8Array {
    return Uint8Array.from({ length }, () => this.below(256))
  }

  /** A number that code seldom expects. */
  oddNumber(): number {
    return this.pick([
      ...[0, -0, -1, 1, 0.5, -1.5, 1e-320, 1e308, 255, 65_536, 2 ** 24, 2 ** 31 - 1, 2 ** 31, -(2 ** 31)],
      ...[2 ** 32, 2 ** 32 + 1, 2 ** 53, 2 ** 63, 2 ** 64, Number.NaN, Infinity, -Infinity],
    ])
  }
  text(): string {
    return this.pick([
      '',
      ' ',
      'a',
      'Zoo 1',
      '\0',
      'a\0b',
      'ä漢😀',
      '\ud800',
      '\n\t',
      '<s>',
      '{{',
      '__proto__',
      'x'.repeat(300),
    ])
  }

  /** A value of any type. */
  anything(): unknown {
    return this.make<unknown>([
      () => undefined,
      () => null,
      () => this.chance(0.5),
      () => this.oddNumber(),
      () => this.int(-3, 300),
      () => this.text(),
      () => Symbol('s'),
      () => BigInt(this.int(-2, 300)),
      () => 2n ** 70n,
      () => [],
      () => [this.int(0, 9), this.int(0, 9)],
      () => new Array(2 ** 32 - 1),
      () => [[1], [2, [3]]],
      () => ({}),
      () => ({ length: this.oddNumber() }),
      () => ({ toString: null, valueOf: null }),
      () => Object.create(null),
      () => () => 1,
      () => new Date(0),
      () => new Map([[1, 2]]),
      () => new Proxy({}, {}),
      () => this.trap(),
      () => this.typedArray(),
    ])
  }

  /** An array of numbers in a buffer of some kind: small, shared, resized, detached, or not Int32 at all. */
  typedArray(): ArrayBufferView {
    const length = this.int(0, 9)
    return this.make<ArrayBufferView>([
      () => Int32Array.from({ length }, () => this.int(-2, 99)),
      () => Int32Array.from({ length }, () => this.pick([2 ** 31 - 1, -(2 ** 31), -1])),
      () => Float32Array.from({ length }, () => this.oddNumber()),
      () => new Float64Array(length),
      () => new Uint8Array(length),
      () => new BigInt64Array(length),
      () => new DataView(new ArrayBuffer(length)),
      () => new Int32Array(new SharedArrayBuffer(4 * length)),
      () => {
        // Newer than the language level of this project: a buffer that is resized under its array.
        // biome-ignore lint/suspicious/noExplicitAny: its type does not have it yet
        const resizable: any = new (ArrayBuffer as any)(64, { maxByteLength: 64 })
        const shrunk = new Int32Array(resizable as ArrayBuffer, 0, 16)
        resizable.resize(4 * length)
        return shrunk
      },
      () => {
        const detached = new Int32Array(length + 1)
        structuredClone(detached.buffer, { transfer: [detached.buffer] })
        return detached
      },
    ])
  }

  /** An object whose every property throws. */
  trap(): object {
    return new Proxy(
      {},
      {
        get() {
          throw new OnPurpose('a getter threw')
        },
      },
    )
  }
}
