// Runs evaluations into a folder that holds results: what is done is kept, added to, and never replaced by less.
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import {
  appendFileSync,
  existsSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { MtLlamaError } from '../src/errors.ts'
import type { RunResults, TaskResult } from '../src/evaluation/results.ts'
import { type KeptSamples, type RunOptions, runToEnd } from '../src/evaluation/run.ts'
import { RunFolder } from '../src/evaluation/run-folder.ts'
import type { Scorer } from '../src/evaluation/scorer.ts'
import { cardWork } from './card-work.ts'
import { fakeModel, settings } from './fake-model.ts'

describe('evaluate into a folder that holds results', () => {
  let top: string
  let out: string
  beforeEach(() => {
    top = mkdtempSync(join(tmpdir(), 'mt-llama-repeated-'))
    out = join(top, 'run')
  })
  afterEach(() => rmSync(top, { recursive: true, force: true }))

  type Changes = Partial<Omit<RunOptions, 'work'>>
  const run = async (model: Scorer, names: readonly string[], changes: Changes = {}) => {
    const kept: KeptSamples[] = []
    await using folder = await RunFolder.open(out)
    const work = await cardWork(names, changes.settings ?? settings)
    const results = await runToEnd(model, {
      ...{ work, settings, folder, onKept: sample => kept.push(sample) },
      ...changes,
    })
    return { results, kept }
  }
  /** Runs WiC, of six samples, until the model has answered so many. */
  const runUntil = async (answered: number, changes: Changes = {}) => {
    const controller = new AbortController()
    let asked = 0
    const model = fakeModel(() => {
      if (asked++ < answered) return
      controller.abort()
      throw new MtLlamaError('ABORTED', 'stopped')
    })
    return { ...(await run(model, ['wic'], { signal: controller.signal, ...changes })), asked: () => asked }
  }
  const journal = (task = 'wic') => join(out, 'samples', `${task}.jsonl`)
  const lineCount = () => (existsSync(journal()) ? readFileSync(journal(), 'utf8').split('\n').length - 1 : 0)
  const saved = (): RunResults => JSON.parse(readFileSync(join(out, 'results.json'), 'utf8'))
  const figures = ({ timing: _, ...rest }: TaskResult) => rest
  /** Makes the journal and figures of a run that nothing disturbs. */
  const undisturbed = async () => {
    const { results } = await run(fakeModel(), ['wic'])
    const whole = { journal: readFileSync(journal()), figures: figures(results.tasks.wic!) }
    rmSync(out, { recursive: true })
    return whole
  }

  it('a complete task is not run again, and that is said; redo runs it again', async () => {
    await run(fakeModel(), ['wic'])
    const before = [readFileSync(journal()), saved().tasks]
    const again = await run(
      fakeModel(() => assert.fail('a sample was run again')),
      ['wic'],
    )
    assert.deepEqual(again.kept, [
      { task: 'wic', title: 'WiC', samplesKept: 6, samplesTotal: 6, reason: 'done' },
    ])
    assert.deepEqual([readFileSync(journal()), saved().tasks], before)
    let asked = 0
    const redone = await run(
      fakeModel(() => asked++),
      ['wic'],
      { redo: true },
    )
    assert.deepEqual([asked, redone.kept], [6, []])
    assert.deepEqual(readFileSync(journal()), before[0])
  })

  it('a partial task is gone on with, and comes to the same as without the stop', async () => {
    const whole = await undisturbed()
    for (let first = 0; first <= 6; first++) {
      await runUntil(first)
      assert.equal(lineCount(), first)
      const { asked, kept } = await runUntil(10)
      assert.equal(asked(), 6 - first)
      assert.deepEqual(
        kept.map(({ samplesKept }) => samplesKept),
        first === 0 ? [] : [first],
      )
      assert.deepEqual(readFileSync(journal()), whole.journal)
      assert.deepEqual(figures(saved().tasks.wic!), whole.figures)
      assert.equal(saved().tasks.wic!.timing.tokens, 60)
      rmSync(out, { recursive: true })
    }
  })

  it('a run that is stopped, whenever, leaves no fewer samples than there were', async () => {
    for (const redo of [false, true]) {
      for (const before of [0, 1, 4, 6]) {
        for (const answered of [0, 1, 3, 5, 6]) {
          await runUntil(before)
          const { kept } = await runUntil(answered, { redo })
          const wanted = redo ? Math.max(before, answered) : Math.min(before + answered, 6)
          assert.equal(lineCount(), wanted, `${before} before, ${answered} more, redo ${redo}`)
          assert.equal(saved().tasks.wic?.samplesDone ?? 0, wanted)
          if (redo) assert.equal(kept.length, answered < before ? 1 : 0)
          assert.deepEqual(
            readdirSync(join(out, 'samples')).filter(name => name !== 'wic.jsonl'),
            [],
          )
          rmSync(out, { recursive: true })
        }
      }
    }
  })

  it('what a kill has torn, wherever, is cut and run again', async () => {
    const whole = await undisturbed()
    const { length } = whole.journal
    for (let bytes = 0; bytes <= length; bytes += 1 + (bytes % 37)) {
      await runUntil(0)
      writeFileSync(journal(), whole.journal.subarray(0, bytes))
      await run(fakeModel(), ['wic'])
      assert.deepEqual(readFileSync(journal()), whole.journal, `cut at ${bytes}`)
      assert.deepEqual(figures(saved().tasks.wic!), whole.figures)
    }
    for (const tail of ['\0'.repeat(5000), `${'\0'.repeat(100)}\n`, '{"id": 1}\n', 'null', '\xff']) {
      await run(fakeModel(), ['wic'])
      truncateSync(journal(), whole.journal.indexOf(10) + 1)
      appendFileSync(journal(), tail, 'latin1')
      const { kept } = await run(fakeModel(), ['wic'])
      assert.deepEqual([kept[0]?.samplesKept, readFileSync(journal())], [1, whole.journal])
    }
  })

  it('results that a kill has kept from being written are those of the journal', async () => {
    const whole = await undisturbed()
    await runUntil(0)
    assert.deepEqual(saved().settings, settings)
    writeFileSync(journal(), whole.journal)
    const { kept } = await run(fakeModel(), ['wic'])
    assert.equal(kept[0]?.samplesKept, 6)
    assert.deepEqual(figures(saved().tasks.wic!), whole.figures)
  })

  it('results are there after the first sample of a task', async () => {
    const seen: number[] = []
    await run(
      fakeModel(() => seen.push(saved().tasks.wic?.samplesDone ?? 0)),
      ['wic'],
    )
    assert.deepEqual(
      seen.map(samplesDone => samplesDone > 0),
      [false, true, true, true, true, true],
    )
  })

  it('what a kill has left in the journal of a task is counted by a run of others too', async () => {
    const whole = await undisturbed()
    for (const tail of ['', '{"id": "']) {
      await runUntil(2)
      writeFileSync(journal(), whole.journal)
      appendFileSync(journal(), tail)
      await run(fakeModel(), ['copa'])
      assert.deepEqual(figures(saved().tasks.wic!), whole.figures)
      assert.match(readFileSync(join(out, 'table.md'), 'utf8'), /WiC \(Acc\.\)/)
      assert.doesNotMatch(readFileSync(join(out, 'table.md'), 'utf8'), /Stopped early/)
      rmSync(out, { recursive: true })
    }
  })

  it('a journal that cannot be counted leaves the results of a task that is not run', async () => {
    await runUntil(2)
    const before = saved().tasks.wic
    const records = readFileSync(journal(), 'utf8')
    const [record] = records.split('\n')
    for (const content of [
      '',
      `{"id\n${records}`,
      `${records}${JSON.stringify({ ...JSON.parse(record!), scores: 1 })}\n`,
      `${record}\n`.repeat(7),
    ]) {
      writeFileSync(journal(), content)
      await run(fakeModel(), ['copa'])
      assert.deepEqual(saved().tasks.wic, before)
    }
  })

  const lines = () => readFileSync(journal(), 'utf8').split('\n')
  const change = (index: number, edit: (record: Record<string, unknown>) => object) =>
    writeFileSync(
      journal(),
      lines()
        .map((line, i) => (i === index ? JSON.stringify(edit(JSON.parse(line))) : line))
        .join('\n'),
    )
  const others: [title: string, edit: () => void, message: RegExp][] = [
    [
      'a line that is no record, before others',
      () => writeFileSync(journal(), lines().with(2, '{"id').join('\n')),
      /wic\.jsonl, line 3: not a record of a sample, and other lines follow\. Name another --out folder, or give redo/,
    ],
    [
      'a record of another prompt',
      () => change(3, record => ({ ...record, prompt: 'other' })),
      /wic\.jsonl, line 4: a record of sample "3"; the data has another sample at this place, so it has changed since/,
    ],
    ['another id', () => change(0, record => ({ ...record, id: '9' })), /line 1: a record of sample "9"/],
    [
      'another gold label',
      () => change(1, record => ({ ...record, gold: 5 })),
      /line 2: a record of sample "1"/,
    ],
    ['other choices', () => change(1, record => ({ ...record, choices: ['a'] })), /line 2: a record of/],
    ['no scores', () => change(5, ({ logLikelihoods: _, ...rest }) => rest), /line 6: a record of sample/],
    [
      'scores of another type',
      () => change(5, record => ({ ...record, scores: { acc: 'yes' } })),
      /line 6: a record/,
    ],
    [
      'more samples than the data has',
      () => appendFileSync(journal(), lines().slice(0, 1).concat('').join('\n')),
      /line 7: a record of sample "0"; the data has no sample at this place/,
    ],
  ]
  for (const [title, edit, message] of others) {
    it(`${title} is refused and left alone; redo runs the task again`, async () => {
      await run(fakeModel(), ['wic'])
      const whole = readFileSync(journal())
      edit()
      const before = [readFileSync(journal()), saved()]
      await assert.rejects(run(fakeModel(), ['wic']), { code: 'OUTPUT', message })
      assert.deepEqual([readFileSync(journal()), saved()], before)
      await run(fakeModel(), ['wic'], { redo: true })
      assert.deepEqual(readFileSync(journal()), whole)
    })
  }

  it('of a redo that was killed the samples stay where they are more, whole or torn', async () => {
    const whole = await undisturbed()
    const bytesOf = (samples: number) => whole.journal.toString().split('\n', samples).join('\n').length + 1
    for (const torn of ['', '{"id": "']) {
      for (const before of [0, 1, 4, 6]) {
        for (const redone of [0, 1, 4, 5, 6]) {
          await runUntil(before)
          const part = whole.journal.subarray(0, redone === 0 ? 0 : bytesOf(redone))
          writeFileSync(`${journal()}.part`, Buffer.concat([part, Buffer.from(torn)]))
          const { kept } = await run(fakeModel(), ['wic'])
          assert.equal(kept[0]?.samplesKept ?? 0, Math.max(before, redone))
          assert.deepEqual(readFileSync(journal()), whole.journal)
          assert.deepEqual(readdirSync(join(out, 'samples')), ['wic.jsonl'])
          rmSync(out, { recursive: true })
        }
      }
    }
  })

  it('results stay where somebody has removed the journal, until there are as many again', async () => {
    await run(fakeModel(), ['wic'])
    rmSync(journal())
    await runUntil(2)
    assert.deepEqual([lineCount(), saved().tasks.wic?.samplesDone], [2, 6])
    await run(fakeModel(), ['wic'])
    assert.deepEqual([lineCount(), saved().tasks.wic?.samplesDone], [6, 6])
  })

  describe('in which something stands in the way', () => {
    const victim = () => join(top, 'victim')
    beforeEach(() => writeFileSync(victim(), 'precious'))
    afterEach(() => assert.equal(readFileSync(victim(), 'utf8'), 'precious'))

    for (const name of ['results.json.part', 'table.md.part', 'samples/wic.jsonl.part', 'samples/.trial']) {
      for (const [kind, plant] of [
        ['a link', (file: string) => symlinkSync(victim(), file)],
        ['a link to nothing', (file: string) => symlinkSync(join(top, 'nothing'), file)],
        ['a second name of a file', (file: string) => linkSync(victim(), file)],
        ['a pipe', (file: string) => execFileSync('mkfifo', [file], { timeout: 10_000 })],
      ] as const) {
        it(`${kind} at ${name} is replaced, never written through`, async () => {
          await run(fakeModel(), ['wic'])
          plant(join(out, name))
          await run(fakeModel(), ['wic'], { redo: true })
          assert.deepEqual(readdirSync(out).sort(), ['results.json', 'samples', 'table.md'])
          assert.deepEqual(readdirSync(join(out, 'samples')), ['wic.jsonl'])
          assert.equal(existsSync(join(top, 'nothing')), false)
        })
      }
    }

    const inPlace: [kind: string, plant: (file: string) => void, message: RegExp][] = [
      [
        'a link',
        file => symlinkSync(victim(), file),
        /wic\.jsonl: a link is in the way, and none is followed/,
      ],
      [
        'a second name of a file',
        file => linkSync(victim(), file),
        /it has another name elsewhere \(a hard link\)/,
      ],
      ['a pipe', file => execFileSync('mkfifo', [file], { timeout: 10_000 }), /it is no regular file/],
      ['a folder', file => mkdirSync(file), /a folder is in the way/],
    ]
    for (const [kind, plant, message] of inPlace) {
      it(`${kind} in place of a journal is refused`, async () => {
        await run(fakeModel(), ['copa'])
        plant(journal())
        await assert.rejects(run(fakeModel(), ['wic']), { code: 'OUTPUT', message })
        assert.equal(saved().tasks.copa?.status, 'complete')
      })
    }

    it('a link in place of results.json is refused', async () => {
      await run(fakeModel(), ['copa'])
      renameSync(join(out, 'results.json'), join(top, 'elsewhere'))
      symlinkSync(join(top, 'elsewhere'), join(out, 'results.json'))
      await assert.rejects(run(fakeModel(), ['wic']), { code: 'OUTPUT', message: /a link is in the way/ })
    })
  })
})
