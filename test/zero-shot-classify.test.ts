// Model.classify(): its numbers are made by hand of those that score() gives.
import { strict as assert } from 'node:assert'
import { readFileSync } from 'node:fs'
import {
  type Calibration,
  type Classification,
  type ClassifyOptions,
  loadModel,
  type Model,
  type Source,
} from '../src/index.ts'
import { Classifier } from '../src/zero-shot/classify.ts'
import { answersOf } from '../src/zero-shot/judge.ts'
import { shared, sharedMissing } from './shared.ts'
import { skip } from './skip.ts'
import { defaultModel, withTinyModel } from './tiny-model.ts'

const texts = ['The film was a delight.', 'Rain, and no end of it.', 'Two goals in a minute!']
const labels = ['good', 'bad weather', 'sports']

describe('Model.classify()', () => {
  let model: Model
  before(async () => {
    model = await loadModel(defaultModel, { dtype: 'float32' })
  })
  after(() => model.dispose())

  /** The log-likelihoods that score() gives the words after each prompt. */
  async function scored(prompts: string[], words: string[]): Promise<number[][]> {
    const results = await model.score(prompts.map(prompt => ({ prompt, continuations: words })))
    return results.map(({ continuations }) => continuations.map(score => score.logLikelihood))
  }

  /** Probabilities that are to each other as the values' exponentials. */
  function normalised(values: number[]): number[] {
    const sum = values.reduce((total, value) => total + Math.exp(value), 0)
    return values.map(value => Math.exp(value) / sum)
  }

  function assertScores(found: Classification, expected: Record<string, number>): void {
    const ranked = Object.entries(expected).sort(([, a], [, b]) => b - a)
    assert.deepEqual(
      found.labels,
      ranked.map(([name]) => name),
    )
    assert.equal(found.label, found.labels[0])
    for (const [i, [name, score]] of ranked.entries())
      assert.ok(Math.abs(found.scores[i]! - score) < 1e-12, `${name}: ${found.scores[i]}, want ${score}`)
  }

  const named = (scores: number[]) => Object.fromEntries(labels.map((label, i) => [label, scores[i]!]))
  const labelled = (text: string) => `Text: ${text}\nLabel:`
  const about = (text: string, label: string) =>
    `Text: ${text}\nLabel: ${label}\nDoes the label fit the text, Yes or No?`
  const words = labels.map(label => ` ${label}`)

  it('gives the soft-max of the log-likelihoods, the best label first', async () => {
    const expected = await scored(texts.map(labelled), words)
    const found = await model.classify(texts, { labels })
    assert.equal(found.length, texts.length)
    for (const [i, result] of found.entries()) {
      assertScores(result, named(normalised(expected[i]!)))
      assert.ok(Math.abs(result.scores.reduce((a, b) => a + b, 0) - 1) < 1e-12)
      assert.deepEqual(JSON.parse(JSON.stringify(result)), result)
    }
  })

  it('pmi divides by the probabilities after the template of the empty text', async () => {
    const [domain] = await scored([labelled('')], words)
    const expected = await scored(texts.map(labelled), words)
    const found = await model.classify(texts, { labels, calibrate: 'pmi' })
    for (const [i, result] of found.entries()) {
      const ratios = expected[i]!.map((value, k) => Math.exp(value) / Math.exp(domain![k]!))
      const sum = ratios.reduce((a, b) => a + b, 0)
      assertScores(result, named(ratios.map(ratio => ratio / sum)))
    }
  })

  it('contextual divides by the mean probabilities on N/A, [MASK] and the empty text', async () => {
    const contentFree = (await scored(['N/A', '', '[MASK]'].map(labelled), words)).map(normalised)
    const expected = (await scored(texts.map(labelled), words)).map(normalised)
    const found = await model.classify(texts, { labels, calibrate: 'contextual' })
    for (const [i, result] of found.entries()) {
      const divided = expected[i]!.map(
        (p, k) => p / ((contentFree[0]![k]! + contentFree[1]![k]! + contentFree[2]![k]!) / 3),
      )
      const sum = divided.reduce((a, b) => a + b, 0)
      assertScores(result, named(divided.map(p => p / sum)))
    }
  })

  it('multiLabel judges each label by itself, by Yes against No', async () => {
    const found = await model.classify(texts, { labels, multiLabel: true })
    for (const [i, result] of found.entries()) {
      const prompts = labels.map(label => about(texts[i]!, label))
      const expected = (await scored(prompts, [' Yes', ' No'])).map(pair => normalised(pair)[0]!)
      assertScores(result, named(expected))
    }
  })

  it('multiLabel takes one label, and is calibrated label by label', async () => {
    const [result] = await model.classify(texts, { labels: ['good'], multiLabel: true, calibrate: 'pmi' })
    const [own, domain] = await scored([about(texts[0]!, 'good'), about('', 'good')], [' Yes', ' No'])
    const [yes, no] = own!.map((value, i) => Math.exp(value - domain![i]!))
    assertScores(result!, { good: yes! / (yes! + no!) })
  })

  it('asks about content-free texts once a call', () => {
    const asked = (calibrate: Calibration, multiLabel: boolean) => {
      const classifier = new Classifier({ labels, calibrate, multiLabel })
      return [0, 1, 2].map(index => classifier.asks(texts[index]!, index).length)
    }
    assert.deepEqual(asked('none', false), [1, 1, 1])
    assert.deepEqual(asked('pmi', false), [2, 1, 1])
    assert.deepEqual(asked('contextual', false), [4, 1, 1])
    assert.deepEqual(asked('contextual', true), [12, 3, 3])
  })

  it('runs the tokens that score() runs, a prompt once for all labels', async () => {
    let run = 0
    const onProgress = ({ tokensDone }: { tokensDone: number }) => {
      run = tokensDone
    }
    await model.classify(texts, { labels, onProgress })
    const classified = run
    await model.score(
      texts.map(text => ({ prompt: labelled(text), continuations: words })),
      { onProgress },
    )
    assert.equal(classified, run)
  })

  it('takes words other than the names, and templates of both kinds', async () => {
    const own = [
      { name: '+', text: 'great' },
      { name: '-', text: '\tpoor' },
    ]
    for (const template of ['It says "{text}", which is', (text: string) => `It says "${text}", which is`]) {
      const [expected] = await scored(['It says "Fine. {text} $&", which is'], [' great', '\tpoor'])
      const found = await model.classify('Fine. {text} $&', { labels: own, template })
      const [plus, minus] = normalised(expected!)
      assertScores(found, { '+': plus!, '-': minus! })
    }
  })

  it('puts no second space before a label', async () => {
    const [expected] = await scored([`${texts[0]}\n`], labels)
    assertScores(
      await model.classify(texts[0]!, { labels, template: '{text}\n' }),
      named(normalised(expected!)),
    )
  })

  it('gives equal labels in the order they were given', () => {
    const { labels } = new Classifier({ labels: ['b', 'a', 'c'] }).judge([-3, -3, -2], 0)
    assert.deepEqual(labels, ['c', 'b', 'a'])
  })

  it('one text gives one result, iterables and the stream give the same', async () => {
    const options = { labels, calibrate: 'contextual' } as const
    const expected = await model.classify(texts, options)
    assert.deepEqual(await model.classify(texts[0]!, options), expected[0])
    async function* later(): Source<string> {
      yield* texts
    }
    assert.deepEqual(await model.classify(later(), options), expected)
    assert.deepEqual(await collect(model.classifyStream(new Set(texts), options)), expected)
    assert.deepEqual(await model.classify([], options), [])
  })

  it('cuts the start of a prompt that is too long where it may, and says how much', async () => {
    const long = 'so '.repeat(1000)
    await assert.rejects(model.classify([texts[0]!, long], { labels }), {
      code: 'CONTEXT_LENGTH',
      message: /^text 1, continuation 0: .*or set tooLong to 'truncate-left'/,
    })
    const [kept, cut] = await model.classify([texts[0]!, long], { labels, tooLong: 'truncate-left' })
    const [score] = await model.score([{ prompt: labelled(long), continuations: words }], {
      tooLong: 'truncate-left',
    })
    assert.deepEqual([kept!.truncatedTokens, cut!.truncatedTokens], [0, score!.truncatedTokens])
    assert.ok(cut!.truncatedTokens > 900)
    assertScores(cut!, named(normalised(score!.continuations.map(({ logLikelihood }) => logLikelihood))))
  })

  it('is aborted, and a loop that is left ends it', async () => {
    const signal = AbortSignal.abort()
    await assert.rejects(model.classify(texts, { labels, signal }), { name: 'AbortError', code: 'ABORTED' })
    let returned = false
    function* endless() {
      try {
        for (;;) yield texts[0]!
      } finally {
        returned = true
      }
    }
    for await (const { label } of model.classifyStream(endless(), { labels })) {
      assert.ok(labels.includes(label))
      break
    }
    await new Promise(setImmediate)
    assert.ok(returned)
  })

  it('gives the results before a text that is wrong, in a stream', async () => {
    const results = model.classifyStream([texts[0]!, ''], { labels })
    assert.ok((await results.next()).value)
    await assert.rejects(results.next(), /^MtLlamaError: text 1 is empty/)
  })

  const wrong: [what: string, texts: unknown, options: unknown, message: RegExp][] = [
    ['no options', texts, null, /^options is null; expected an object/],
    ['no labels', texts, {}, /^labels is undefined; expected an array of labels$/],
    ['an empty list of labels', texts, { labels: [] }, /^labels is empty; expected at least two/],
    ['one label', texts, { labels: ['a'] }, /^labels holds "a" alone, .*or set multiLabel$/],
    ['no label under multiLabel', texts, { labels: [], multiLabel: true }, /^labels is empty/],
    [
      'the same label twice',
      texts,
      { labels: ['a', 'b', 'a'] },
      /^label 2 has the name "a" of another label/,
    ],
    ['the same word twice', texts, { labels: ['a', { name: 'b', text: 'a' }] }, /^label 1 has the text "a"/],
    ['an empty label', texts, { labels: ['a', ''] }, /^label 1 is ""; expected a text that is not empty/],
    ['a label that is none', texts, { labels: ['a', { text: 'b' }] }, /^label 1 is \{"text":"b"\}; expected/],
    ['an empty text', ['a', ''], { labels }, /^text 1 is empty; expected a text that is not empty$/],
    ['an empty text by itself', '', { labels }, /^text 0 is empty/],
    ['token ids', [[1, 2]], { labels }, /^text 0 is \[1,2\]; expected a text that is not empty$/],
    ['no source', 7, { labels }, /^texts is 7; expected an array or an \(async\) iterable of texts$/],
    [
      'another option',
      texts,
      { labels, multi_label: true },
      /^unknown option "multi_label"; there are labels,/,
    ],
    [
      'a calibration there is not',
      texts,
      { labels, calibrate: 'x' },
      /^calibrate is "x"; expected one of 'none'/,
    ],
    [
      'a policy there is not',
      texts,
      { labels, tooLong: 'skip' },
      /^tooLong is "skip"; expected one of 'error'/,
    ],
    [
      'a template without the text',
      texts,
      { labels, template: 'x' },
      /^template is "x"; expected a text with \{text\}/,
    ],
    [
      'a template with a label that is not in the prompt',
      texts,
      { labels, template: '{text} {label}' },
      /^template is "\{text\} \{label\}"; expected a text with \{text\} and no other placeholder, or a function$/,
    ],
    [
      'a template without the label under multiLabel',
      texts,
      { labels, template: '{text}', multiLabel: true },
      /^template is "\{text\}"; expected a text with \{text\} and \{label\} and no other/,
    ],
    [
      'a template that is none',
      texts,
      { labels, template: 7 },
      /^template is 7; expected a text with \{text\}, or a/,
    ],
    [
      'a template that gives no text',
      texts,
      { labels, template: () => 7 },
      /^template, given "The film was a delight\.", gives 7; expected a text$/,
    ],
    [
      'a template that throws',
      texts,
      {
        labels,
        template: () => {
          throw new Error('no')
        },
      },
      /^template, given "The film was a delight\.", cannot be read: no$/,
    ],
  ]
  for (const [what, given, options, message] of wrong)
    it(`refuses ${what}`, () =>
      assert.rejects(async () => model.classify(given as string[], options as ClassifyOptions), {
        ...{ name: 'MtLlamaError', code: 'INVALID_ARGUMENT', message },
      }))

  it('refuses a model without a tokenizer, and scores that are no numbers', async () => {
    await withTinyModel({}, tiny =>
      assert.rejects(tiny.classify(texts, { labels }), { code: 'TOKENIZER', message: /^text 0, / }),
    )
    async function* results() {
      const score = { logLikelihood: Number.NaN, tokenLogProbs: [Number.NaN], isGreedy: false, tokens: [1] }
      yield { continuations: [score, score, score], truncatedTokens: 0, skipped: false }
    }
    await assert.rejects(answersOf(new Classifier({ labels }), results(), 'float16').next(), {
      code: 'SCORE_NOT_FINITE',
      message: /^text 0: a log-likelihood is NaN\. Most likely a value has overflowed float16/,
    })
  })
})

describe('Model.classify() with SmolLM2-135M', () => {
  it('tells good reviews from bad ones far better than chance', async function () {
    if (sharedMissing) skip(this, sharedMissing)
    await using model = await loadModel(shared('models', 'smollm2-135m', 'model-q4_1.gguf'))
    const rows = readFileSync(shared('data', 'eval', 'sst2', 'validation.jsonl'), 'utf8')
      .trimEnd()
      .split('\n')
      .slice(0, 64)
      .map(line => JSON.parse(line) as { sentence: string; label: 0 | 1 })
    const found = await model.classify(
      rows.map(({ sentence }) => sentence.trim()),
      {
        labels: ['negative', 'positive'],
        template: 'Review: {text}\nSentiment:',
        calibrate: 'contextual',
      },
    )
    const right = found.filter(({ label }, i) => label === ['negative', 'positive'][rows[i]!.label])
    // SmolLM2 has 56 of the 64 right; a coin has 46 or more once in three thousand tries.
    assert.ok(right.length >= 46, `${right.length} of 64`)
  })
})

async function collect<Item>(items: AsyncIterable<Item>): Promise<Item[]> {
  const all: Item[] = []
  for await (const item of items) all.push(item)
  return all
}
