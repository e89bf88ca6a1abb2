// Tests the evaluation without a model: what is saved, kept, refused and reported, whatever the scores are.
import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { MtLlamaError, message } from '../src/errors.ts'
import { report } from '../src/evaluation/report.ts'
import type { RankRecord, RunResults, Settings } from '../src/evaluation/results.ts'
import { type RunOptions, runToEnd } from '../src/evaluation/run.ts'
import { RunFolder } from '../src/evaluation/run-folder.ts'
import type { Scorer } from '../src/evaluation/scorer.ts'
import { loadWork } from '../src/evaluation/work.ts'
import { card } from '../src/protocols/card.ts'
import { builtInTasks, cardTasks } from '../src/tasks/built-in/registry.ts'
import { cardWork } from './card-work.ts'
import { fakeModel, settings } from './fake-model.ts'
import { skip } from './skip.ts'
import { onTmpfs } from './tmpfs.ts'

const taskNames = cardTasks.map(({ name }) => name)

describe('evaluate', () => {
  let out: string
  beforeEach(() => {
    out = mkdtempSync(join(tmpdir(), 'mt-llama-eval-'))
  })
  afterEach(() => rmSync(out, { recursive: true, force: true }))

  /** Evaluates a model on the embedded samples of these tasks. */
  const run = async (
    model: Scorer,
    names: readonly string[],
    changes: Partial<Omit<RunOptions, 'work'>> = {},
  ) => {
    const options = { settings, ...changes }
    return runToEnd(model, { ...options, work: await cardWork(names, options.settings) })
  }
  /** Evaluates a model and saves the results in `out`. */
  const runSaved: typeof run = async (model, names, changes) => {
    await using folder = await RunFolder.open(out)
    return run(model, names, { folder, ...changes })
  }
  const saved = (): RunResults => JSON.parse(readFileSync(join(out, 'results.json'), 'utf8'))
  const samples = (task: string) =>
    readFileSync(join(out, 'samples', `${task}.jsonl`), 'utf8')
      .trim()
      .split('\n')
      .map(line => JSON.parse(line))

  it('runs all tasks in the order of the tables and saves results, samples and tables', async () => {
    const results = await runSaved(fakeModel(), taskNames)
    assert.deepEqual(Object.keys(results.tasks), taskNames)
    assert.deepEqual(saved(), JSON.parse(JSON.stringify(results)))
    assert.deepEqual(readdirSync(out).sort(), ['results.json', 'samples', 'table.md'])
    assert.deepEqual(readdirSync(join(out, 'samples')).sort(), taskNames.map(name => `${name}.jsonl`).sort())
    assert.equal(readFileSync(join(out, 'table.md'), 'utf8'), report(results, { card: false }))
  })

  it('a choice sample holds prompt, choices, log-likelihoods, prediction and gold; metrics are means over them', async () => {
    const { tasks } = await runSaved(fakeModel(), ['copa'])
    const records: RankRecord[] = samples('copa')
    assert.deepEqual(records[0], {
      isGreedy: [false, false],
      kind: 'rank',
      id: '0',
      prompt:
        'The kettle began to whistle. This happened because... Help me pick the more plausible option: - The water was boiling. - The kitchen was empty.',
      choices: ['The water was boiling.', 'The kitchen was empty.'],
      logLikelihoods: [-23, -23],
      prediction: 0,
      gold: 0,
      tokens: [1, 1],
      scores: { acc: 1, acc_norm: 1, acc_bytes: 1, acc_per_token: 1 },
      tied: true,
      truncatedTokens: 0,
    })
    for (const metric of ['acc', 'acc_norm', 'acc_bytes', 'acc_per_token']) {
      const right = records.filter(record => record.scores[metric] === 1).length
      assert.equal(tasks.copa?.metrics[metric]?.value, right / records.length)
    }
    assert.equal(tasks.copa?.ties, records.filter(record => record.tied).length)
    assert.equal(tasks.copa?.timing.tokens, 60)
    assert.deepEqual(tasks.copa?.files, ['copa/validation.jsonl'])
  })

  it('an answer is stripped and scored by the SQuAD metric', async () => {
    const { tasks } = await runSaved(fakeModel(), ['squad'])
    const last = samples('squad').at(-1)
    assert.equal(last.generated, ' the mill ')
    assert.equal(last.prediction, 'the mill')
    assert.deepEqual(last.scores, { exact_match: 1, f1: 1 })
    // One of four is right: p (1 - p) / (n - 1) under the root.
    for (const name of ['exact_match', 'f1']) {
      const { value, standardError, interval } = tasks.squad!.metrics[name]!
      assert.deepEqual([value, standardError, interval?.method], [0.25, 0.25, 'wilson'])
    }
  })

  it('a limit takes the first samples', async () => {
    const limited = { ...settings, limit: 2 }
    const { tasks } = await run(fakeModel(), ['rte'], { settings: limited })
    assert.equal(tasks.rte?.samplesTotal, 2)
    assert.equal(tasks.rte?.status, 'complete')
  })

  it('an abort keeps what is done, marks it partial and runs no further task', async () => {
    const controller = new AbortController()
    const model = fakeModel(request => {
      if (request < 8) return
      controller.abort()
      throw new MtLlamaError('ABORTED', 'stopped')
    })
    const results = await runSaved(model, ['copa', 'wic', 'rte'], { signal: controller.signal })
    assert.equal(results.tasks.copa?.status, 'complete')
    assert.deepEqual([results.tasks.wic?.status, results.tasks.wic?.samplesDone], ['partial', 2])
    assert.equal(results.tasks.rte, undefined)
    assert.equal(samples('wic').length, 2)
    assert.match(
      readFileSync(join(out, 'table.md'), 'utf8'),
      /Stopped early, the figure is that of the first samples: WiC 2 of 6\./,
    )
  })

  it('a failure keeps finished tasks and the samples before it, and is thrown', async () => {
    const model = fakeModel(request => {
      if (request < 8) return
      throw new MtLlamaError('CONTEXT_LENGTH', message`${{ kind: 'request', index: 2 }}: too long`)
    })
    const failed = runSaved(model, ['copa', 'wic'])
    await assert.rejects(failed, { code: 'CONTEXT_LENGTH', message: 'WiC, sample 3 ("2"): too long' })
    assert.deepEqual([saved().tasks.copa?.status, saved().tasks.wic?.status], ['complete', 'partial'])
  })

  describe('the out folder', () => {
    const again = async (
      changes: Partial<Omit<RunOptions, 'work'>> = {},
      names: readonly string[] = ['copa'],
    ) => runSaved(fakeModel(), names, changes)

    it('of the same settings keeps its other tasks', async () => {
      await again()
      const results = await again({}, ['wic'])
      assert.deepEqual(Object.keys(results.tasks), ['copa', 'wic'])
      assert.deepEqual(Object.keys(saved().tasks), ['copa', 'wic'])
    })

    const others: [keyof Settings, Settings[keyof Settings]][] = [
      ['modelFingerprint', 'beef'],
      ['dtype', 'bfloat16'],
      ['limit', 5],
      ['tooLong', 'truncate-left'],
      ['version', '9.9.9'],
    ]
    for (const [name, value] of others) {
      it(`of another ${name} is refused, saying what differs and what to do`, async () => {
        await again()
        const before = readFileSync(join(out, 'results.json'), 'utf8')
        await assert.rejects(again({ settings: { ...settings, [name]: value } }), {
          code: 'OUTPUT',
          message: `${out} holds results of /models/fake with other settings than this run: ${name} is ${JSON.stringify(settings[name])} there and ${JSON.stringify(value)} here. Name another --out folder, or remove this one.`,
        })
        assert.equal(readFileSync(join(out, 'results.json'), 'utf8'), before)
      })
    }

    it('with a results.json of something else is refused', async () => {
      for (const text of ['{"acc": 1}', 'not JSON', '[]']) {
        writeFileSync(join(out, 'results.json'), text)
        await assert.rejects(again(), {
          code: 'OUTPUT',
          message: /results\.json: not results of this program/,
        })
      }
    })

    it('whose path leads through a file, or is one, is refused', async () => {
      writeFileSync(join(out, 'file'), '')
      for (const path of ['file', 'file/below']) {
        await assert.rejects(RunFolder.open(join(out, path)), {
          code: 'OUTPUT',
          message: /samples: (a part of the path is a file, not a folder|a file is in the way of the folder)/,
        })
      }
    })

    it('that may not be written is refused before anything runs', async function () {
      if (process.getuid?.() === 0) skip(this, 'root may write everywhere')
      mkdirSync(join(out, 'locked'), { mode: 0o500 })
      await assert.rejects(RunFolder.open(join(out, 'locked')), {
        code: 'OUTPUT',
        message: /locked\/samples: no permission to write there\. Name another --out folder/,
      })
    })

    it('on a full disk keeps what was finished and says so', async function () {
      await onTmpfs(this, out, 'size=32k', async () => {
        await again({ settings: { ...settings, limit: 1 } })
        writeFileSync(join(out, 'ballast'), Buffer.alloc(12 << 10))
        await assert.rejects(again({ settings: { ...settings, limit: 1 } }, taskNames), {
          code: 'OUTPUT',
          message:
            /: the disk is full\. What was finished before is saved; make room, or name an --out folder on another disk/,
        })
        assert.equal(saved().tasks.copa?.status, 'complete')
        assert.deepEqual(
          readdirSync(out, { recursive: true }).filter(name => String(name).endsWith('.part')),
          [],
        )
      })
    })
  })

  it('the tables are those of the model card', async () => {
    const results = await run(fakeModel(), taskNames)
    const text = report(results, { card: true })
    const heads = text.split('\n').filter(line => line.startsWith('| Model'))
    const cells = heads.map(line =>
      line
        .split('|')
        .map(cell => cell.trim())
        .filter(Boolean),
    )
    assert.deepEqual(cells, [
      [
        'Model',
        'XQuAD-en (F1/EM)',
        'TyDiQA-en (F1/EM)',
        'MLQA-en (F1/EM)',
        'SQuAD (F1/EM)',
        'SST-2 (Acc.)',
        'OBQA (Acc.)',
      ],
      ['Model', 'COPA (Acc.)', 'Winogrande (Acc.)', 'WiC (Acc.)', 'MNLI (Acc.)', 'RTE (Acc.)'],
    ])
    assert.match(
      text,
      /\| MT-LLaMA-7b \(card\) +\| +42\.3\/31\.1 \| +38\.9\/26\.9 \| +45\.4\/31\.5 \| +85\.9\/77\.6 \| +92\.6 \| +38\.2 \|/,
    )
    assert.match(text, /\| LLaMA-7b \(card\) +\| +56\.0 \| +49\.3 \| +51\.7 \| +30\.2 \| +52\.7 \|/)
    assert.match(text, /\| fake +\|.*25\.0\/25\.0/)
  })

  it('a task that the card does not have stands in a table of its own, without published figures', async () => {
    const dataDir = join(out, 'data')
    mkdirSync(join(dataDir, 'mnli'), { recursive: true })
    const row = { premise: 'It rained.', hypothesis: 'It was wet', label: 1 }
    writeFileSync(join(dataDir, 'mnli', 'validation_mismatched.jsonl'), JSON.stringify(row))
    const results = await run(fakeModel(), ['mnli_mismatched'], { settings: { ...settings, dataDir } })
    const text = report(results, { card: true })
    assert.match(text, /^### Other tasks\n\n\| Model \| MNLI-mm \(Acc\.\) \|\n.*\n\| fake +\| +0\.0 \|\n\n/)
  })

  it('a task that the protocol cannot ask about is refused by name', async () => {
    const poem = { ...builtInTasks.get('copa')!, name: 'poem', title: 'Poems' }
    await assert.rejects(loadWork([poem], card, settings), {
      code: 'INVALID_ARGUMENT',
      message: 'protocol card does not say how to ask about Poems ("poem")',
    })
  })

  it('a table none of whose tasks ran is left out, a task that did not run is a dash', async () => {
    const text = report(await run(fakeModel(), ['copa']), { card: false })
    assert.doesNotMatch(text, /Unseen datasets/)
    assert.match(text, /\| fake +\| +\d+\.\d \| +- \| +- \| +- \| +- \|/)
  })
})
