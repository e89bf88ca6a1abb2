// Leaves streams and disposes models at each stage of a call: everything ends, and nothing stays open.
import { strict as assert } from 'node:assert'
import { loadModel, type Model } from '../src/index.ts'
import { defaultModel } from './tiny-model.ts'
import { waitingSource } from './waiting-source.ts'

const request = { prompt: 'a', continuations: ['b'] }
const long = { maxTokens: 2000, stopIds: [] }
const messages = [{ role: 'user', content: 'a' }]

interface Open {
  stream: AsyncGenerator<unknown, unknown, undefined>
  /** Whether the source was closed; undefined where there is none. */
  closed: () => boolean
}

/** Streams that never end by themselves, or take long. */
const streams: Record<string, (model: Model) => Open> = {
  scoreStream: model => {
    const { source, closed } = waitingSource(request)
    return { stream: model.scoreStream(source), closed }
  },
  classifyStream: model => {
    const { source, closed } = waitingSource('a')
    return { stream: model.classifyStream(source, { labels: ['b', 'c'], calibrate: 'contextual' }), closed }
  },
  rankStream: model => {
    const { source, closed } = waitingSource('a')
    return { stream: model.rankStream('b', source), closed }
  },
  embedStream: model => {
    const { source, closed } = waitingSource('a')
    return { stream: model.embedStream(source), closed }
  },
  generateEach: model => {
    const { source, closed } = waitingSource('a')
    return { stream: model.generateEach(source, { maxTokens: 2 }), closed }
  },
  generateStream: model => ({ stream: model.generateStream('a', long), closed: () => true }),
  chatStream: model => ({
    stream: model.chatStream(messages, { ...long, template: 'release' }),
    closed: () => true,
  }),
}

/** How far a stream has come when it is left. */
const stages: Record<string, (stream: Open['stream']) => Promise<void>> = {
  'before it has begun': async () => {},
  'while its first item is on the way': async stream => void stream.next().catch(() => {}),
  'after its first item': async stream => {
    assert.equal((await stream.next()).done, false)
  },
  'while another item is on the way': async stream => {
    await stream.next()
    void stream.next().catch(() => {})
  },
}

for (const [name, open] of Object.entries(streams))
  describe(`${name}()`, () => {
    for (const [stage, reach] of Object.entries(stages)) {
      it(`can be left ${stage}, and other calls go on`, async () => {
        await using model = await loadModel(defaultModel)
        const { stream, closed } = open(model)
        await reach(stream)
        assert.equal((await stream.return(undefined)).done, true)
        assert.deepEqual(await stream.next(), { done: true, value: undefined })
        if (stage !== 'before it has begun') assert.equal(closed(), true)
        assert.equal((await model.score([request])).length, 1)
        assert.equal((await model.generate(['a'], { maxTokens: 2, stopIds: [] })).length, 1)
      })

      it(`ends with DISPOSED where the model is disposed ${stage}`, async () => {
        const model = await loadModel(defaultModel)
        const { stream, closed } = open(model)
        await reach(stream)
        await model.dispose()
        // A request that was made before has had the error, and the stream has ended.
        if (stage.startsWith('while')) for (const _ of [1, 2, 3]) await stream.next().catch(() => {})
        else await assert.rejects(drain(stream), { code: 'DISPOSED' })
        assert.deepEqual(await stream.next(), { done: true, value: undefined })
        if (stage !== 'before it has begun') assert.equal(closed(), true)
      })
    }
  })

async function drain(stream: AsyncIterable<unknown>): Promise<void> {
  for await (const _ of stream);
}
