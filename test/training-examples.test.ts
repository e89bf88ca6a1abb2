// The examples of a run: what is drawn, in which order, what is skipped and why.
import assert from 'node:assert/strict'
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { parquetWriteFile } from 'hyparquet-writer'
import { Contamination } from '../src/training/contamination.ts'
import { Draws } from '../src/training/draws.ts'
import { Examples, type ExamplesOptions, type Part, type TrainingExample } from '../src/training/examples.ts'
import type { OpenMixture, TrainingTask } from '../src/training/open-mixture.ts'
import { withFolder } from './checkpoint-files.ts'
import {
  byteTokenizer,
  exampleOptions,
  openYaml,
  type Templates,
  writeRows,
  writeTemplates,
} from './training-files.ts'

const range = (count: number) => Array.from({ length: count }, (_, i) => i)

/** Tasks by cap and rows, without files. */
const tasksOf = (...sizes: [cap: number, rows: number][]): Pick<OpenMixture, 'tasks'> => ({
  tasks: sizes.map(([cap, rows], i) => ({ cap, stream: i + 1, of: { table: { rows } } }) as TrainingTask),
})

describe('training: draws', () => {
  it('are the same in any order', () => {
    const mixture = tasksOf([10, 7], [3, 100], [25, 25])
    const [one, other] = [new Draws(mixture, 5), new Draws(mixture, 5)]
    const forwards = range(200).map(n => one.at(n))
    const backwards = range(200)
      .map(n => other.at(199 - n))
      .toReversed()
    assert.deepEqual(forwards, backwards)
  })

  it('take each task as often as its cap in every epoch', () => {
    const mixture = tasksOf([10, 7], [3, 100], [25, 25], [1, 1])
    for (const epoch of [0, 1, 5]) {
      const counts = new Map<TrainingTask, number>()
      for (const n of range(39)) {
        const { task } = new Draws(mixture, 9).at(epoch * 39 + n)
        counts.set(task, (counts.get(task) ?? 0) + 1)
      }
      assert.deepEqual(
        mixture.tasks.map(task => counts.get(task)),
        [10, 3, 25, 1],
      )
    }
  })

  it('take every row of a set once before any comes again, over all epochs', () => {
    const mixture = tasksOf([10, 7], [3, 100])
    const draws = new Draws(mixture, 2)
    for (const [task, rows] of [
      [mixture.tasks[0]!, 7],
      [mixture.tasks[1]!, 100],
    ] as const) {
      // Within an epoch places come in another order, so that whole epochs are looked at.
      const epochs = 7 * 100
      const counts = new Array(rows).fill(0)
      for (const n of range(13 * epochs)) {
        const drawn = draws.at(n)
        if (drawn.task === task) counts[drawn.row]++
      }
      assert.deepEqual([...new Set(counts)], [(task.cap * epochs) / rows])
    }
  })

  it('are others for another seed', () => {
    const mixture = tasksOf([1000, 1000])
    const rows = (seed: number) => range(100).map(n => new Draws(mixture, seed).at(n).row)
    assert.notDeepEqual(rows(1), rows(2))
    assert.notDeepEqual(rows(1), rows(1 + 2 ** 32))
  })

  it('take a task no differently for the sets beside it', () => {
    const rowsOfFirst = (mixture: Pick<OpenMixture, 'tasks'>) => {
      const draws = new Draws(mixture, 3)
      const rows = new Set<string>()
      const total = mixture.tasks.reduce((sum, { cap }) => sum + cap, 0)
      for (const n of range(total)) {
        const drawn = draws.at(n)
        if (drawn.task === mixture.tasks[0]) rows.add(`${drawn.row}`)
      }
      return [...rows].sort()
    }
    assert.deepEqual(rowsOfFirst(tasksOf([5, 50])), rowsOfFirst(tasksOf([5, 50], [9, 9])))
  })
})

describe('training: examples', () => {
  const templates: Templates = {
    plain: { jinja: '{{ text }}? ||| {{ answer }}' },
    some: { jinja: '{% if label == 1 %}Is it {{ text }}? ||| yes{% endif %}' },
    drawn: { jinja: "{{ ['a', 'b', 'c', 'd', 'e'] | choice }} {{ text }} ||| {{ answer }}" },
  }
  const rows = range(40).map(i => ({ text: `some text ${i}`, answer: `${i}`, label: i % 2 }))
  const sets = (names: string) => `sets: [{ set: s, templates: [${names}] }]`

  async function withExamples(
    yaml: string,
    options: Partial<ExamplesOptions>,
    run: (examples: Examples, mixture: OpenMixture) => Promise<void>,
    prepare: (folder: string) => void = folder => writeRows(folder, 's/train.jsonl', rows),
  ): Promise<void> {
    const tokenizer = await byteTokenizer()
    await withFolder(async folder => {
      writeTemplates(folder, 's', templates)
      prepare(folder)
      await using mixture = await openYaml(folder, yaml)
      await run(new Examples(mixture, tokenizer, { ...exampleOptions, ...options }), mixture)
    })
  }

  async function take(examples: Examples, count: number, from = 0, part: Part = 'train') {
    const taken: TrainingExample[] = []
    for await (const example of examples.from(from, part)) {
      taken.push(example)
      if (taken.length === count) break
    }
    return taken
  }
  const brief = ({ draw, where, input, target }: TrainingExample) => [
    draw,
    where.replace(/.*\//, ''),
    input,
    target,
  ]

  it('are rows under templates, as tokens', () =>
    withExamples(sets('plain'), {}, async examples => {
      const [one] = await take(examples, 1)
      const row = rows[one!.row]!
      assert.equal(one!.input, `${row.text}?`)
      assert.equal(one!.target, row.answer)
      assert.match(one!.where, new RegExp(`s/train\\.jsonl, line ${one!.row + 1}$`))
      assert.equal(Buffer.from(one!.ids.slice(0, -1)).toString(), `${row.text}? ${row.answer}`)
    }))

  it('go on from any draw as if never stopped, whoever makes them', () =>
    withExamples(sets('plain, some, drawn'), {}, async (examples, mixture) => {
      const all = await take(examples, 60)
      for (const stop of [1, 17, 42]) {
        const again = new Examples(mixture, await byteTokenizer(), exampleOptions)
        const rest = await take(again, 60 - stop, all[stop - 1]!.draw + 1)
        assert.deepEqual(rest.map(brief), all.slice(stop).map(brief))
      }
      const alone = await Promise.all(all.toReversed().map(({ draw }) => examples.at(draw)))
      assert.deepEqual(
        alone.toReversed().map(one => brief(one as TrainingExample)),
        all.map(brief),
      )
    }))

  it('take the next draw where a template leaves a row out, and count why', () =>
    withExamples(sets('some'), {}, async examples => {
      const taken = await take(examples, 20)
      assert.ok(taken.every(({ row }) => row % 2 === 1))
      assert.equal(examples.skipped.get('no input'), taken.at(-1)!.draw + 1 - 20)
    }))

  it("draw a template's own choices by seed and row", () =>
    withExamples(sets('drawn'), {}, async (examples, mixture) => {
      const first = await take(examples, 40)
      const again = await take(examples, 40, 40)
      const byRow = (taken: TrainingExample[]) =>
        taken.toSorted((a, b) => a.row - b.row).map(({ input }) => input)
      assert.deepEqual(byRow(first), byRow(again))
      const letters = new Set(first.map(({ input }) => input[0]))
      assert.deepEqual([...letters].sort(), ['a', 'b', 'c', 'd', 'e'])
      const other = new Examples(mixture, await byteTokenizer(), { ...exampleOptions, seed: 2 })
      assert.notDeepEqual(byRow(await take(other, 40)), byRow(first))
    }))

  it('are the same from Parquet as from JSON lines', () =>
    withExamples(sets('plain, drawn'), {}, async (fromLines, mixture) => {
      const lines = await take(fromLines, 50)
      assert.equal(mixture.sets[0]!.split, 'train')
      await withExamples(
        sets('plain, drawn'),
        {},
        async examples => {
          const tables = await take(examples, 50)
          assert.deepEqual(
            tables.map(({ draw, row, input, target }) => [draw, row, input, target]),
            lines.map(({ draw, row, input, target }) => [draw, row, input, target]),
          )
        },
        folder => {
          mkdirSync(join(folder, 'data', 's', 'data'), { recursive: true })
          for (const [part, some] of [rows.slice(0, 30), rows.slice(30)].entries())
            parquetWriteFile({
              filename: join(folder, 'data', 's', 'data', `train-0000${part}-of-00002.parquet`),
              rowGroupSize: 8,
              columnData: [
                { name: 'text', data: some.map(({ text }) => text) },
                { name: 'answer', data: some.map(({ answer }) => answer) },
                { name: 'label', data: some.map(({ label }) => BigInt(label)) },
              ],
            })
        },
      )
    }))

  it('keep rows apart for validation by their longest text, whatever the seed', async () => {
    const passages = range(60).map(i => ({
      ...{ text: `this is the long passage ${i >> 1} of two rows`, answer: `${i}`, label: 1 },
    }))
    const sides = new Map<number, Part>()
    for (const seed of [1, 2])
      await withExamples(
        sets('plain'),
        { validationShare: 0.3, seed },
        async examples => {
          for (const part of ['train', 'validation'] as const)
            for (const { row } of await take(examples, 100, 0, part)) {
              assert.equal(sides.get(row) ?? part, part)
              assert.equal(sides.get(row ^ 1) ?? part, part)
              sides.set(row, part)
            }
        },
        folder => writeRows(folder, 's/train.jsonl', passages),
      )
    assert.equal(sides.size, 60)
    const kept = [...sides.values()].filter(part => part === 'validation').length
    assert.ok(kept > 4 && kept < 36, `${kept} of 60 rows are kept for validation`)
  })

  it('leave out rows with texts of evaluation sets', async () => {
    const contamination = new Contamination()
    await contamination.add('eval', [['Something else entirely'], ['Some TEXT, 17?']])
    await withExamples(sets('plain'), { contamination }, async examples => {
      // Of 13 letters: too few to be known by.
      assert.equal((await take(examples, 40)).length, 40)
      assert.equal(examples.skipped.size, 0)
    })
    const long = range(40).map(i => ({ text: `it is some text of number ${i}`, answer: `${i}`, label: 1 }))
    const known = new Contamination()
    await known.add('eval', [['Something else entirely'], ['Some TEXT of number: 17?']])
    await withExamples(
      sets('plain'),
      { contamination: known },
      async examples => {
        const taken = await take(examples, 39)
        assert.ok(taken.every(({ row }) => row !== 17))
        assert.equal(taken.at(-1)!.draw + 1 - 39, examples.skipped.get('contaminated') ?? 0)
      },
      folder => writeRows(folder, 's/train.jsonl', long),
    )
  })

  it('end with an error that says why, where no draw makes one', () =>
    withExamples(
      sets('plain'),
      {},
      async examples => {
        await assert.rejects(take(examples, 1), {
          code: 'TRAINING',
          message: /^10000 draws in a row make no example for train: no target \(10000\)\.$/,
        })
      },
      folder => writeRows(folder, 's/train.jsonl', [{ text: 'a', answer: '', label: 0 }]),
    ))

  it('skip a row on which a template fails, and say what it says', () =>
    withExamples(
      sets('broken'),
      {},
      async examples => {
        const one = await examples.at(0)
        assert.ok('reason' in one)
        assert.equal(one.reason, 'the template fails')
        assert.match(one.message!, /line 1: the template "broken" .*'nothing' is undefined|is undefined/)
      },
      folder => {
        writeTemplates(folder, 's', { broken: { jinja: '{{ nothing.at }} ||| x' } })
        writeRows(folder, 's/train.jsonl', [{ text: 'a' }])
      },
    ))
})
