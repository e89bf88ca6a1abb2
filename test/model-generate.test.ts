// Model.generate() and its streams: stops, limits, sampling, batches, text that comes in pieces.
import { strict as assert } from 'node:assert'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { Continuation } from '../src/generation/continuation.ts'
import { StopText } from '../src/generation/stop-text.ts'
import { type GenerateOptions, loadModel, type Model } from '../src/index.ts'
import { openModel } from '../src/model/load.ts'
import { PieceDecodeStream } from '../src/tokenizer/decoder.ts'
import { sharedMissing } from './shared.ts'
import { writeStories260k } from './stories260k.ts'
import { defaultModel, withTinyModel } from './tiny-model.ts'

describe('StopText', () => {
  const rows: { stops: string[]; pieces: string[]; out: string[]; rest: string; stopped: boolean }[] = [
    { stops: [], pieces: ['ab', 'c'], out: ['ab', 'c'], rest: '', stopped: false },
    { stops: ['\n'], pieces: ['a\nb', 'c'], out: ['a', ''], rest: '', stopped: true },
    { stops: ['END'], pieces: ['aE', 'N', 'D!'], out: ['a', '', ''], rest: '', stopped: true },
    { stops: ['END'], pieces: ['aE', 'N', 'd'], out: ['a', '', 'ENd'], rest: '', stopped: false },
    { stops: ['END'], pieces: ['aEN'], out: ['a'], rest: 'EN', stopped: false },
    { stops: ['aab'], pieces: ['a', 'a', 'a', 'b'], out: ['', '', 'a', ''], rest: '', stopped: true },
    { stops: ['yz', 'xyzz'], pieces: ['xyz'], out: ['x'], rest: '', stopped: true },
    { stops: ['abc', 'b'], pieces: ['a', 'b'], out: ['', 'a'], rest: '', stopped: true },
  ]
  for (const { stops, pieces, out, rest, stopped } of rows)
    it(`finds ${JSON.stringify(stops)} in ${JSON.stringify(pieces)}`, () => {
      const text = new StopText(stops)
      assert.deepEqual(
        pieces.map(piece => text.push(piece)),
        out,
      )
      assert.equal(text.end(), rest)
      assert.equal(text.stopped, stopped)
    })
})

describe('Continuation', () => {
  const greedy = { temperature: 0, topK: 0, topP: 1, minP: 0, seed: 0 }

  it('holds back half a character and gives U+FFFD where it never ends', () => {
    const bytesSeen: number[] = []
    // A decoder of bytes is enough to see that the pieces are what the decoder makes certain.
    const decodeStream = () => {
      const decoder = new TextDecoder()
      return {
        push: (id: number) => {
          bytesSeen.push(id)
          return decoder.decode(Uint8Array.of(id), { stream: true })
        },
        pending: () => '',
        end: () => decoder.decode(),
      }
    }
    const options = {
      ...{ stream: 0, choice: 0 },
      sampling: greedy,
      adjusting: undefined,
      constraint: undefined,
      topLogProbs: 0,
      maxTokens: 4,
      contextLength: 100,
      stopIds: new Set<number>(),
      stop: [],
    }
    const continuation = new Continuation(
      { ids: Int32Array.of(1), truncatedTokens: 0 },
      {
        ...options,
        tokenizer: { decodeStream } as unknown as NonNullable<Model['tokenizer']>,
        ...{ skipSpecialTokens: true, allowNan: false, dtype: 'float32' },
      },
    )
    const pieces = [0x61, 0xc3, 0xa9, 0xe2].map(byte => continuation.push(byte, -1))
    assert.deepEqual(pieces, ['a', '', 'é', '\ufffd'])
    assert.deepEqual(bytesSeen, [0x61, 0xc3, 0xa9, 0xe2])
    assert.equal(continuation.result().text, 'aé\ufffd')
    assert.equal(continuation.result().finishReason, 'length')
  })

  it('stops with the byte token that completes a stop string, though the run goes on', () => {
    // The ids are bytes. As in the tokenizers library's ByteFallback, nothing of a run is certain before it ends.
    const decodeStream = () =>
      new PieceDecodeStream({
        pieceOf: id => (id < 256 ? { byte: id } : { text: 'x' }),
        ...{ space: '▁', brokenRun: 'all', leading: { rule: 'text', count: 0 } },
      })
    const continuation = new Continuation(
      { ids: Int32Array.of(1), truncatedTokens: 0 },
      {
        ...{
          ...{ stream: 0, choice: 0 },
          sampling: greedy,
          adjusting: undefined,
          constraint: undefined,
          topLogProbs: 0,
          maxTokens: 9,
          contextLength: 100,
          stopIds: new Set<number>(),
          stop: ['a\n'],
        },
        ...{
          tokenizer: { decodeStream } as unknown as NonNullable<Model['tokenizer']>,
          ...{ skipSpecialTokens: true, allowNan: false, dtype: 'float32' },
        },
      },
    )
    const pieces = [300, 0xc3, 0xa9, 0x61].map(id => continuation.push(id, -1))
    assert.deepEqual(pieces, ['x', '', '', ''])
    assert.equal(continuation.finishReason, undefined)
    assert.equal(continuation.push(0x0a, -1), 'é')
    assert.equal(continuation.finishReason, 'stop')
    assert.equal(continuation.result().text, 'xé')
  })
})

describe('Model.generate()', () => {
  let model: Model
  before(async () => {
    model = await loadModel(defaultModel, { dtype: 'float32' })
  })
  after(() => model.dispose())
  const greedy = { maxTokens: 12, stopIds: [] }

  it('stops at a stop id, which is not part of the text', async () => {
    const [whole] = await model.generate(['one'], greedy)
    assert.equal(whole!.finishReason, 'length')
    assert.equal(whole!.tokens.length, 12)
    assert.equal(whole!.logProbs.length, 12)
    const stopId = whole!.tokens.find((token, i) => i > 0 && whole!.tokens.indexOf(token) === i)!
    const at = whole!.tokens.indexOf(stopId)
    const [stopped] = await model.generate(['one'], { ...greedy, stopIds: [stopId] })
    assert.equal(stopped!.finishReason, 'stop')
    assert.deepEqual(stopped!.tokens, whole!.tokens.slice(0, at))
    assert.deepEqual(stopped!.logProbs, whole!.logProbs.slice(0, at))
  })

  it('runs to the end of the context and says so', async () => {
    const [result] = await model.generate([Array.from({ length: 2040 }, () => 65)], {
      maxTokens: 50,
      stopIds: [],
    })
    assert.equal(result!.finishReason, 'context')
    // The last token needs no position.
    assert.equal(result!.tokens.length, 9)
  })

  it('makes the room asked for where a policy says how', async () => {
    const long = Array.from({ length: 2100 }, (_, i) => i % 256)
    const options = { maxTokens: 5, stopIds: [] }
    const [left] = await model.generate([long], { ...options, tooLong: 'truncate-left' })
    assert.equal(left!.truncatedTokens, 2100 - 2044)
    assert.deepEqual(left!.tokens, (await model.generate([long.slice(-2044)], options))[0]!.tokens)
    const [right] = await model.generate([long], { ...options, tooLong: 'truncate-right' })
    assert.deepEqual(right!.tokens, (await model.generate([long.slice(0, 2044)], options))[0]!.tokens)
    const [skipped, kept] = await model.generate([long, [1, 2]], { ...options, tooLong: 'skip' })
    assert.deepEqual(skipped, {
      text: '',
      tokens: [],
      finishReason: 'skipped',
      logProbs: [],
      truncatedTokens: 0,
    })
    assert.equal(kept!.tokens.length, 5)
  })

  it('samples the same for a seed, whatever else is in the batch', async () => {
    const options = { maxTokens: 20, temperature: 1, topK: 50, topP: 0.95, seed: 7, stopIds: [] }
    const prompts = ['one', 'two', 'three', 'one']
    const together = await model.generate(prompts, options)
    assert.deepEqual(await model.generate(prompts, options), together)
    assert.deepEqual(
      (await model.generate(prompts.slice(0, 2), options)).map(r => r.tokens),
      together.slice(0, 2).map(r => r.tokens),
    )
    assert.notDeepEqual(together[3]!.tokens, together[0]!.tokens, 'each prompt has a stream of its own')
    const other = await model.generate(prompts, { ...options, seed: 8 })
    assert.notDeepEqual(other[0]!.tokens, together[0]!.tokens)
  })

  it('draws a seed where none is given, and names it', async () => {
    const options = { maxTokens: 20, temperature: 1, stopIds: [] }
    const drawn = await model.generate(['one', 'two'], options)
    const { seed } = drawn[0]!
    assert.ok(Number.isSafeInteger(seed), `${seed}`)
    assert.equal(drawn[1]!.seed, seed, 'one for the call')
    assert.deepEqual(await model.generate(['one', 'two'], { ...options, seed: seed! }), drawn)
    const again = await model.generate(['one', 'two'], options)
    assert.notEqual(again[0]!.seed, seed)
    assert.notDeepEqual(again[0]!.tokens, drawn[0]!.tokens)
    const [best] = await model.generate(['one'], { ...greedy, seed: 7 })
    assert.ok(!('seed' in best!), 'a greedy text has none')
  })

  it('a sampling of the best token alone is greedy', async () => {
    const [best] = await model.generate(['one'], greedy)
    const [sampled] = await model.generate(['one'], { ...greedy, temperature: 0.7, topK: 1 })
    assert.deepEqual(sampled!.tokens, best!.tokens)
    // The value is smaller than any float32.
    const [least] = await model.generate(['one'], { ...greedy, temperature: 0.7, topP: 1e-320 })
    assert.deepEqual(least!.tokens, best!.tokens)
  })

  it('gives the same in small steps and small batches', async () => {
    const prompts = Array.from({ length: 70 }, (_, i) => `${'x'.repeat(i)} number ${i}`)
    const expected = await model.generate(prompts, greedy)
    await using small = await openModel(defaultModel, { dtype: 'float32' }, { packTokens: 16, share: true })
    assert.deepEqual(await small.generate(prompts, greedy), expected)
  })

  it('overlaps with other calls', async () => {
    const prompts = ['one', 'two']
    const [a, scores, b] = await Promise.all([
      model.generate(prompts, greedy),
      model.score([{ prompt: 'one', continuations: ['a'] }]),
      model.generate(prompts.toReversed(), greedy),
    ])
    assert.deepEqual(b.toReversed(), a)
    assert.equal(scores.length, 1)
  })

  it('gives calls that overlap what they give alone, whatever their sampling', async () => {
    const options = [
      { ...greedy, maxTokens: 9 },
      { maxTokens: 20, temperature: 1.5, seed: 3, stopIds: [] },
      { maxTokens: 15, temperature: 0.9, minP: 0.1, topK: 40, seed: 4, stopIds: [] },
      { maxTokens: 30, stop: ['e'] },
      { ...greedy, maxTokens: 20, repetitionPenalty: 1.3, logitBias: { 101: -5 } },
      { maxTokens: 20, temperature: 0.8, topP: 0.9, seed: 5, stopIds: [], frequencyPenalty: 0.7 },
    ]
    const prompts = ['one', 'two three', 'four']
    const alone = []
    for (const each of options) alone.push(await model.generate(prompts, each))
    assert.deepEqual(await Promise.all(options.map(each => model.generate(prompts, each))), alone)
    const late = options.map(async (each, i) => {
      await sleep(3 * i)
      return model.generate(prompts, each)
    })
    assert.deepEqual(await Promise.all(late), alone)
  })

  it('takes one prompt, and one stop string, by themselves', async () => {
    const options = { maxTokens: 30, temperature: 1.5, seed: 3, stopIds: [] }
    const [whole] = await model.generate(['one'], options)
    assert.deepEqual(await model.generate('one', options), whole)
    const stop = whole!.text.slice(4, 6)
    const stopped = await model.generate('one', { ...options, stop })
    assert.deepEqual(stopped, (await model.generate(['one'], { ...options, stop: [stop] }))[0])
    assert.equal(stopped.text, whole!.text.slice(0, whole!.text.indexOf(stop)))
  })

  it('generates nothing for no prompts', async () => assert.deepEqual(await model.generate([]), []))

  it('streams the text of generate() in pieces and returns its result', async () => {
    const options = { maxTokens: 60, temperature: 1.5, seed: 3, stopIds: [] }
    const [expected] = await model.generate(['one'], options)
    const stream = model.generateStream('one', options)
    const pieces: string[] = []
    let step = await stream.next()
    for (; !step.done; step = await stream.next()) pieces.push(step.value)
    assert.deepEqual(step.value, expected)
    assert.equal(pieces.join(''), expected!.text)
    assert.ok(pieces.length > 5)
  })

  it('ends the generation where a stream is left', async () => {
    for await (const _ of model.generateStream('one', { maxTokens: 2000, stopIds: [] })) break
    const [next] = await model.generate(['one'], greedy)
    assert.equal(next!.tokens.length, 12)
  })

  it('reports steps', async () => {
    const seen: { promptsDone: number; tokensDone: number }[] = []
    await model.generate(['ab', 'c'], {
      ...greedy,
      addBos: false,
      onProgress: progress => seen.push(progress),
    })
    assert.equal(seen.length, 12)
    assert.equal(seen[0]!.tokensDone, 3)
    assert.equal(seen.at(-1)!.tokensDone, 3 + 2 * 11)
    assert.equal(seen.at(-1)!.promptsDone, 2)
  })

  it('rejects with ABORTED mid-run, in a stream too', async () => {
    const abort = new AbortController()
    const running = model.generate(['one'], {
      ...{ maxTokens: 2000, stopIds: [], signal: abort.signal },
      onProgress: () => abort.abort(),
    })
    await assert.rejects(running, { code: 'ABORTED' })
    const inStream = new AbortController()
    await assert.rejects(
      async () => {
        for await (const _ of model.generateStream('one', {
          maxTokens: 2000,
          stopIds: [],
          signal: inStream.signal,
        }))
          inStream.abort()
      },
      { code: 'ABORTED' },
    )
  })

  it('rejects with DISPOSED when the model is disposed mid-run', async () => {
    const own = await loadModel(defaultModel)
    const running = own.generate(['one'], {
      maxTokens: 2000,
      stopIds: [],
      onProgress: () => void own.dispose(),
    })
    await assert.rejects(running, { code: 'DISPOSED' })
  })

  const errors: {
    name: string
    prompt: string | number[]
    options?: GenerateOptions
    code: string
    message: RegExp
  }[] = [
    {
      name: 'a prompt that fills the context',
      prompt: Array.from({ length: 2049 }, () => 1),
      code: 'CONTEXT_LENGTH',
      message: /^prompt 0: 2049 tokens leave no room for 1 new; the context has 2048 positions/,
    },
    {
      name: 'an id out of range',
      prompt: [1, 258],
      code: 'TOKEN_OUT_OF_RANGE',
      message: /^prompt 0: token 1 is 258/,
    },
    {
      name: 'maxTokens of 0',
      prompt: 'a',
      options: { maxTokens: 0 },
      code: 'INVALID_ARGUMENT',
      message: /^maxTokens is 0; expected an integer from 1/,
    },
    {
      name: 'an empty stop string',
      prompt: 'a',
      options: { stop: [''] },
      code: 'INVALID_ARGUMENT',
      message: /^stop holds ""; expected texts that are not empty/,
    },
    {
      name: 'a topP of 0',
      prompt: 'a',
      options: { topP: 0 },
      code: 'INVALID_ARGUMENT',
      message: /^topP is 0; expected a number above 0, at most 1$/,
    },
    {
      name: 'a negative temperature',
      prompt: 'a',
      options: { temperature: -1 },
      code: 'INVALID_ARGUMENT',
      message: /^temperature is -1; expected a number from 0/,
    },
  ]
  for (const { name, prompt, options, code, message } of errors)
    it(`refuses ${name}`, () => assert.rejects(model.generate([prompt], options), { code, message }))

  it('refuses stops that are no array', async () => {
    await assert.rejects(model.generate(['one'], { stop: 5 as unknown as string[] }), {
      code: 'INVALID_ARGUMENT',
      message: 'stop is 5; expected a text or an array of texts',
    })
    await assert.rejects(model.generate(['one'], { stopIds: 2 as unknown as number[] }), {
      code: 'INVALID_ARGUMENT',
      message: 'stopIds is 2; expected an array of token ids',
    })
  })

  it('refuses a number by itself', () =>
    assert.rejects(model.generate(1 as unknown as string[]), {
      code: 'INVALID_ARGUMENT',
      message: 'prompts is 1; expected an array or an (async) iterable of prompts',
    }))

  it('refuses an empty prompt on a model with neither BOS nor EOS', () =>
    withTinyModel({ config: { bos_token_id: null, eos_token_id: null } }, async tiny => {
      await assert.rejects(tiny.generate([[]]), {
        code: 'INVALID_ARGUMENT',
        message: /^prompt 0: the prompt is empty and the model has neither BOS nor EOS/,
      })
      await assert.rejects(tiny.generate([[1]], { stop: ['a'] }), {
        code: 'TOKENIZER',
        message: /^stop needs texts, but the checkpoint has no tokenizer\. Leave it out, or set stopIds$/,
      })
      const [result] = await tiny.generate([[1]], { maxTokens: 3 })
      assert.equal(result!.tokens.length, 3)
      assert.equal(result!.text, '')
    }))
})

describe('stories260K', () => {
  if (sharedMissing) return it.skip(sharedMissing)
  const ids = [1, 403, 407, 261, 378, 432, 383, 286, 261, 376, 298, 315, 421]
  // The text was made with llama2.c.
  const logProbs = [
    -0.243743, -0.017513, -0.01211, -0.000724, -0.031703, -0.068424, -0.015955, -0.000784, -0.493979,
    -0.445867, -0.004891, -0.000658,
  ]
  let dir: string
  before(() => {
    dir = mkdtempSync(join(tmpdir(), 'mt-llama-test-'))
    writeStories260k(dir)
  })
  after(() => rmSync(dir, { recursive: true }))

  for (const device of ['reference', 'cpu'] as const)
    it(`scores and goes on as llama2.c does, on ${device}`, async () => {
      await using model = await loadModel(dir, { device })
      const [result] = await model.score([{ prompt: ids.slice(0, 1), continuations: [ids.slice(1)] }])
      const { tokenLogProbs, logLikelihood } = result!.continuations[0]!
      for (const [i, expected] of logProbs.entries())
        assert.ok(
          Math.abs(tokenLogProbs[i]! - expected) < 1e-5,
          `token ${i}: ${tokenLogProbs[i]}, want ${expected}`,
        )
      assert.ok(Math.abs(logLikelihood - -1.336351) < 5e-5, `${logLikelihood}`)
      const [generated] = await model.generate([ids], { maxTokens: 5 })
      assert.deepEqual(generated!.tokens, [395, 317, 426, 338, 401])
    })

  it('ends a text at a stop string, streamed or not', async () => {
    await using model = await loadModel(dir)
    const options = { maxTokens: 60, stop: ['Lily. She'] }
    const [result] = await model.generate(['Once upon a time'], options)
    assert.equal(result!.text, ', there was a little girl named ')
    assert.equal(result!.finishReason, 'stop')
    let text = ''
    for await (const piece of model.generateStream('Once upon a time', options)) text += piece
    assert.equal(text, result!.text)
  })
})
