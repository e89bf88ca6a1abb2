// The generator of a run's draws against its authors' vectors, and the orders made of it.
import assert from 'node:assert/strict'
import { permuted } from '../src/training/permutation.ts'
import { type PhiloxCounter, type PhiloxKey, philox, philoxKey } from '../src/training/philox.ts'

const ones = 0xffffffff
/** Of the authors' library Random123, tests/kat_vectors: philox4x32 with 10 rounds. */
const vectors: [counter: PhiloxCounter, key: PhiloxKey, words: PhiloxCounter][] = [
  [
    [0, 0, 0, 0],
    [0, 0],
    [0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8],
  ],
  [
    [ones, ones, ones, ones],
    [ones, ones],
    [0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd],
  ],
  [
    [0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344],
    [0xa4093822, 0x299f31d0],
    [0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1],
  ],
]

describe('training: seeded orders', () => {
  it("draws the words of the generator's authors", () => {
    for (const [counter, key, words] of vectors) assert.deepEqual(philox(counter, key), words)
  })

  it('takes all bits of a seed', () => {
    assert.deepEqual(philoxKey(0), [0, 0])
    assert.deepEqual(philoxKey(2 ** 53 - 1), [ones, 2 ** 21 - 1])
    assert.deepEqual(philoxKey(2 ** 32), [0, 1])
  })

  it('puts every number of any size at one place', () => {
    for (const size of [1, 2, 3, 4, 5, 15, 16, 17, 63, 64, 65, 1000, 4097]) {
      const order = { key: philoxKey(7), stream: 3, epoch: 0 }
      const numbers = Array.from({ length: size }, (_, place) => permuted(place, size, order))
      assert.deepEqual(
        numbers.toSorted((a, b) => a - b),
        Array.from({ length: size }, (_, i) => i),
        `size ${size}`,
      )
    }
  })

  it('stays within sizes up to 2^52', () => {
    for (const size of [2 ** 31 + 1, 17_277_798, 2 ** 52 - 1, 2 ** 52])
      for (const place of [0, 1, size - 1]) {
        const number = permuted(place, size, { key: philoxKey(1), stream: 0, epoch: 0 })
        assert.ok(Number.isSafeInteger(number) && number >= 0 && number < size, `${place} of ${size}`)
      }
  })

  it('gives another order for another seed, stream and epoch, each with as many fixed places as chance', () => {
    const size = 500
    const orders = [
      { key: philoxKey(0), stream: 0, epoch: 0 },
      { key: philoxKey(1), stream: 0, epoch: 0 },
      { key: philoxKey(2 ** 32), stream: 0, epoch: 0 },
      { key: philoxKey(0), stream: 1, epoch: 0 },
      { key: philoxKey(0), stream: 0, epoch: 1 },
    ].map(order => Array.from({ length: size }, (_, place) => permuted(place, size, order)))
    const places = Array.from({ length: size }, (_, i) => i)
    // Two random orders agree at one place on average; more than eight has a chance of 1e-6.
    for (const [i, one] of [places, ...orders].entries())
      for (const other of orders.slice(i)) {
        const same = one.filter((number, place) => number === other[place]).length
        assert.ok(same <= 8, `${same} places agree`)
      }
  })

  it('spreads the first numbers of an order evenly', () => {
    const [size, drawn, bins] = [17_277_798, 20_000, 20]
    const counts = new Array(bins).fill(0)
    for (let place = 0; place < drawn; place++)
      counts[Math.floor((permuted(place, size, { key: philoxKey(5), stream: 0, epoch: 0 }) * bins) / size)]++
    const expected = drawn / bins
    const chiSquare = counts.reduce((sum, count) => sum + (count - expected) ** 2 / expected, 0)
    // 19 degrees of freedom: above 50 has a chance of 1e-4.
    assert.ok(chiSquare < 50, `chi-square ${chiSquare}`)
  })
})
