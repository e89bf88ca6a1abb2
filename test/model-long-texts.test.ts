// Gives calls long texts: they are encoded in slices, between which the event loop has its turns and an abort is heard.
import assert from 'node:assert/strict'
import { mock } from 'node:test'
import { drain, sliceMs } from '../src/calls/slices.ts'
import { loadModel, type Model } from '../src/index.ts'
import { defaultModel } from './tiny-model.ts'
import { byteJson, loadJson } from './tokenizer-files.ts'

const words = 'Hello, world: 12 apples\n'.repeat(100_000)
const oneWord = 'hello'.repeat(400_000)

describe('long texts', () => {
  let model: Model
  before(async () => {
    model = await loadModel(defaultModel)
    // By this clock every slice takes all of its time, so that how many turns there are does not depend on the machine.
    let now = 0
    mock.method(performance, 'now', () => (now += sliceMs))
  })
  after(() => {
    mock.restoreAll()
    return model.dispose()
  })

  const options = (signal?: AbortSignal) => ({ tooLong: 'skip' as const, ...(signal && { signal }) })
  const request = (prompt: string, continuation = ' a') => [{ prompt, continuations: [continuation] }]
  type Run = (text: string, signal?: AbortSignal, on?: Model) => Promise<unknown>
  const calls: [name: string, run: Run][] = [
    ['score', (text, signal, on = model) => on.score(request(text), options(signal))],
    ['score, of continuations', (text, signal, on = model) => on.score(request('a', text), options(signal))],
    ['scoreStream', (text, signal, on = model) => on.scoreStream(request(text), options(signal)).next()],
    ['generate', (text, signal, on = model) => on.generate([text], options(signal))],
    ['generateStream', (text, signal, on = model) => on.generateStream(text, options(signal)).next()],
  ]

  for (const [name, run] of calls)
    for (const [kind, text] of [
      ['many words', words],
      ['one word', oneWord],
    ] as const) {
      it(`${name} leaves the event loop its turns: ${kind}`, async () => {
        const turns = countTurns()
        await run(text)
        const counted = turns.stop()
        assert.ok(counted > 50, `${counted}`)
      })
    }

  it('calls that overlap leave together what each leaves alone', async () => {
    const alone = countTurns()
    await model.generate([oneWord], options())
    const wanted = 3 * alone.stop()
    const together = countTurns()
    await Promise.all([1, 2, 3, 4].map(() => model.generate([oneWord], options())))
    const counted = together.stop()
    assert.ok(counted > wanted, `${counted} of ${wanted}`)
  })

  const perplexity: (typeof calls)[number] = [
    'perplexity',
    (text, signal, on = model) => on.perplexity(text, signal && { signal }),
  ]
  for (const [name, run] of [...calls, perplexity])
    it(`${name} hears an abort while it encodes`, async () => {
      const controller = new AbortController()
      const turns = countTurns(turn => turn === 3 && controller.abort())
      await assert.rejects(run(oneWord, controller.signal), { code: 'ABORTED' })
      assert.ok(turns.stop() < 20)
    })

  for (const [name, run] of [...calls, perplexity])
    it(`${name} hears while it encodes that the model is disposed`, async () => {
      const own = await loadModel(defaultModel)
      const turns = countTurns(turn => turn === 3 && own.dispose())
      await assert.rejects(run(oneWord, undefined, own), { code: 'DISPOSED' })
      assert.ok(turns.stop() < 20)
    })

  it('have the ids of encode(), whatever is encoded between the slices', async () => {
    const tokenizer = await loadJson(byteJson())
    const short = (await loadJson(byteJson())).encode(' hellohello w')
    for (const text of [words, oneWord]) {
      const want = tokenizer.encode(text)
      const work = tokenizer.encodeSlices(text)
      let slices = 0
      for (;;) {
        const step = work.next()
        if (step.done) {
          assert.deepEqual(step.value, want)
          break
        }
        slices++
        assert.deepEqual(drain(tokenizer.encodeSlices(' hellohello w')), short)
      }
      assert.ok(slices > 50, `${slices}`)
    }
  })
})

/** Counts turns of the event loop until it is stopped. */
function countTurns(onTurn: (turn: number) => void = () => {}) {
  let turns = 0
  let timer = setImmediate(function next() {
    onTurn(++turns)
    timer = setImmediate(next)
  })
  return {
    stop: () => {
      clearImmediate(timer)
      return turns
    },
  }
}
