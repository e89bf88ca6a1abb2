// Constraints by regular expressions: what comes matches, whatever the model and the temperature, and changes nothing beside it.
import { strict as assert } from 'node:assert'
import { MtLlamaError } from '../src/errors.ts'
import type { TextConstraint } from '../src/generation/constraint/text-constraint.ts'
import { Continuation } from '../src/generation/continuation.ts'
import { type GenerateOptions, type GenerateResult, loadModel, type Model } from '../src/index.ts'
import { defaultModel, randomTinyTensors, withTinyModel } from './tiny-model.ts'
import { byteJson } from './tokenizer-files.ts'

const hot = { temperature: 1.5, maxTokens: 400 } as const

describe('constraint: regex', () => {
  let model: Model
  before(async () => {
    model = await loadModel(defaultModel, { dtype: 'float32' })
  })
  after(() => model.dispose())

  const patterns = [
    ...[
      'yes|no|maybe',
      '[a-c]{3,5}',
      '\\d{3}-\\d{4}',
      '(ab|c)*d',
      '(?:a|bc){2,3}?',
      'x*?y',
      '.{4}',
      '\\w+\\s\\W',
    ],
    ...[
      '[^a-z]{2}',
      '[^\\d\\s]{3}',
      '\\S{2}',
      '\\D',
      '[\\w-]{4}',
      '[a\\]\\-]{3}',
      '[^]{2}',
      '[\\b]',
      '\\x41\\u0042\\u{43}',
    ],
    ...[
      'é+x',
      '[à-ü]{3}',
      '[ア-ン]{2}',
      '😀|😁',
      '\\ud83d\\ude00',
      '[😀-😎]{2}',
      '[^\\u0000-\\u{ffff}]',
      '\\t\\n\\r\\f\\v\\0',
    ],
    ...[
      '^(?:-?(?:0|[1-9]\\d{0,3}))$',
      '^a|b$',
      '(?<year>\\d{4})',
      'a{2}b{0}c{1,}d?',
      '{"a": [a-z]{1,3}}',
      '\\/\\.\\*',
      'a{,2}',
      '\\u{000041}',
      '[\\ud83d\\u0041]',
      `[${'ab'.repeat(24000)}]`,
      `(?:(?:${'a'.repeat(40000)}){0}){1,10}b`,
      '',
    ],
  ]
  for (const regex of patterns)
    it(`${regex}: every text matches as a whole, as RegExp has it`, async () => {
      const results = await model.generate(
        Array.from({ length: 12 }, (_, i) => `${i}`),
        { ...hot, n: 4, seed: 5, constraint: { regex } },
      )
      // Without the flag u, \u{...} is no escape; with it, a brace that bounds nothing is an error.
      const flags = /^(\{"|a\{,)/.test(regex) ? '' : 'u'
      const whole = new RegExp(`^(?:${regex})$`, flags)
      let stopped = 0
      for (const { text, finishReason } of results.flatMap(({ choices }) => choices!)) {
        if (finishReason === 'stop') stopped++
        else assert.equal(finishReason, 'length')
        if (finishReason === 'stop') assert.match(text, whole)
      }
      assert.ok(stopped > 40, `${stopped} of 48 texts came to an end`)
    })

  it('greedily the best token of those that lead on comes', async () => {
    const prompt = [...Buffer.from('The mill ')]
    const [result] = await model.generate([prompt], { constraint: { regex: '[0-9]{5}[p-z]{3}' } })
    const { tokens, logProbs } = result!
    assert.equal(tokens.length, 8)
    for (const [i, token] of tokens.entries()) {
      const logits = (await model.logits([...prompt, ...tokens.slice(0, i)])).slice(-model.info.vocabSize)
      const [first, last] = i < 5 ? [0x30, 0x39] : [0x70, 0x7a]
      const allowed = logits.subarray(first, last + 1)
      assert.equal(token, first + allowed.indexOf(Math.max(...allowed)))
    }
    const [scored] = await model.score([{ prompt, continuations: [tokens] }])
    const { tokenLogProbs } = scored!.continuations[0]!
    for (const [i, logProb] of logProbs.entries())
      assert.ok(Math.abs(logProb - tokenLogProbs[i]!) < 2e-6, "its log-probability is the model's own")
  })

  it('alternatives are the best tokens by the model, whatever may come', async () => {
    const options = { maxTokens: 1, topLogProbs: 3 }
    const free = await model.generate('The mill', options)
    const { topAlternatives, tokens } = await model.generate('The mill', {
      ...options,
      constraint: { regex: '\\d' },
    })
    assert.deepEqual(topAlternatives, free.topAlternatives)
    assert.ok(tokens[0]! >= 0x30 && tokens[0]! <= 0x39)
  })

  it('a text ends where nothing can follow, and at a stop id only where it is complete', async () => {
    const eos = model.info.eosTokenIds[0]!
    const ends = async (regex: string, options: GenerateOptions = {}) => {
      const { text, tokens, finishReason } = await model.generate('a', { constraint: { regex }, ...options })
      return [text, tokens.length, finishReason]
    }
    assert.deepEqual(await ends('abc', { stopIds: [] }), ['abc', 3, 'stop'])
    assert.deepEqual(await ends('', { stopIds: [] }), ['', 0, 'stop'])
    assert.deepEqual(await ends('abcdef', { maxTokens: 4 }), ['abcd', 4, 'length'])
    assert.deepEqual(await ends('abcd', { maxTokens: 4 }), ['abcd', 4, 'stop'])
    assert.deepEqual(await ends('abcd', { stop: 'c' }), ['ab', 3, 'stop'])
    const biased = { logitBias: { [eos]: 100 } }
    assert.deepEqual(await ends('a{3,9}', biased), ['aaa', 3, 'stop'])
    assert.deepEqual(await ends('a{3,9}', { stopIds: [], ...biased }), ['aaaaaaaaa', 9, 'stop'])
    assert.deepEqual(await ends('a{3,9}', { logitBias: { [eos]: -Infinity } }), ['aaaaaaaaa', 9, 'stop'])
  })

  it('a stop id that is text is none of the text, and comes where that is complete', async () => {
    const newline = 10
    const options = { stopIds: [newline], constraint: { regex: 'a\\n?b*' }, logitBias: { [newline]: 100 } }
    const { text, finishReason } = await model.generate('a', options)
    assert.deepEqual([text, finishReason], ['a', 'stop'])
  })

  it('no token that may come: an error that names the place, of that text alone', async () => {
    const banned = { logitBias: { 98: -Infinity } }
    const message =
      'prompt 0, new token 1: no token may come next. Of those that lead on by constraint the vocabulary has none, or logitBias bans them all'
    const wrong = { ...banned, constraint: { regex: 'abc' } }
    const [failed, fine] = await Promise.allSettled([model.generate('x', wrong), model.generate('x', banned)])
    assert.equal(fine.status, 'fulfilled')
    assert.equal(failed.status === 'rejected' && failed.reason.message, message)
    const errors: string[] = []
    const results: GenerateResult[] = []
    for await (const result of model.generateOrSkip(['x', 'y'], wrong, error => errors.push(error.message)))
      results.push(result)
    assert.deepEqual(
      results.map(({ finishReason }) => finishReason),
      ['skipped', 'skipped'],
    )
    assert.deepEqual(errors, [message, message.replace('prompt 0', 'prompt 1')])
    // Where the text is complete, it ends.
    const ended = await model.generate('x', { ...banned, stopIds: [], constraint: { regex: 'ab?' } })
    assert.deepEqual([ended.text, ended.finishReason], ['a', 'stop'])
  })

  it('texts are the same to the bit alone and beside others, with a constraint or without', async () => {
    const regexes = ['[a-z ]{10,30}', '(\\d{2}:)*\\d{2}', 'yes|no']
    const kinds: GenerateOptions[] = [
      {},
      { temperature: 1, topLogProbs: 2 },
      { temperature: 0.8, topK: 20, topP: 0.9, minP: 0.01, repetitionPenalty: 1.2, frequencyPenalty: 0.3 },
    ]
    const calls = kinds.flatMap(kind => [
      ...regexes.map(regex => ({ ...kind, constraint: { regex } })),
      { ...kind, maxTokens: 25 },
    ])
    const options = calls.map(call => ({ maxTokens: 40, seed: 3, ...call }))
    const alone: GenerateResult[][] = []
    for (const own of options) alone.push(await model.generate(['one', 'the second prompt'], own))
    const together = await Promise.all(options.map(own => model.generate(['one', 'the second prompt'], own)))
    assert.deepEqual(together, alone)
    await using threaded = await loadModel(defaultModel, { dtype: 'float32', threads: 1 })
    assert.deepEqual(await threaded.generate(['one', 'the second prompt'], options[6]), alone[6])
  })

  it('n texts of a prompt are those of their seeds, and each matches', async () => {
    const options = { ...hot, seed: 9, constraint: { regex: '[a-z]{5}' } }
    const { choices } = await model.generate('a', { ...options, n: 6 })
    for (const { text, seed } of choices!) {
      assert.match(text, /^[a-z]{5}$/)
      assert.equal((await model.generate('a', { ...options, seed: seed! })).text, text)
    }
    assert.ok(new Set(choices!.map(({ text }) => text)).size > 3)
  })

  it('streams, conversations and chats have it', async () => {
    const constraint = { regex: '(?:yes|no), [a-z]{4}' }
    const whole = /^(?:yes|no), [a-z]{4}$/
    const pieces: string[] = []
    const stream = model.generateStream('x', { constraint })
    let step = await stream.next()
    for (; !step.done; step = await stream.next()) pieces.push(step.value)
    assert.match(pieces.join(''), whole)
    assert.equal(step.value.text, pieces.join(''))
    const template = 'release' as const
    const chat = model.chatSession({ constraint, template, ...hot })
    for (const question of ['Is it?', 'And now?']) assert.match((await chat.send(question)).text, whole)
    assert.match((await model.chat([{ role: 'user', content: 'x' }], { constraint, template })).text, whole)
  })

  it('partialOnAbort gives the text so far, which leads on to a match', async () => {
    const abort = new AbortController()
    let steps = 0
    const result = await model.generate('x', {
      ...{ constraint: { regex: '(?:\\d{3},)*' }, stopIds: [], maxTokens: 1000 },
      ...{ signal: abort.signal, partialOnAbort: true, onProgress: () => ++steps === 10 && abort.abort() },
    } as GenerateOptions)
    assert.equal(result.finishReason, 'aborted')
    assert.match(result.text, /^(?:\d{3},)*\d{0,3}$/)
    assert.equal(result.tokens.length, 10)
  })

  it('an abort while the masks are made ends the call', async () => {
    // Each state has thousands of places, so that its tokens take a while to be found.
    const constraint = { regex: '(?:.*a){1,9}[^b]{1200}' }
    const abort = new AbortController()
    setImmediate(() => setImmediate(() => setImmediate(() => abort.abort())))
    await assert.rejects(model.generate('x', { constraint, maxTokens: 1000, signal: abort.signal }), {
      code: 'ABORTED',
    })
    assert.equal((await model.generate('x', { constraint: { regex: 'fine' } })).text, 'fine')
  })

  it('a log-probability that is no number: what may not come is not taken, whatever allowNan says', () => {
    const tensors = randomTinyTensors((name, values) => {
      if (name.includes('norm')) values.fill(1e38)
    })
    const json = byteJson()
    json.added_tokens = []
    json.model.vocab = Object.fromEntries([...'abcdefghij'].map((text, id) => [text, id]))
    json.model.merges = []
    return withTinyModel({ tensors, files: { 'tokenizer.json': json } }, async own => {
      const constraint = { regex: '[c-e]+' }
      for (const allowNan of [false, true])
        await assert.rejects(own.generate([[2]], { constraint, allowNan, stopIds: [] }), {
          code: 'SCORE_NOT_FINITE',
        })
      // The first token is what comes where none is the best.
      const [taken] = await own.generate([[2]], {
        constraint: { regex: 'a{3}' },
        allowNan: true,
        stopIds: [],
      })
      assert.equal(taken!.text, 'aaa')
    })
  })

  it('too complex after a token: an error of that text, not of the step', () => {
    const error = new MtLlamaError('INVALID_ARGUMENT', 'too complex')
    const push = () => {
      throw error
    }
    const constraint = { allows: () => true, push } as unknown as TextConstraint
    const text = new Continuation(
      { ids: Int32Array.of(1), truncatedTokens: 0 },
      {
        ...{ stream: 0, choice: 0, adjusting: undefined, constraint, topLogProbs: 0, tokenizer: undefined },
        ...{ maxTokens: 9, contextLength: 100, stopIds: new Set<number>(), stop: [] },
        ...{ skipSpecialTokens: true, allowNan: false, dtype: 'float32' },
        sampling: { temperature: 0, topK: 0, topP: 1, minP: 0, seed: 0 },
      },
    )
    assert.equal(text.push(5, -1), '')
    assert.ok(text.ended)
    assert.throws(() => text.result(), error)
  })

  it('a model without a tokenizer has none', () =>
    withTinyModel({}, async own => {
      await assert.rejects(own.generate([[1]], { constraint: { regex: 'a' } }), {
        code: 'TOKENIZER',
        message: 'constraint needs texts, but the checkpoint has no tokenizer. Leave it out',
      })
    }))

  const errors: [constraint: unknown, message: RegExp | string][] = [
    ['x', `constraint is "x"; expected { regex: '...' } or { jsonSchema: { ... } }`],
    [{}, /^constraint is \{\}; expected/],
    [null, /^constraint is null; expected/],
    [[], /^constraint is \[\]; expected/],
    [{ regexp: 'a' }, /^constraint is \{"regexp":"a"\}; expected/],
    [{ regex: 'a', jsonSchema: {} }, /^constraint is \{"regex":"a","jsonSchema":\{\}\}; expected/],
    [{ regex: /a/ }, 'constraint has the regex /a/; expected a text'],
    [
      Object.defineProperty({}, 'regex', {
        enumerable: true,
        get: () => {
          throw new Error('no')
        },
      }),
      'constraint cannot be read: no',
    ],
    [{ regex: 'a(b' }, 'constraint: regex is "a(b": at character 3 it has a group without its )'],
    [{ regex: 'a)b' }, /at character 1 it has a \) that closes nothing$/],
    [{ regex: '[a' }, /at character 2 it has a \[ without its \]$/],
    [{ regex: '*' }, /it has a \* that repeats nothing$/],
    [{ regex: 'a**' }, /it has a repetition of a repetition$/],
    [{ regex: 'a{3,2}' }, /it has a repetition of at least 3 and at most 2$/],
    [{ regex: '[b-a]' }, /it has a range whose first character comes after its last one$/],
    [{ regex: '[\\d-z]' }, /it has a range between what are no two characters$/],
    [{ regex: 'a\\' }, /it has an end where more must follow$/],
    [{ regex: '\\xz' }, /it has an escape without its 2 hexadecimal digits$/],
    [{ regex: '\\u{110000}' }, /it has an escape \\u\{\.\.\.\} of no character$/],
    [{ regex: '\\u{41z}' }, /it has an escape \\u\{\.\.\.\} of no character$/],
    [{ regex: '\\u{-5}' }, /it has an escape \\u\{\.\.\.\} of no character$/],
    [{ regex: `a{${'0'.repeat(50)}1}` }, /it has a repetition with bounds of so many digits, which is not/],
    [{ regex: '(?=a)' }, /it has lookahead, which is not supported$/],
    [{ regex: '(?<!a)b' }, /it has lookbehind, which is not supported$/],
    [{ regex: '(?i:a)' }, /it has a group that begins with \(\?, which is not supported$/],
    [{ regex: '(a)\\1' }, /it has a back reference, which is not supported$/],
    [{ regex: '\\bx' }, /it has a word boundary, which is not supported$/],
    [{ regex: '\\p{L}' }, /it has a property of Unicode, which is not supported$/],
    [{ regex: '\\q' }, /it has the escape \\q, which is not supported$/],
    [{ regex: 'a^b' }, /it has \^ but at the beginning of the whole, which is not supported$/],
    [{ regex: '(a$)b' }, /it has \$ but at the end of the whole, which is not supported$/],
    [{ regex: '[^\\s\\S]' }, 'constraint: regex lets no text be: none matches it'],
    [
      { regex: 'a{100000}' },
      /^constraint: regex takes more than 50000 states; give it lower bounds of repetition, or fewer parts$/,
    ],
    [{ regex: '(?:(?:){100000}){100000}' }, /takes more than 50000 states/],
    [{ regex: 'a'.repeat(50001) }, 'constraint: regex has 50001 characters; expected at most 50000'],
    [{ regex: `${'('.repeat(300)}${')'.repeat(300)}` }, /it has more than 200 groups in each other$/],
  ]
  for (const [constraint, message] of errors)
    it(`refuses with ${message}`, () =>
      assert.rejects(model.generate('a', { constraint } as GenerateOptions), {
        code: 'INVALID_ARGUMENT',
        message,
      }))
})
