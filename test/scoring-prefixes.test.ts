// Tests prefixes that are kept between calls on a stand-in for native, whose session holds the ids of its rows.
import { strict as assert } from 'node:assert'
import { setImmediate as nextTurn } from 'node:timers/promises'
import type { Control, NativePack, NativeSession } from '../src/native/types.ts'
import { ScoreCall } from '../src/scoring/call.ts'
import { type KeptPrefix, KeptPrefixes } from '../src/scoring/kept-prefixes.ts'
import { ScoreQueue } from '../src/scoring/queue.ts'
import { fingerprint, randomNumbers, scorePack } from './attention-oracle.ts'

/** Runs jobs one after another, as the engine thread does, and notes the tokens that were run. */
class FakeNative {
  sessions = 0
  tokens = 0
  private last: Promise<unknown> = Promise.resolve()

  private queue<T>(run: () => T): Promise<T> {
    const job = this.last.then(async () => {
      await nextTurn()
      return run()
    })
    this.last = job.catch(() => {})
    return job
  }

  score(pack: NativePack, control: Control) {
    return this.run(pack, control, () => new Int32Array())
  }

  session(): NativeSession {
    this.sessions++
    let rows: Int32Array = new Int32Array()
    return {
      resize: (wanted, copies) =>
        this.queue(() => {
          const larger = new Int32Array(wanted).fill(-1)
          for (let i = 0; i < copies.length; i += 3)
            larger.set(rows.subarray(copies[i], copies[i]! + copies[i + 2]!), copies[i + 1])
          rows = larger
        }),
      step: ([first = 0], _samplings, _offsets, tokens, control) =>
        this.queue(() => {
          if (control[0] !== 0) throw Object.assign(new Error('aborted'), { code: 'ABORTED' })
          rows.set(tokens, first)
          const [ids, logProbs, none] = [new Int32Array(1), new Float32Array(1), new Int32Array()]
          return { ids, logProbs, topIds: none, topLogProbs: new Float32Array() }
        }),
      score: (pack, control) => this.run(pack, control, () => rows),
      copy: () => assert.fail('no row is copied'),
      dispose: () => void this.sessions--,
    }
  }

  private run(pack: NativePack, control: Control, rows: () => Int32Array) {
    return this.queue(() => {
      if (control[0] !== 0) throw Object.assign(new Error('aborted'), { code: 'ABORTED' })
      this.tokens += pack.ids.length
      return scorePack(pack, rows())
    })
  }
}

// biome-ignore lint/correctness/useYield: there is nothing to encode
const encode = function* (ids: number[], request: number) {
  return {
    sequences: [{ ids: Int32Array.from(ids), first: ids.length - 1, request, continuation: 0 }],
    ...{ truncatedTokens: 0, skipped: false },
  }
}

describe('kept prefixes', () => {
  let native: FakeNative
  let prefixes: KeptPrefixes
  let queue: ScoreQueue
  beforeEach(() => {
    native = new FakeNative()
    prefixes = new KeptPrefixes(native, 60)
    queue = new ScoreQueue(native, prefixes, 64, true)
  })

  const call = (requests: Iterable<number[]>, signal?: AbortSignal) => {
    const options = { topK: 0, priority: 'normal', answersFirst: false } as const
    return new ScoreCall(queue, { ...options, signal, onProgress: undefined }, encode).results(requests)
  }
  const score = async (requests: number[][], signal?: AbortSignal) => {
    const scores: number[] = []
    for await (const { continuations } of call(requests, signal)) scores.push(continuations[0]!.logLikelihood)
    return scores
  }
  const expected = (ids: number[]) => fingerprint(ids.slice(0, -1), ids.at(-1)!)
  const keep = (...ids: number[]) => prefixes.add(Int32Array.from(ids), undefined)

  it('are not run again, and no score changes', async () => {
    const requests = [
      [1, 2, 3, 4, 9],
      [1, 2, 3, 4, 5, 9],
      [1, 2, 3, 7, 9],
      [1, 2, 8, 9],
      [5, 9],
    ]
    const want = requests.map(expected)
    assert.deepEqual(await score(requests), want)
    const before = native.tokens
    const kept = await keep(1, 2, 3, 4)
    assert.deepEqual(await score(requests), want)
    // 4 | 4? 5 | 7 | 8 | 5: the token before the one that is scored always runs.
    assert.equal(native.tokens - before, 1 + 1 + 1 + 1 + 1)
    prefixes.forget(kept)
    assert.equal(native.sessions, 0, 'the session is closed')
    assert.deepEqual(await score(requests), want)
  })

  it('are found by the longest', async () => {
    await keep(1, 2)
    await keep(1, 2, 3, 4)
    await keep(1, 5)
    const before = native.tokens
    assert.deepEqual(await score([[1, 2, 3, 4, 6, 7]]), [expected([1, 2, 3, 4, 6, 7])])
    assert.equal(native.tokens - before, 1)
  })

  it('stay for the calls that use them when they are given up', async () => {
    const kept = await keep(1, 2, 3)
    const requests = Array.from({ length: 200 }, (_, i) => [1, 2, 3, 10 + i, 4])
    const answers = score(requests)
    await nextTurn()
    prefixes.forget(kept)
    const other = keep(7, 7, 7)
    assert.deepEqual(await answers, requests.map(expected))
    prefixes.forget(await other)
    assert.equal(native.sessions, 0)
  })

  it('say that there is no room, and leave it as it is', async () => {
    const kept = await keep(...new Array(50).fill(1))
    await assert.rejects(keep(...new Array(20).fill(2)), {
      code: 'OUT_OF_MEMORY',
      message: /a prefix of 20 tokens finds no room: keys and values of 60 tokens may be kept, and 50 are/,
    })
    prefixes.forget(kept)
    prefixes.forget(await keep(...new Array(60).fill(2)))
    assert.equal(native.sessions, 0)
  })

  it('leave nothing where they were aborted', async () => {
    const abort = new AbortController()
    const added = prefixes.add(Int32Array.of(1, 2, 3), abort.signal)
    abort.abort()
    await assert.rejects(added, { code: 'ABORTED' })
    assert.equal(native.sessions, 0)
    assert.deepEqual(await score([[1, 2, 3, 4, 5]]), [expected([1, 2, 3, 4, 5])])
  })

  it('end where their model is disposed of, also those that wait', async () => {
    const added = [keep(1, 2, 3), keep(4, 5)]
    const ended = added.map(one => assert.rejects(one, { code: 'DISPOSED' }))
    // The first is being run by now.
    for (let turns = 0; turns < 2; turns++) await nextTurn()
    prefixes.dispose()
    await Promise.all(ended)
    await assert.rejects(keep(6), { code: 'DISPOSED' })
    assert.equal(native.sessions, 0)
  })

  it('give the same scores whatever comes, goes and is aborted meanwhile', async () => {
    const random = randomNumbers(11)
    const below = (n: number) => Math.floor(random() * n)
    const ids = (least: number) => Array.from({ length: least + below(9) }, () => below(2))
    let kept: KeptPrefix[] = []
    const running: Promise<void>[] = []
    for (let round = 0; round < 300; round++) {
      if (below(3) === 0)
        await prefixes
          .add(Int32Array.from(ids(1)), undefined)
          .then(prefix => kept.push(prefix))
          .catch(({ code }) => assert.equal(code, 'OUT_OF_MEMORY'))
      const gone = kept[below(kept.length + 3)]
      if (gone) prefixes.forget(gone)
      kept = kept.filter(prefix => prefix !== gone)
      const requests = Array.from({ length: 1 + below(20) }, () => ids(2))
      const abort = new AbortController()
      const isAborted = below(4) === 0
      const answers = score(requests, abort.signal)
      running.push(
        answers.then(
          scores => assert.deepEqual(scores, requests.map(expected)),
          ({ code }) => assert.ok(isAborted && code === 'ABORTED', code),
        ),
      )
      for (let turns = below(4); turns > 0; turns--) await nextTurn()
      if (isAborted) abort.abort()
    }
    await Promise.all(running)
    for (const prefix of kept) prefixes.forget(prefix)
    assert.equal(native.sessions, 0, 'no use is left over')
  })
})
