// Tests calls of score() on a stand-in for native: order, sharing of packs, look-ahead, aborts, errors.
import { strict as assert } from 'node:assert'
import { mock } from 'node:test'
import { setTimeout as delay, setImmediate as nextTurn } from 'node:timers/promises'
import { runInNewContext } from 'node:vm'
import type { Priority } from '../src/calls/priority.ts'
import type { Control, NativePack, NativeScores } from '../src/native/types.ts'
import { ScoreCall, type ScoreCallOptions } from '../src/scoring/call.ts'
import { KeptPrefixes } from '../src/scoring/kept-prefixes.ts'
import { ScoreQueue } from '../src/scoring/queue.ts'
import { fingerprint, randomNumbers, scorePack } from './attention-oracle.ts'
import { repeat } from './sequences.ts'
import { waitingSource } from './waiting-source.ts'

const budget = 64

/** A stand-in for native that takes a turn of the event loop for each pack, or holds it until it is let go. */
class SlowNative {
  packs: NativePack[] = []
  controls: Control[] = []
  urgent: boolean[] = []
  running = 0
  maxRunning = 0
  /** Whether packs wait. */
  held = false
  /** Maximum tokens of a pack for which there is memory. */
  room = Number.POSITIVE_INFINITY

  /** Waits until so many packs have come. */
  async came(packs = 1): Promise<void> {
    while (this.packs.length < packs) await delay(1)
  }

  async score(pack: NativePack, control: Control, isUrgent = false): Promise<NativeScores> {
    this.packs.push(pack)
    this.urgent.push(isUrgent)
    this.controls.push(control)
    this.maxRunning = Math.max(this.maxRunning, ++this.running)
    await nextTurn()
    while (this.held && Atomics.load(control, 0) === 0) await delay(1)
    this.running--
    Atomics.store(control, 1, 1e6)
    if (Atomics.load(control, 0) !== 0) throw Object.assign(new Error('aborted'), { code: 'ABORTED' })
    if (pack.ids.length > this.room)
      throw Object.assign(new Error(`no ${pack.ids.length} bytes`), { code: 'OUT_OF_MEMORY' })
    return scorePack(pack)
  }
}

/** Encodes a request, which is a list of tokens of which the last two are scored. */
type Ids = number[]
// biome-ignore lint/correctness/useYield: there is nothing to encode
const encode = function* (ids: Ids, request: number) {
  return {
    sequences: [{ ids: Int32Array.from(ids), first: ids.length - 2, request, continuation: 0 }],
    ...{ truncatedTokens: 0, skipped: false },
  }
}
const expected = (ids: Ids) =>
  fingerprint(ids.slice(0, -2), ids.at(-2)!) + fingerprint(ids.slice(0, -1), ids.at(-1)!)

function start(
  queue: ScoreQueue,
  requests: Iterable<Ids> | AsyncIterable<Ids>,
  options: Partial<ScoreCallOptions> = {},
) {
  const defaults = {
    ...{ topK: 0, priority: 'normal' as const, answersFirst: false },
    ...{ signal: undefined, onProgress: undefined },
  }
  return new ScoreCall(queue, { ...defaults, ...options }, encode).results(requests)
}

async function scores(results: ReturnType<typeof start>): Promise<number[]> {
  const all: number[] = []
  for await (const { continuations } of results) all.push(continuations[0]!.logLikelihood)
  return all
}

const noPrefixes = new KeptPrefixes({ session: () => assert.fail('no prefix is kept') }, 0)

function randomRequests(count: number, seed: number): Ids[] {
  const random = randomNumbers(seed)
  return Array.from({ length: count }, () =>
    Array.from({ length: 3 + Math.floor(random() * 20) }, () => Math.floor(random() * 4)),
  )
}

/** From here to the end of a test, work takes no time: what is to be read in one turn of the event loop is, however busy the machine. */
function stopClock(): void {
  mock.method(performance, 'now', () => 0)
}

describe('calls of score()', () => {
  let native: SlowNative
  let queue: ScoreQueue
  beforeEach(() => {
    native = new SlowNative()
    queue = new ScoreQueue(native, noPrefixes, budget, true)
  })

  afterEach(() => {
    native.held = false
    mock.restoreAll()
  })

  it('answer in input order, for arrays, iterables and async iterables', async () => {
    const requests = randomRequests(2000, 1)
    async function* source() {
      for (const [i, request] of requests.entries()) {
        if (i % 100 === 0) await nextTurn()
        yield request
      }
    }
    for (const form of [requests, new Set(requests), source()])
      assert.deepEqual(await scores(start(queue, form)), requests.map(expected))
    assert.equal(native.maxRunning, 2, 'one pack waits behind the one that runs')
  })

  it('share packs where they overlap, a tree of each in turn', async () => {
    stopClock()
    const calls = [1, 2, 3, 4].map(id => [0, 1, 2].map(j => [id, id, id, j, j, j]))
    const all = await Promise.all(calls.map(requests => scores(start(queue, requests))))
    assert.deepEqual(
      all,
      calls.map(requests => requests.map(expected)),
    )
    assert.equal(native.packs.length, 1)
    const firsts = Array.from({ length: 4 }, (_, t) => native.packs[0]!.ids[native.packs[0]!.trees[3 * t]!])
    assert.deepEqual(firsts, [1, 2, 3, 4])
  })

  it('run what they begin with alike once, where they overlap', async () => {
    stopClock()
    const calls = [1, 2, 3, 4].map(id => [...repeat(9, 40), id, id, id])
    const all = await Promise.all(calls.map(request => scores(start(queue, [request]))))
    assert.deepEqual(all.flat(), calls.map(expected))
    assert.deepEqual(
      native.packs.map(({ ids }) => ids.length),
      [40 + 4 * 2],
    )
  })

  it('end alone where one of those that share is aborted', async () => {
    native.held = true
    const abort = new AbortController()
    const request = (id: number) => [...repeat(9, 40), id, id, id]
    const aborted = scores(start(queue, [request(1)], { signal: abort.signal }))
    const other = scores(start(queue, [request(2)]))
    await native.came()
    abort.abort()
    await assert.rejects(aborted, { code: 'ABORTED' })
    native.held = false
    assert.deepEqual(await other, [expected(request(2))])
  })

  it('are halved where what they share in one pack finds no memory', async () => {
    native.room = 46
    const calls = [1, 2, 3, 4].map(id => [...repeat(9, 40), id, id, id])
    const all = await Promise.all(calls.map(request => scores(start(queue, [request]))))
    assert.deepEqual(all.flat(), calls.map(expected))
    assert.deepEqual(
      native.packs.map(({ ids }) => ids.length),
      [48, 44, 44],
    )
  })

  it('do not wait for a long call that came first', async () => {
    native.held = true
    const long = scores(start(queue, randomRequests(3000, 2)))
    await native.came(2)
    const short = [repeat(7, 20), repeat(8, 20)]
    const answers = scores(start(queue, short))
    for (let turn = 0; turn < 10; turn++) await nextTurn()
    native.held = false
    assert.deepEqual(await answers, short.map(expected))
    const last = native.packs.findLastIndex(({ ids }) => ids.includes(7) || ids.includes(8))
    assert.ok(last <= 3, `it is in pack ${last}, of which two were on their way before it`)
    await long
  })

  it('of which little is left go before the pack that waits, in one of their own', async () => {
    native.held = true
    const long = scores(start(queue, randomRequests(3000, 2)))
    await native.came(2)
    const small = [7, 8].map(first => [first, 9, 9, 9])
    const answers = small.map(request => scores(start(queue, [request])))
    await native.came(3)
    await delay(5)
    assert.deepEqual(native.urgent, [false, false, true])
    assert.equal(native.packs[2]!.ids.length, 6, 'both small calls, and nothing else')
    native.held = false
    assert.deepEqual((await Promise.all(answers)).flat(), small.map(expected))
    await long
    assert.equal(native.urgent.filter(urgent => urgent).length, 1)
  })

  it('share a pack where all are small, and nothing else runs', async () => {
    const requests = [1, 2, 3].map(first => [first, 9, 9])
    await Promise.all(requests.map(request => scores(start(queue, [request]))))
    assert.deepEqual(native.urgent, [false])
  })

  it('go by their priority, and fill the packs of those that come first', async () => {
    const finished: string[] = []
    const requests = randomRequests(1000, 6)
    const begin = async (priority: Priority) => {
      assert.deepEqual(await scores(start(queue, requests, { priority })), requests.map(expected))
      finished.push(priority)
    }
    const low = begin('low')
    await native.came()
    await Promise.all([low, begin('normal'), begin('high')])
    assert.deepEqual(finished, ['high', 'normal', 'low'])
    assert.ok(native.urgent.some(urgent => urgent))
    const tokens = native.packs.reduce((n, { ids }) => n + ids.length, 0)
    assert.ok(tokens > 0.7 * budget * native.packs.length, `${tokens} tokens in ${native.packs.length} packs`)
  })

  it('read a bounded number of requests ahead of a slow reader', async () => {
    let read = 0
    function* endless() {
      for (;;) yield [1, 2, 3, read++ % 50, 5]
    }
    const results = start(queue, endless())
    for (let i = 0; i < 3; i++) await results.next()
    let ahead = 0
    while (read > ahead) {
      ahead = read
      await delay(50)
    }
    assert.ok(ahead < 2 ** 18 / 16, `${ahead} read`)
    await results.return()
    assert.equal(native.running, 0)
  })

  it('give the first answers early, however much is planned at once', async () => {
    const requests = randomRequests(2000, 4)
    let read = 0
    function* source() {
      for (; read < requests.length; read++) yield requests[read]!
    }
    native.held = true
    const results = start(queue, source())
    const first = results.next()
    while (read < requests.length) await delay(1)
    native.held = false
    await first
    for (let i = 1; i < 200; i++) await results.next()
    const early = native.packs.length
    assert.equal((await scores(results)).length, 1800)
    assert.ok(early < native.packs.length / 2, `${early} of ${native.packs.length} packs`)
  })

  it('run in smaller packs where memory runs out, and stay with those', async () => {
    const requests = randomRequests(500, 8)
    native.room = 30
    const progress: number[] = []
    const onProgress = ({
      tokensDone,
      tokensTotal,
    }: {
      tokensDone: number
      tokensTotal: number | undefined
    }) => progress.push(tokensDone / (tokensTotal ?? Number.POSITIVE_INFINITY))
    assert.deepEqual(await scores(start(queue, requests, { onProgress })), requests.map(expected))
    assert.equal(progress.at(-1), 1)
    assert.ok(queue.packTokens <= 30 && queue.packTokens >= 15, `${queue.packTokens}`)
    const refused = native.packs.filter(({ ids }) => ids.length > native.room).length
    assert.ok(refused > 0 && refused <= 6, `${refused} packs were refused`)
    native.packs = []
    assert.deepEqual(await scores(start(queue, requests)), requests.map(expected))
    assert.ok(native.packs.every(({ ids }) => ids.length <= native.room))
  })

  it('cut a tree that finds no memory at its branches', async () => {
    // The requests are one prefix of 20 tokens and branches of 3.
    const requests = Array.from({ length: 12 }, (_, i) => [...repeat(1, 20), i, i, i, i])
    native.room = 30
    assert.deepEqual(await scores(start(queue, requests)), requests.map(expected))
    assert.ok(native.packs.some(({ ids, trees }) => ids.length > 30 && trees.length === 3))
  })

  it('fail with the figures where one sequence finds no memory, and the others go on', async () => {
    native.room = 30
    const requests = randomRequests(50, 9)
    const small = scores(start(queue, requests))
    await assert.rejects(scores(start(queue, [repeat(3, 45)])), {
      code: 'OUT_OF_MEMORY',
      message: /^a sequence of 44 tokens, by itself, finds no memory on the device: no 44 bytes\. Shorter/,
    })
    assert.deepEqual(await small, requests.map(expected))
  })

  it('run in full packs again where one sequence has found no memory, and then there is some', async () => {
    native.room = 3
    const requests = randomRequests(100, 11)
    await assert.rejects(scores(start(queue, requests)), { code: 'OUT_OF_MEMORY' })
    native.room = Number.POSITIVE_INFINITY
    native.packs = []
    assert.deepEqual(await scores(start(queue, requests)), requests.map(expected))
    const full = native.packs.filter(({ ids }) => ids.length > budget / 2).length
    assert.ok(full > native.packs.length / 2, `${full} full packs of ${native.packs.length}`)
  })

  it('give a source its answers before it goes on', async () => {
    const answers: number[] = []
    async function* asking() {
      for (let i = 0; i < 5; i++) {
        while (answers.length < i) await delay(1)
        yield [i, i, i, i]
      }
    }
    for await (const { continuations } of start(queue, asking()))
      answers.push(continuations[0]!.logLikelihood)
    assert.deepEqual(
      answers,
      [0, 1, 2, 3, 4].map(i => expected([i, i, i, i])),
    )
  })

  it('answer what came before an error first, where they are to', async () => {
    const requests = randomRequests(200, 10)
    function* broken() {
      yield* requests
      throw new Error('the file ends early')
    }
    const answers: number[] = []
    const read = async () => {
      for await (const { continuations } of start(queue, broken(), { answersFirst: true }))
        answers.push(continuations[0]!.logLikelihood)
    }
    await assert.rejects(read(), { message: 'the file ends early' })
    assert.deepEqual(answers, requests.map(expected))
  })

  it("take another context's promises, and a source that fails to close", async () => {
    const foreign: PromiseConstructor = runInNewContext('Promise')
    const source = (count: number) => {
      let i = 0
      const next = () => foreign.resolve({ done: i === count, value: repeat(i++, 4) })
      const fails = async () => {
        throw new Error('not closed')
      }
      return { [Symbol.asyncIterator]: () => ({ next, return: fails }) } as unknown as AsyncIterable<Ids>
    }
    assert.deepEqual(await scores(start(queue, source(2))), [repeat(0, 4), repeat(1, 4)].map(expected))
    for await (const _ of start(queue, source(10_000))) break
    // An unhandled rejection would end the run.
    await delay(5)
  })

  it('close a source that is left early', async () => {
    let closed = false
    function* source() {
      try {
        for (;;) yield [1, 2, 3]
      } finally {
        closed = true
      }
    }
    for await (const _ of start(queue, source())) break
    await delay(5)
    assert.ok(closed)
  })

  it('close a source at once when they end while it waits', async () => {
    const abort = new AbortController()
    const { source, closed } = waitingSource([1, 2, 3])
    const aborted = scores(start(queue, source, { signal: abort.signal }))
    await delay(5)
    assert.equal(closed(), false)
    abort.abort()
    await assert.rejects(aborted, { code: 'ABORTED' })
    assert.equal(closed(), true)
  })

  it('close a generator that aborts its own call', async () => {
    const abort = new AbortController()
    let closed = false
    function* source() {
      try {
        yield [1, 2, 3]
        abort.abort()
        yield [1, 2, 3]
      } finally {
        closed = true
      }
    }
    await assert.rejects(scores(start(queue, source(), { signal: abort.signal })), { code: 'ABORTED' })
    assert.ok(closed)
  })

  it('end at once when aborted, while others go on', async () => {
    native.held = true
    const abort = new AbortController()
    const requests = randomRequests(20, 4)
    const aborted = scores(start(queue, requests, { signal: abort.signal }))
    const other = scores(start(queue, requests))
    await native.came()
    abort.abort(new Error('enough'))
    await assert.rejects(aborted, { code: 'ABORTED', message: 'the call was aborted by its signal' })
    assert.equal(Atomics.load(native.controls[0]!, 0), 0, 'the pack still runs for the other call')
    native.held = false
    assert.deepEqual(await other, requests.map(expected))
  })

  it('cancel a pack that runs for nobody any more', async () => {
    native.held = true
    const abort = new AbortController()
    const aborted = scores(start(queue, randomRequests(20, 5), { signal: abort.signal }))
    await native.came()
    abort.abort()
    await assert.rejects(aborted, { code: 'ABORTED' })
    assert.equal(Atomics.load(native.controls[0]!, 0), 1)
  })

  it('reject with ABORTED where the signal has fired before', async () => {
    await assert.rejects(scores(start(queue, [[1, 2, 3]], { signal: AbortSignal.abort() })), {
      code: 'ABORTED',
    })
    assert.equal(native.packs.length, 0)
  })

  it('reject with DISPOSED once the queue is disposed, running or new', async () => {
    native.held = true
    const running = scores(start(queue, randomRequests(20, 6)))
    await native.came()
    queue.dispose()
    await assert.rejects(running, { code: 'DISPOSED', message: /was disposed/ })
    await assert.rejects(scores(start(queue, [[1, 2, 3]])), { code: 'DISPOSED' })
  })

  it('pass on what native, the source and onProgress throw', async () => {
    native.score = async () => {
      throw Object.assign(new Error('no kernel'), { code: 'INTERNAL' })
    }
    await assert.rejects(scores(start(queue, [[1, 2, 3]])), {
      name: 'MtLlamaError',
      ...{ code: 'INTERNAL', message: 'no kernel' },
    })
    function* broken(): Generator<Ids> {
      yield [1, 2, 3]
      throw new Error('the file ends early')
    }
    await assert.rejects(scores(start(queue, broken())), { message: 'the file ends early' })
    native.score = async pack => scorePack(pack)
    const onProgress = () => {
      throw new Error('of the caller')
    }
    const failing = scores(start(queue, [[1, 2, 3]], { onProgress }))
    const beside = scores(start(queue, [[4, 5, 6]]))
    await assert.rejects(failing, { message: 'of the caller' })
    assert.deepEqual(await beside, [expected([4, 5, 6])])
  })

  it('report progress up to the totals', async () => {
    const requests = randomRequests(300, 7)
    const seen: Parameters<NonNullable<ScoreCallOptions['onProgress']>>[0][] = []
    await scores(start(queue, requests, { onProgress: progress => seen.push(progress) }))
    const last = seen.at(-1)!
    assert.equal(last.requestsDone, 300)
    assert.equal(last.tokensDone, last.tokensTotal)
    assert.equal(
      last.tokensDone,
      native.packs.reduce((n, pack) => n + pack.ids.length, 0),
    )
    for (const [i, { requestsDone, requestsTotal, tokensDone, tokensPerSecond }] of seen.entries()) {
      assert.equal(requestsTotal, 300)
      assert.ok(tokensPerSecond > 0)
      if (i > 0) assert.ok(requestsDone >= seen[i - 1]!.requestsDone && tokensDone >= seen[i - 1]!.tokensDone)
    }
  })

  it('report how far a long pack is', async () => {
    native.held = true
    const seen: number[] = []
    const onProgress = ({ tokensDone }: { tokensDone: number }) => {
      seen.push(tokensDone)
      if (tokensDone === 6) native.held = false
    }
    const running = scores(start(queue, [repeat(1, 13)], { onProgress }))
    while (native.controls.length === 0) await delay(1)
    Atomics.store(native.controls[0]!, 1, 500_000)
    await running
    assert.deepEqual(new Set(seen), new Set([6, 12]))
  })
})
