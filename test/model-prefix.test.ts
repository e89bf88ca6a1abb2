// Model.prefix(): what calls save by it, that they give the same bits, and what each error says.
import { strict as assert } from 'node:assert'
import { loadModel, type Model, type ScoreRequest } from '../src/index.ts'
import { shared } from './shared.ts'
import { defaultModel, withTinyModel } from './tiny-model.ts'

const examples = `${'Once upon a time there was a dog. It was happy: yes\n'.repeat(4)}Once`
const request = (name: string): ScoreRequest => ({
  prompt: `${examples} upon a time there was a ${name}. It was happy:`,
  continuations: [' yes', ' no'],
})
const names = ['cat', 'bird', 'girl named Lily']

describe('Model.prefix()', () => {
  let model: Model
  before(async () => {
    model = await loadModel(shared('models', 'smollm2-135m', 'model-q4_1.gguf'))
  })
  after(() => model.dispose())

  /** Scores each request in a call of its own. */
  const run = async () => {
    let tokens = 0
    const results = []
    for (const name of names) {
      let ofCall = 0
      results.push(...(await model.score([request(name)], { onProgress: p => (ofCall = p.tokensDone) })))
      tokens += ofCall
    }
    return { tokens, results }
  }

  it('is run once for all calls that follow, whose results stay the same', async () => {
    const before = await run()
    const prefix = await model.prefix(examples)
    const kept = await run()
    assert.deepEqual(kept.results, before.results)
    // "Once" may be another token before what follows it.
    const saved = before.tokens - kept.tokens
    assert.ok(saved >= names.length * (prefix.tokens - 1), `${saved} tokens of ${names.length} calls`)
    assert.ok(saved <= names.length * prefix.tokens)
    prefix.dispose()
    prefix.dispose()
    assert.deepEqual(await run(), before)
  })

  it('serves perplexity() too', async () => {
    const text = `${examples} upon a time.`
    const before = await model.perplexity(text)
    using _ = await model.prefix(examples)
    assert.deepEqual(await model.perplexity(text), before)
  })

  it('stays beside others, each found where it fits best', async () => {
    const before = await run()
    const longer = await model.prefix(request('cat').prompt)
    using shorter = await model.prefix('Once upon')
    using _ = await model.prefix('Nothing begins so')
    const both = await run()
    assert.deepEqual(both.results, before.results)
    longer[Symbol.dispose]()
    const after = await run()
    assert.deepEqual(after.results, before.results)
    assert.ok(both.tokens < after.tokens && after.tokens < before.tokens)
    assert.ok(shorter.tokens < longer.tokens)
  })

  it('is refused where it is empty, too long or wrong', async () => {
    await assert.rejects(model.prefix(''), { code: 'INVALID_ARGUMENT', message: /^the prefix is empty/ })
    const { contextLength } = model.info
    await assert.rejects(model.prefix(new Array(contextLength + 1).fill(5)), {
      code: 'CONTEXT_LENGTH',
      message: `the prefix has ${contextLength + 1} tokens; the context has ${contextLength} positions. Shorten it`,
    })
    await assert.rejects(model.prefix([-1]), { code: 'TOKEN_OUT_OF_RANGE', message: /^the prefix: token 0/ })
    await assert.rejects(model.prefix('a', { bos: true } as never), { message: /^unknown option "bos"/ })
    await assert.rejects(model.prefix('a', { signal: AbortSignal.abort() }), { code: 'ABORTED' })
    await withTinyModel({}, tiny => assert.rejects(tiny.prefix('a'), { code: 'TOKENIZER' }))
  })

  it('ends with its model', async () => {
    const other = await loadModel(defaultModel)
    const prefix = await other.prefix('hello')
    const running = assert.rejects(other.prefix('hello there'), { code: 'DISPOSED' })
    await other.dispose()
    await running
    prefix.dispose()
    await assert.rejects(other.prefix('hello'), { code: 'DISPOSED' })
  })
})
