// Tests an ordered call by itself: order, look-ahead, what it tells of its source, and every way it can end.
import { strict as assert } from 'node:assert'
import { setTimeout as delay } from 'node:timers/promises'
import {
  type Answerer,
  type Entry,
  OrderedCall,
  type OrderedCallOptions,
  type Reading,
} from '../src/calls/ordered-call.ts'
import { waitingSource } from './waiting-source.ts'

class Doubled implements Entry<number> {
  readonly weight = 1
  private readonly item: number
  done = false

  constructor(item: number) {
    this.item = item
  }

  isDone(): boolean {
    return this.done
  }

  answer(): number {
    return 2 * this.item
  }
}

/** An answerer that answers when it is told to, in any order, and notes what it is told. */
class Doubler implements Answerer<number, number, Doubled> {
  readonly log: string[] = []
  readonly readings: Reading[] = []
  readonly call: OrderedCall<number, number, Doubled>
  private readonly refused: (item: number) => boolean

  constructor(options: Partial<OrderedCallOptions> = {}, refused: (item: number) => boolean = () => false) {
    this.refused = refused
    this.call = new OrderedCall<number, number, Doubled>(this, {
      ...{ sourceName: 'items', answersFirst: false },
      maxAhead: 4,
      ...options,
    })
  }

  begin(): void {
    this.log.push('begin')
  }

  enter(item: number, index: number): Doubled | Promise<Doubled> {
    this.log.push(`enter ${item} at ${index}`)
    if (this.refused(item)) throw new Error(`refused ${item}`)
    const entry = new Doubled(item)
    return item % 2 ? entry : delay(1).then(() => entry)
  }

  readingChanged(reading: Reading): void {
    this.readings.push(reading)
  }

  end(): void {
    this.log.push('end')
  }

  finish(index: number): void {
    this.call.entry(index)!.done = true
    this.call.changed.tell()
  }

  /** Answers each item a little after it was read. */
  async finishAll(first = 0): Promise<void> {
    for (let index = first; !this.call.closed.aborted; index++) {
      while (!this.call.entry(index) && !this.call.closed.aborted) await delay(1)
      if (this.call.entry(index)) this.finish(index)
    }
  }
}

async function rest(answers: AsyncIterable<number>): Promise<number[]> {
  const all: number[] = []
  for await (const answer of answers) all.push(answer)
  return all
}

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await delay(1)
}

/** A time in ms after which what should not happen has happened in most runs. */
const aWhile = () => delay(20)

describe('OrderedCall', () => {
  it('reads nothing before the first answer is asked for, and gives answers in the order of the source', async () => {
    const doubler = new Doubler()
    const answers = doubler.call.answers([1, 2, 3])
    await aWhile()
    assert.deepEqual(doubler.log, [])
    const all = rest(answers)
    await until(() => doubler.call.reading === 'ended')
    assert.deepEqual(doubler.log, ['begin', 'enter 1 at 0', 'enter 2 at 1', 'enter 3 at 2'])
    for (const index of [2, 0, 1]) doubler.finish(index)
    assert.deepEqual(await all, [2, 4, 6])
    assert.equal(doubler.log.at(-1), 'end')
  })

  it('knows the number of items of an array from the start, of others at their end', async () => {
    const doubler = new Doubler()
    void rest(doubler.call.answers([1, 2, 3, 4, 5, 6]))
    assert.equal(doubler.call.itemsTotal, 6)
    await until(() => doubler.call.reading === 'full')
    assert.deepEqual([doubler.call.itemsRead, doubler.call.itemsTotal], [4, 6])
    const other = new Doubler()
    const all = rest(other.call.answers(new Set([1, 2, 3])))
    assert.equal(other.call.itemsTotal, undefined)
    await until(() => other.call.reading === 'ended')
    assert.equal(other.call.itemsTotal, 3)
    await Promise.all([other.finishAll(), all])
  })

  it('rests while enough is read ahead, and tells of it', async () => {
    const doubler = new Doubler()
    const all = rest(doubler.call.answers([1, 2, 3, 4, 5, 6]))
    await until(() => doubler.call.itemsRead === 4)
    await aWhile()
    assert.deepEqual([doubler.call.reading, doubler.readings], ['full', ['full']])
    doubler.finish(0)
    await until(() => doubler.call.itemsRead === 5)
    await aWhile()
    assert.deepEqual([doubler.call.itemsRead, doubler.call.reading], [5, 'full'])
    await Promise.all([doubler.finishAll(1), all])
    assert.equal(doubler.readings.at(-1), 'ended')
  })

  it('tells when the source takes long, and when it goes on', async () => {
    const doubler = new Doubler()
    const source = async function* () {
      yield 1
      await delay(30)
      yield 3
    }
    const all = rest(doubler.call.answers(source()))
    await Promise.all([doubler.finishAll(), all])
    assert.deepEqual(doubler.readings, ['stalled', 'open', 'ended'])
  })

  /** Makes a source that notes when it is closed, and may fail after two items. */
  const watched = (fails: boolean) => {
    const state = { closed: false }
    const source = (function* () {
      try {
        yield 1
        yield 2
        if (fails) throw new RangeError('the source ends early')
        for (let item = 3; ; item++) yield item
      } finally {
        state.closed = true
      }
    })()
    return { source, state }
  }

  for (const answersFirst of [false, true])
    it(`ends ${answersFirst ? 'once what came before is answered' : 'at once'} where the source fails or an item is refused`, async () => {
      for (const kind of ['source', 'item']) {
        const { source, state } = watched(kind === 'source')
        const doubler = new Doubler({ answersFirst }, item => kind === 'item' && item === 3)
        const seen: number[] = []
        const failing = (async () => {
          for await (const answer of doubler.call.answers(source)) seen.push(answer)
        })()
        const refused = assert.rejects(failing, {
          message: kind === 'source' ? 'the source ends early' : 'refused 3',
        })
        await until(() => (answersFirst ? doubler.call.reading === 'ended' : doubler.call.closed.aborted))
        assert.equal(doubler.call.closed.aborted, !answersFirst)
        await Promise.all([doubler.finishAll(), refused])
        assert.deepEqual(seen, answersFirst ? [2, 4] : [])
        assert.deepEqual([state.closed, doubler.log.filter(line => line === 'end').length], [true, 1])
      }
    })

  it('ends once, with its first failure, however often it fails', async () => {
    const doubler = new Doubler()
    const { source, state } = watched(false)
    const failing = assert.rejects(rest(doubler.call.answers(source)), { message: 'first' })
    await until(() => doubler.call.reading === 'full')
    doubler.call.fail(new Error('first'))
    doubler.call.fail(new Error('second'))
    await failing
    await until(() => state.closed)
    assert.deepEqual([state.closed, doubler.log.filter(line => line === 'end').length], [true, 1])
  })

  it('closes its source and ends where the loop is left', async () => {
    const doubler = new Doubler()
    const { source, state } = watched(false)
    const answers = doubler.call.answers(source)
    const first = answers.next()
    await until(() => doubler.call.itemsRead > 0)
    doubler.finish(0)
    assert.deepEqual(await first, { done: false, value: 2 })
    await answers.return()
    await until(() => state.closed)
    assert.deepEqual([state.closed, doubler.log.at(-1)], [true, 'end'])
    assert.deepEqual(await answers.next(), { done: true, value: undefined })
  })

  it('ends at once where its reader leaves while a source never gives its next item', async () => {
    const doubler = new Doubler()
    const { source, closed } = waitingSource(1)
    const answers = doubler.call.answers(source)
    const first = answers.next()
    await until(() => doubler.call.itemsRead === 1)
    assert.deepEqual(await answers.return(), { done: true, value: undefined })
    assert.deepEqual(await first, { done: true, value: undefined })
    assert.deepEqual([closed(), doubler.log.at(-1)], [true, 'end'])
  })

  it('ends with ABORTED at each stage: before, while it reads, rests, or waits for the source', async () => {
    const early = new Doubler({ signal: AbortSignal.abort() })
    await assert.rejects(rest(early.call.answers([1])), { code: 'ABORTED' })
    assert.deepEqual(early.log, ['end'])
    const { source, closed } = waitingSource(1)
    for (const items of [[2, 2, 2], [1, 1, 1, 1, 1], source]) {
      const abort = new AbortController()
      const doubler = new Doubler({ signal: abort.signal })
      const failing = assert.rejects(rest(doubler.call.answers(items)), { code: 'ABORTED' })
      if (items !== source) await Promise.resolve()
      else await until(() => doubler.call.itemsRead === 1)
      abort.abort()
      await failing
      assert.equal(doubler.log.at(-1), 'end')
    }
    assert.ok(closed())
  })
})
