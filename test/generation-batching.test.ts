// Tests texts that join a batch while others run in it: who runs when, in which rows, and that no bit depends on it.
import { strict as assert } from 'node:assert'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Priority } from '../src/calls/priority.ts'
import { RowPool } from '../src/calls/row-pool.ts'
import { GenerateCall } from '../src/generation/call.ts'
import { Continuation } from '../src/generation/continuation.ts'
import { DecodeQueue, maxSequences } from '../src/generation/decode-queue.ts'
import { KvRows } from '../src/generation/kv-rows.ts'
import { type GenerateOptions, loadModel, type Model } from '../src/index.ts'
import { openModel } from '../src/model/load.ts'
import type { NativeSession } from '../src/native/types.ts'
import { defaultModel } from './tiny-model.ts'
import { waitingSource } from './waiting-source.ts'

describe('RowPool', () => {
  it('takes the first place that is large enough and joins what comes back', () => {
    const pool = new RowPool()
    assert.equal(pool.take(1), undefined)
    pool.extend(10)
    assert.deepEqual([pool.take(4), pool.take(3), pool.take(3), pool.take(1)], [0, 4, 7, undefined])
    pool.give(0, 4)
    pool.give(7, 3)
    assert.equal(pool.take(5), undefined)
    assert.equal(pool.take(2), 0)
    pool.give(4, 3)
    assert.deepEqual([pool.take(8), pool.take(2), pool.take(1)], [2, undefined, undefined])
    pool.give(2, 8)
    pool.give(0, 2)
    assert.ok(pool.isEmpty)
    assert.equal(pool.take(10), 0)
    pool.give(8, 2)
    pool.extend(13)
    assert.deepEqual([pool.rows, pool.isEmpty, pool.take(5), pool.take(1)], [13, false, 8, undefined])
  })
})

interface Step {
  session: number
  /** For each sequence its first row, the tokens it holds, its stream, and the seed of its sampling. */
  sequences: number[][]
}

/** Makes sessions that note their steps. The next token of a text is the number of tokens it has. */
function fakeNative(steps: Step[], maxRows = Number.POSITIVE_INFINITY) {
  let sessions = 0
  /** Rows that were asked for, of all sessions. */
  const asked: number[] = []
  /** Rows that the open sessions hold. */
  let rowsHeld = 0
  let maxHeld = 0
  const session = (): NativeSession => {
    const number = sessions++
    let rows = 0
    return {
      async copy() {},
      async resize(wanted) {
        await sleep(0)
        asked.push(wanted)
        if (wanted > maxRows) throw Object.assign(new Error(`no ${wanted} rows`), { code: 'OUT_OF_MEMORY' })
        rowsHeld += wanted - rows
        rows = wanted
        maxHeld = Math.max(maxHeld, rowsHeld)
      },
      async step(sequences, samplings, offsets) {
        await sleep(0)
        const places = samplings.map(({ seed }, i) => [...sequences.subarray(3 * i, 3 * i + 3), seed])
        const taken = places.map(([first, length], i) => [
          first!,
          first! + length! + offsets[i + 1]! - offsets[i]!,
        ])
        taken.sort((a, b) => a[0]! - b[0]!)
        for (const [i, [first]] of taken.entries())
          assert.ok(i === 0 || first! >= taken[i - 1]![1]!, 'no row in two')
        assert.ok(taken.at(-1)![1]! <= rows, 'no row past the end')
        steps.push({ session: number, sequences: places })
        const ids = Int32Array.from(places, ([, length], i) => length! + offsets[i + 1]! - offsets[i]!)
        const none = { topIds: new Int32Array(), topLogProbs: new Float32Array() }
        return { ids, logProbs: new Float32Array(ids.length), ...none }
      },
      score: () => assert.fail('nothing is scored'),
      dispose() {
        rowsHeld -= rows
        rows = 0
      },
    }
  }
  return { session, asked, maxHeld: () => maxHeld, rowsHeld: () => rowsHeld }
}

describe('KvRows', () => {
  /** Rows of a session that notes what it is asked for: its size, and the copies of rows. */
  const rowsOf = (limit: number) => {
    const asked: number[][] = []
    let open = 0
    const session = (): NativeSession => {
      open++
      return {
        resize: async (rows, copies) => void asked.push([rows, ...copies]),
        copy: async copies => void asked.push([...copies]),
        step: () => assert.fail('no step'),
        score: () => assert.fail('nothing is scored'),
        dispose: () => void open--,
      }
    }
    return { rows: new KvRows({ session }, limit), asked, open: () => open }
  }
  const ids = (length: number, last = 0) => Int32Array.from({ length }, (_, i) => (i < length - 1 ? i : last))
  const take = (rows: KvRows, ...texts: [Int32Array, number][]) =>
    rows.take(texts.map(([ids, capacity]) => ({ ids, capacity })))

  it('begins a text with what it shares with one that has ended', async () => {
    const { rows, asked } = rowsOf(1000)
    assert.deepEqual(await take(rows, [ids(40), 60]), [{ firstRow: 0, length: 0 }])
    rows.keep(0, 60, ids(50, 49))
    assert.deepEqual(await take(rows, [ids(54), 70]), [{ firstRow: 50, length: 50 }])
    assert.deepEqual(asked, [[60], [120, 0, 0, 60], [0, 50, 50]])
    rows.keep(50, 70, ids(60, 59))
    // The one of 50 tokens is a part of that one, and gone.
    assert.deepEqual(await take(rows, [ids(30, 7), 45]), [{ firstRow: 0, length: 29 }])
    assert.deepEqual(asked.at(-1), [50, 0, 29])
    assert.deepEqual(await take(rows, [ids(10), 12]), [{ firstRow: 110, length: 0 }], 'too few for a copy')
    assert.deepEqual(
      await take(rows, [ids(60, 59), 60]),
      [{ firstRow: 122, length: 59 }],
      'the last has to run',
    )
  })

  it('keeps texts side by side while nothing runs, and frees all when none is left', async () => {
    const { rows, asked, open } = rowsOf(1000)
    const other = Int32Array.from({ length: 20 }, () => 7)
    await take(rows, [other, 400], [ids(30), 100])
    rows.keep(400, 100, ids(30))
    rows.keep(0, 400, other)
    await rows.settle()
    assert.deepEqual(asked.at(-1), [50, 400, 0, 30, 0, 30, 20])
    assert.deepEqual(await take(rows, [ids(40), 50]), [{ firstRow: 50, length: 29 }])
    assert.equal(open(), 1)
    const { rows: none, open: left } = rowsOf(1000)
    await take(none, [other, 30])
    none.give(0, 30)
    await none.settle()
    assert.equal(left(), 0)
  })

  it('gives kept rows up for texts that run, the oldest first, and keeps no more than half', async () => {
    const { rows, asked } = rowsOf(100)
    for (const first of [1, 2, 3]) {
      const own = ids(20).with(0, first)
      const [place] = await take(rows, [own, 22])
      rows.keep(place!.firstRow, 22, own)
    }
    // Two of 20 are kept, the first is not.
    const reused = async (first: number) => {
      const [place] = await take(rows, [ids(25).with(0, first), 26])
      rows.give(place!.firstRow, 26)
      return place!.length
    }
    assert.deepEqual([await reused(1), await reused(2), await reused(3)], [0, 19, 19])
    assert.deepEqual((await take(rows, [ids(10), 61])).length, 1, 'there is room for both and this')
    const sizes = asked.filter(({ length }) => length !== 3).map(([size]) => size!)
    assert.ok(Math.max(...sizes) <= 100)
    assert.deepEqual((await take(rows, [ids(10), 30])).length, 1, 'one of the two is given up')
  })
})

describe('DecodeQueue', () => {
  /** Generates texts with prompts of one token. Text i ends after lengths[i] new tokens. */
  const run = async (
    lengths: readonly number[],
    kvTokens: number,
    source?: (lengths: readonly number[]) => AsyncIterable<number>,
    maxRows?: number,
  ) => {
    const steps: Step[] = []
    const native = fakeNative(steps, maxRows)
    const queue = new DecodeQueue(native, 1000, kvTokens)
    const call = (
      options: Pick<GenerateOptions, 'signal' | 'partialOnAbort' | 'onProgress'> = {},
      texts = lengths,
      seed = 0,
      priority: Priority = 'normal',
    ) =>
      new GenerateCall(
        queue,
        {
          priority,
          answersFirst: false,
          ...options,
        },
        // biome-ignore lint/correctness/useYield: there is nothing to encode
        function* (maxTokens: number, stream) {
          const text = new Continuation(
            { ids: Int32Array.of(1), truncatedTokens: 0 },
            {
              sampling: { temperature: 0, topK: 0, topP: 1, minP: 0, seed },
              ...{ adjusting: undefined, constraint: undefined, topLogProbs: 0 },
              ...{ stream, choice: 0, maxTokens, tokenizer: undefined, contextLength: 1000 },
              ...{ stopIds: new Set(), stop: [], skipSpecialTokens: true, allowNan: false, dtype: 'float32' },
            },
          )
          return [text]
        },
      ).results(source?.(texts) ?? texts)
    return { steps, native, call }
  }
  const ended = async (results: AsyncIterable<{ tokens: number[] }>) => {
    const all: number[] = []
    for await (const { tokens } of results) all.push(tokens.length)
    return all
  }
  const isOpen = (steps: Step[], stream: number) =>
    steps.filter(({ sequences }) => sequences.some(sequence => sequence[2] === stream)).length

  it('fills the place of a text that has ended at the next step', async () => {
    const lengths = Array.from({ length: 250 }, (_, i) => (i === 0 ? 40 : 2 + (i % 3)))
    const { steps, call } = await run(lengths, 1e9)
    assert.deepEqual(await ended(call()), lengths)
    const tokens = lengths.reduce((a, b) => a + b, 0)
    for (const [i, length] of lengths.entries()) assert.equal(isOpen(steps, i), length)
    const full = steps.filter(({ sequences }) => sequences.length === maxSequences)
    assert.ok(full.length >= 0.7 * (tokens / maxSequences), `${full.length} full steps of ${tokens} tokens`)
    assert.equal(steps.length, 40)
    assert.deepEqual(new Set(steps.map(step => step.session)), new Set([0]))
  })

  it('keeps to the memory, and runs by itself a text that needs more', async () => {
    const lengths = [10, 10, 10, 300, 10, 10]
    const { native, steps, call } = await run(lengths, 25)
    assert.deepEqual(await ended(call()), lengths)
    assert.deepEqual(native.asked, [25, 300, 20])
    assert.equal(native.maxHeld(), 300)
    const beside = steps.filter(({ sequences }) => sequences.some(([, , stream]) => stream === 3))
    assert.ok(beside.every(({ sequences }) => sequences.length === 1))
    assert.equal(native.rowsHeld(), 0)
  })

  it('runs the texts of overlapping calls in the same steps, each with its own sampling', async () => {
    const { steps, call } = await run([], 1e9)
    const lengths = Array.from({ length: 8 }, (_, i) => 20 + (i % 2))
    const answers = await Promise.all(lengths.map((length, seed) => ended(call({}, [length], seed))))
    assert.deepEqual(answers.flat(), lengths)
    assert.equal(steps.length, 21, 'as many as the longest text has tokens')
    assert.deepEqual(
      steps[0]!.sequences.map(([, , , seed]) => seed),
      lengths.map((_, i) => i),
    )
  })

  it('counts the prompts as done that the listener of another call cuts short', async () => {
    const { call } = await run([], 1e9)
    const abort = new AbortController()
    const counts: number[] = []
    const first = call({ onProgress: () => counts.length >= 3 && abort.abort() }, [20])
    const cut = call(
      {
        ...{ signal: abort.signal, partialOnAbort: true },
        onProgress: ({ promptsDone }) => counts.push(promptsDone),
      },
      [50, 50],
    )
    const [, lengths] = await Promise.all([ended(first), ended(cut)])
    assert.ok(lengths.length === 2 && lengths.every(length => length < 20), `${lengths}`)
    assert.deepEqual(counts, [0, 0, 0, 2])
  })

  it('gives the texts that are cut short while memory for them is refused', async () => {
    const { native, call } = await run([], 1e9)
    const abort = new AbortController()
    const { session } = native
    native.session = () => ({
      ...session(),
      async resize() {
        abort.abort()
        throw Object.assign(new Error('no rows'), { code: 'OUT_OF_MEMORY' })
      },
    })
    // So many answers take longer to leave than the error takes to come.
    const texts = Array<number>(200).fill(5)
    const results = call({ signal: abort.signal, partialOnAbort: true }, texts)
    assert.deepEqual(await ended(results), Array(200).fill(0))
  })

  it('lets a later call in as places come free, while an earlier one has more texts than places', async () => {
    const { steps, call } = await run(
      Array.from({ length: 300 }, (_, i) => 4 + (i % 3)),
      1e9,
    )
    const long = ended(call())
    while (steps.length < 2) await sleep(0)
    const before = steps.length
    assert.deepEqual(await ended(call({}, [3, 3], 7)), [3, 3])
    const first = steps.findIndex(({ sequences }) => sequences.some(([, , , seed]) => seed === 7))
    assert.ok(first - before < 8, `waited for ${first - before} steps`)
    assert.ok(steps.length < 20, `${steps.length} steps until it had ended`)
    await long
  })

  it('gives free places to calls of high priority first, and to those of low priority last', async () => {
    const { steps, call } = await run([], 1e9)
    const many = Array.from({ length: 100 }, () => 4)
    const order: string[] = []
    const begin = async (priority: Priority, seed: number) => {
      await ended(call({}, many, seed, priority))
      order.push(priority)
    }
    await Promise.all([begin('low', 1), begin('normal', 2), begin('high', 3)])
    assert.deepEqual(order, ['high', 'normal', 'low'])
    assert.equal(steps.length, 20, 'steps are full')
  })

  it('grows while texts run in it', async () => {
    const { native, steps, call } = await run([], 1e9)
    const first = ended(call({}, [50]))
    while (steps.length < 2) await sleep(0)
    const second = ended(call({}, [60, 60]))
    assert.deepEqual([await first, await second], [[50], [60, 60]])
    assert.deepEqual(native.asked, [50, 170])
    assert.deepEqual(new Set(steps.map(({ session }) => session)), new Set([0]))
  })

  it('forgets the texts of a call that is aborted, whose rows others get', async () => {
    const { native, steps, call } = await run([], 100)
    const abort = new AbortController()
    const aborted = ended(call({ signal: abort.signal }, [40, 40], 1))
    while (steps.length < 2) await sleep(0)
    const waiting = ended(call({}, [60, 30], 2))
    await sleep(5)
    abort.abort()
    await assert.rejects(aborted, { code: 'ABORTED' })
    assert.deepEqual(await waiting, [60, 30])
    assert.ok(native.maxHeld() <= 100)
    const last = steps.findLastIndex(({ sequences }) => sequences.some(([, , , seed]) => seed === 1))
    assert.ok(steps.length - last >= 59)
    assert.equal(native.rowsHeld(), 0)
  })

  it('ends a call whose listener throws, and no other', async () => {
    const { call } = await run([], 1e9)
    const onProgress = () => {
      throw new RangeError('mine')
    }
    const broken = ended(call({ onProgress }, [20, 20]))
    const sound = ended(call({}, [30]))
    await assert.rejects(broken, RangeError)
    assert.deepEqual(await sound, [30])
  })

  it('takes fewer texts at a time where there is less memory than it was told', async () => {
    const lengths = Array.from({ length: 100 }, (_, i) => 5 + (i % 4))
    const { native, call } = await run(lengths, 1e9, undefined, 100)
    assert.deepEqual(await ended(call()), lengths)
    const refused = native.asked.filter(rows => rows > 100)
    assert.ok(refused.length > 0 && refused.length < 20, `${native.asked}`)
    const { native: small, call: tooLarge } = await run([3, 200, 3], 1e9, undefined, 100)
    await assert.rejects(ended(tooLarge()), { code: 'OUT_OF_MEMORY', message: 'no 200 rows' })
    assert.equal(small.rowsHeld(), 0)
    small.asked.length = 0
    assert.deepEqual(await ended(tooLarge({}, [50, 60, 40])), [50, 60, 40])
    assert.equal(small.asked[0], 150, 'it is tried with all of the memory again')
  })

  it('begins with what a slow source has given, and later ones join', async () => {
    const { steps, call } = await run([30, 2, 2], 1e9, async function* (lengths) {
      for (const [i, length] of lengths.entries()) {
        yield length
        while (steps.length < 3 * (i + 1)) await sleep(1)
      }
    })
    assert.deepEqual(await ended(call()), [30, 2, 2])
    assert.equal(steps[0]!.sequences.length, 1)
    assert.ok(steps.some(({ sequences }) => sequences.length === 2))
    assert.deepEqual(new Set(steps.map(step => step.session)), new Set([0]))
  })

  it('closes a source at once when its call ends while it waits', async () => {
    const { source, closed } = waitingSource(3)
    const { call } = await run([], 1e9, () => source)
    const abort = new AbortController()
    const aborted = ended(call({ signal: abort.signal }))
    await sleep(15)
    assert.equal(closed(), false)
    abort.abort()
    await assert.rejects(aborted, { code: 'ABORTED' })
    assert.equal(closed(), true)
  })

  it('reads a bounded number of prompts ahead of a reader that waits', async () => {
    let given = 0
    const { call } = await run([], 1e9, async function* () {
      for (;;) {
        given++
        yield 1
      }
    })
    const results = call()
    await results.next()
    await sleep(50)
    assert.ok(given >= maxSequences && given <= 4 * maxSequences + 2, `${given} read`)
    const { value } = await results.return()
    assert.equal(value, undefined)
    const before = given
    await sleep(20)
    assert.ok(given <= before + 1, 'a loop that is left reads no more')
  })
})

describe('Model.generateEach()', () => {
  let model: Model
  before(async () => {
    model = await loadModel(defaultModel, { dtype: 'float32' })
  })
  after(() => model.dispose())

  const prompts = Array.from({ length: 150 }, (_, i) => `${'ab'.repeat((7 * i) % 23)} number ${i}`)
  // The end is one of the random model's frequent tokens, so that texts end and places come free at any time.
  const settings: [string, GenerateOptions][] = [
    ['greedy', { maxTokens: 24 }],
    ['sampled', { maxTokens: 24, temperature: 1.2, topK: 60, topP: 0.97, seed: 11 }],
  ]
  for (const [name, options] of settings) {
    it(`gives ${name} texts of the same bits at once, from a slow source, and in small steps`, async () => {
      const stopIds = Array.from({ length: 12 }, (_, i) => 40 + 7 * i)
      const expected = await model.generate(prompts, { ...options, stopIds })
      const lengths = new Set(expected.map(result => result.tokens.length))
      assert.ok(name === 'greedy' || lengths.size > 5, `lengths ${[...lengths]}`)
      const slowly = async function* () {
        for (const [i, prompt] of prompts.entries()) {
          if (i % 16 === 3) await sleep(7)
          yield prompt
        }
      }
      assert.deepEqual(await model.generate(slowly(), { ...options, stopIds }), expected)
      await using small = await openModel(defaultModel, { dtype: 'float32' }, { packTokens: 16, share: true })
      assert.deepEqual(await small.generate(prompts, { ...options, stopIds }), expected)
      const overlapping = await Promise.all([
        model.generate(prompts.slice(0, 90), { ...options, stopIds }),
        model.generate(prompts, { ...options, stopIds }),
      ])
      assert.deepEqual(overlapping, [expected.slice(0, 90), expected])
    })
  }

  it('hands out a result before the source gives the next prompt', async () => {
    let asked = 0
    const answered: (() => void)[] = []
    const source = async function* () {
      for (const prompt of ['one', 'two', 'three']) {
        asked++
        yield prompt
        await new Promise<void>(resolve => answered.push(resolve))
      }
    }
    let seen = 0
    for await (const { tokens } of model.generateEach(source(), { maxTokens: 3, stopIds: [] })) {
      assert.equal(tokens.length, 3)
      assert.equal(asked, ++seen)
      answered.shift()!()
    }
    assert.equal(seen, 3)
  })

  it('fails with what the source throws, and names a prompt that is too long', async () => {
    const source = async function* () {
      yield 'one'
      throw new RangeError('no more')
    }
    await assert.rejects(model.generate(source()), RangeError)
    const long = Array.from({ length: 2049 }, () => 1)
    let answered = 0
    const stream = async () => {
      for await (const _ of model.generateEach(['one', 'two', long, 'three'], { maxTokens: 3 })) answered++
    }
    await assert.rejects(stream(), { code: 'CONTEXT_LENGTH', message: /^prompt 2: 2049 tokens/ })
    assert.equal(answered, 2)
    await assert.rejects(model.generate(['one', long]), {
      code: 'CONTEXT_LENGTH',
      message:
        "prompt 1: 2049 tokens leave no room for 1 new; the context has 2048 positions. Shorten it, or set tooLong to 'truncate-left', 'truncate-right' or 'skip'",
    })
  })

  it('skips among others, in order, however many', async () => {
    const long = Array.from({ length: 2100 }, () => 1)
    const many = [...Array.from({ length: 300 }, () => long), [5], long, [6]]
    const results = await model.generate(many, { maxTokens: 2, stopIds: [], tooLong: 'skip' })
    assert.deepEqual(
      results.flatMap((result, i) => (result.finishReason === 'skipped' ? [] : [i])),
      [300, 302],
    )
  })
})
