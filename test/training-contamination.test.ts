// Texts of evaluation sets in training data: the leaks that are known of the shared data, and what counts as one.
import assert from 'node:assert/strict'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Contamination } from '../src/training/contamination.ts'
import { countOverlap, readEvalTexts } from '../src/training/eval-texts.ts'
import { openMixture } from '../src/training/open-mixture.ts'
import { wordsOf } from '../src/training/row-texts.ts'
import { t0Mixture } from '../src/training/t0-mixture.ts'
import { withFolder } from './checkpoint-files.ts'
import { shared, sharedMissing } from './shared.ts'
import { skip } from './skip.ts'

describe('training: words of a text', () => {
  for (const [text, words] of [
    ["Don't stop!", 'dont stop'],
    ["they do n't stop ; it 's fine , they 're sure", 'they dont stop its fine theyre sure'],
    ['they do n’t, it’s “fine”', 'they dont its fine'],
    ["the dogs' bones and 'quotes'", 'the dogs bones and quotes'],
    ["rock 'n' roll 's", 'rock n rolls'],
    ['Ⅷ ﬁne ＡＢＣ', 'viii fine abc'],
    ['naïve — Straße_x 3.5', 'naïve straße x 3 5'],
    ['北京 ok 東京', '北 京 ok 東 京'],
    [' \n', ''],
  ] as const)
    it(JSON.stringify(text), () => assert.equal(wordsOf(text).join(' '), words))
})

describe('training: texts of evaluation sets', () => {
  const words = (from: number, count: number) =>
    Array.from({ length: count }, (_, i) => `w${from + i}`).join(' ')

  const cases: [name: string, items: string[][], row: unknown, found: number[]][] = [
    [
      'a run of eight words, in other case and punctuation',
      [[words(0, 8)]],
      { a: `x, ${words(0, 8).toUpperCase()}!` },
      [0],
    ],
    ['a run inside both', [[words(0, 20)], [words(50, 8)]], { a: `a ${words(5, 13)} b` }, [0]],
    ['seven words of eight', [[words(0, 8)]], { a: words(0, 7) }, []],
    ['a run that a field ends', [[words(0, 8)]], { a: words(0, 4), b: words(4, 4) }, []],
    ['texts in lists and objects', [[words(0, 8)]], { a: [{ b: ['x', words(0, 9)] }] }, [0]],
    [
      'a short item by its longest text',
      [['no', 'a quick brown fox jumps']],
      { a: 'See: a quick brown fox jumps over' },
      [0],
    ],
    [
      'a short item by none of its other texts',
      [['he barely slept', 'a quick brown fox jumps']],
      { a: 'he barely slept' },
      [],
    ],
    ['a short item of few letters', [['oh come on']], { a: 'oh come on' }, []],
    ['half a word', [['a quick brown fox jumps']], { a: 'a quick brown fox jumpsuit' }, []],
    ['several items of one text', [[words(0, 8)], ['other'], [words(0, 8)]], { a: words(0, 8) }, [0, 2]],
    ['numbers and null', [[words(0, 8)]], { a: 1, b: null, c: true }, []],
  ]
  for (const [name, items, row, found] of cases)
    it(`finds ${name}: ${found.length > 0 ? `item ${found.join(', ')}` : 'nothing'}`, async () => {
      const known = new Contamination()
      await known.add('set', items)
      assert.deepEqual(
        known
          .find(row)
          .map(({ item }) => item)
          .sort(),
        found,
      )
    })

  it('goes by the 5th percentile of the words of items, from 8 to 13', async () => {
    const known = new Contamination()
    const items = (short: number, long: number) =>
      Array.from({ length: 100 }, (_, i) => [words(i * 100, i < 5 ? short : long)])
    await known.add('short', items(3, 5))
    await known.add('middle', items(3, 10))
    await known.add('long', items(3, 50))
    await known.add('mostly long', items(60, 50))
    assert.deepEqual(
      known.sets.map(({ name, runLength }) => [name, runLength]),
      [
        ['short', 8],
        ['middle', 10],
        ['long', 13],
        ['mostly long', 13],
      ],
    )
  })

  it('says where there are no evaluation sets', () =>
    withFolder(async folder => {
      await assert.rejects(readEvalTexts(folder), {
        code: 'DATA_NOT_FOUND',
        message: /has none of the evaluation sets/,
      })
      mkdirSync(join(folder, 'sst2'))
      writeFileSync(join(folder, 'sst2', 'test.jsonl'), '{"sentence":"a","label":-1}\n')
      const { sets } = await readEvalTexts(folder)
      assert.deepEqual(
        sets.map(({ name, items }) => [name, items]),
        [['sst2', 1]],
      )
    }))

  it('finds what is known of the shared data', async function () {
    if (sharedMissing) skip(this, sharedMissing)
    const known = await readEvalTexts(shared('data', 'eval'))
    const wanted = [
      'adversarial_qa/dbidaf',
      'adversarial_qa/dbert',
      'adversarial_qa/droberta',
      'rotten_tomatoes',
      'trec',
    ]
    const sets = t0Mixture.sets.filter(({ name }) => wanted.includes(name))
    await using mixture = await openMixture(
      { ...t0Mixture, sets },
      {
        ...{ dataRoot: shared('data', 'train'), templatesDir: shared('promptsource', 'templates') },
        // Half of trec's templates take its labels in another order.
        allowMissing: true,
      },
    )
    const counts = await Promise.all(mixture.sets.map(set => countOverlap(set, known)))
    const of = (set: string, name: string) =>
      counts.find(one => one.set === set)!.evaluationSets.find(one => one.name === name)
    const tomatoes = of('rotten_tomatoes', 'sst2')!
    assert.deepEqual([tomatoes.items, tomatoes.ofItems], [858, 872])
    const adversarial = wanted.slice(0, 3).map(name => counts.find(one => one.set === name)!)
    const sum = (numbers: number[]) => numbers.reduce((a, b) => a + b, 0)
    assert.equal(sum(adversarial.map(({ rows }) => rows)), 275)
    assert.equal(sum(adversarial.map(({ set }) => of(set, 'squad')!.rows)), 163)
    // All of XQuAD's passages are SQuAD's.
    for (const { set } of adversarial) assert.ok((of(set, 'xquad')?.rows ?? 0) <= of(set, 'squad')!.rows)
    assert.deepEqual(counts.find(one => one.set === 'trec')!.evaluationSets, [])
  })
})
