// Tests evaluate() and evaluateStream() as callers use them, raised limits, and samples that are judged again.
import assert from 'node:assert/strict'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import {
  defineTask,
  type EvaluateOptions,
  evaluate,
  evaluateStream,
  loadModel,
  type RunResults,
  rescore,
  type TaskSample,
} from '../src/index.ts'
import { fakeModel } from './fake-model.ts'
import { shared, sharedMissing } from './shared.ts'
import { skip } from './skip.ts'

const dataDir = fileURLToPath(new URL('../default/data', import.meta.url))

describe('evaluate() of the API', () => {
  let top: string
  let out: string
  beforeEach(() => {
    top = mkdtempSync(join(tmpdir(), 'mt-llama-eval-api-'))
    out = join(top, 'run')
  })
  afterEach(() => rmSync(top, { recursive: true, force: true }))

  const journal = (task: string) => readFileSync(join(out, 'samples', `${task}.jsonl`), 'utf8')
  const saved = (): RunResults => JSON.parse(readFileSync(join(out, 'results.json'), 'utf8'))
  const unasked = fakeModel(() => assert.fail('a sample was run again'))
  /** Reads a stream to its end. */
  const drained = async (options: EvaluateOptions, model = fakeModel()) => {
    const samples: TaskSample[] = []
    const stream = evaluateStream(model, options)
    for (;;) {
      const { done, value } = await stream.next()
      if (done) return { samples, results: value }
      samples.push(value)
    }
  }

  it('resolves with the results, and saves nothing unless asked to', async () => {
    const results = await evaluate(fakeModel(), { dataDir, tasks: ['copa', 'wic'], limit: 3 })
    assert.deepEqual(Object.keys(results.tasks), ['copa', 'wic'])
    assert.deepEqual([results.settings.limit, results.settings.protocol], [3, 'card'])
    assert.equal(results.tasks.copa?.metrics.acc?.value, 2 / 3)
  })

  it('streams each sample with its task, those that were done before too, and returns the results', async () => {
    const options = { dataDir, tasks: ['copa', 'squad'], out }
    for (const model of [fakeModel(), unasked]) {
      const { samples, results } = await drained(options, model)
      const lines = ['squad', 'copa'].flatMap(task =>
        journal(task)
          .trim()
          .split('\n')
          .map(line => ({ task, ...JSON.parse(line) })),
      )
      assert.deepEqual(samples, lines)
      assert.deepEqual(results, saved())
    }
  })

  it('names no protocol of built-in tasks where tasks of files or code stand alone, as the command does', async () => {
    const rows = join(top, 'rows.jsonl')
    writeFileSync(rows, '{"q":"Is ice cold?"}\n')
    const own = defineTask<{ q: string }>({
      ...{
        kind: 'choice',
        name: 'ice',
        files: rows,
        prompt: ({ q }) => q,
        choices: () => ['yes', 'no'],
        gold: () => 0,
      },
    })
    const protocol = async (tasks: EvaluateOptions['tasks'] & {}) =>
      (await evaluate(fakeModel(), { dataDir, tasks })).settings.protocol
    assert.deepEqual([await protocol([own]), await protocol(['copa', own])], ['own', 'card'])
  })

  it('asks by the templates of a folder under protocol t0', async function () {
    if (sharedMissing) skip(this, sharedMissing)
    await using model = await loadModel(fileURLToPath(new URL('../default/model', import.meta.url)))
    const templatesDir = shared('promptsource', 'templates')
    const results = await evaluate(model, { dataDir, protocol: 't0', templatesDir, limit: 2 })
    assert.deepEqual(Object.keys(results.tasks), [
      'sst2',
      'openbookqa',
      'copa',
      'winogrande',
      'wic',
      'mnli',
      'rte',
    ])
    assert.ok(results.tasks.copa!.templates!.length > 4)
  })

  it('a loop that is left saves what is done, and frees the folder', async () => {
    const options = { dataDir, tasks: ['wic', 'rte'], out }
    let seen = 0
    for await (const { task } of evaluateStream(fakeModel(), options)) {
      assert.equal(task, 'wic')
      if (++seen === 2) break
    }
    assert.deepEqual([saved().tasks.wic?.samplesDone, saved().tasks.rte], [2, undefined])
    assert.equal((await evaluate(fakeModel(), options)).tasks.wic?.status, 'complete')
  })

  it('an abort rejects, and what is done is saved', async () => {
    const controller = new AbortController()
    const options = { dataDir, tasks: ['wic'], out, signal: controller.signal }
    const stopping = async () => {
      for await (const _ of evaluateStream(fakeModel(), options)) controller.abort(new Error('enough'))
    }
    await assert.rejects(stopping(), { name: 'AbortError', code: 'ABORTED' })
    assert.ok(saved().tasks.wic!.samplesDone > 0)
  })

  for (const [change, message] of [
    [{ tasks: ['copa', 'poem'] }, /^tasks has "poem"; there are xquad, /],
    [{ tasks: 'copa' }, /^tasks is "copa"; expected a list of names of tasks/],
    [{ tasks: [] }, /^tasks is \[\]; expected a list/],
    [{ protocol: 'cards' }, /^protocol is "cards"; expected .*card/],
    [{ protocol: 'toString' }, /^protocol is "toString"; expected .*card/],
    [{ protocol: 't0' }, /^protocol 't0' needs templatesDir, the folder promptsource\/templates/],
    [{ templatesDir: dataDir }, /^templatesDir and template belong to protocol 't0'/],
    [{ protocol: 't0', templatesDir: 3 }, /^templatesDir is 3; expected /],
    [{ protocol: 't0', templatesDir: dataDir, template: 5 }, /^template is 5; expected /],
    [{ limit: 0 }, /^limit is 0; expected /],
    [{ limit: 1.5 }, /^limit is 1\.5; expected /],
    [{ tooLong: 'skip' }, /^tooLong is "skip"; expected /],
    [{ redo: 1 }, /^redo is 1; expected /],
    [{ dataDir: undefined }, /^dataDir is undefined; expected /],
    [{ dataDir: 'a\0b' }, /^dataDir /],
    [{ out: 3 }, /^out is 3; expected /],
    [{ signal: {} }, /^signal is /],
    [{ onProgress: 1 }, /^onProgress is 1; expected a function/],
  ] as [object, RegExp][])
    it(`${JSON.stringify(change)} is refused before anything is run`, () =>
      assert.rejects(evaluate(unasked, { dataDir, ...change }), { code: 'INVALID_ARGUMENT', message }))

  describe('a limit that is raised', () => {
    const limited = (limit: number | undefined, tasks = ['wic']): EvaluateOptions => ({
      ...{ dataDir, tasks, out },
      ...(limit !== undefined && { limit }),
    })

    it('keeps the samples that are there, and ends with those of a run that had it from the start', async () => {
      await evaluate(fakeModel(), limited(undefined))
      const whole = [journal('wic'), saved().tasks.wic?.metrics]
      rmSync(out, { recursive: true })
      for (const [limit, asked] of [
        [2, 2],
        [5, 3],
        [undefined, 1],
      ] as const) {
        let count = 0
        const results = await evaluate(
          fakeModel(() => count++),
          limited(limit),
        )
        assert.deepEqual([count, results.tasks.wic?.samplesTotal], [asked, limit ?? 6])
      }
      assert.deepEqual([journal('wic'), saved().tasks.wic?.metrics, saved().settings.limit], [...whole, null])
    })

    it('is refused where it is lowered, and where tasks of the folder are left out', async () => {
      await evaluate(fakeModel(), limited(4, ['wic', 'copa']))
      const before = saved()
      await assert.rejects(evaluate(unasked, limited(3)), {
        code: 'OUTPUT',
        message: /limit is 4 there and 3 here/,
      })
      await assert.rejects(evaluate(unasked, limited(5)), {
        code: 'OUTPUT',
        message: `${out} holds copa with limit 4; a run that raises it to 5 must name every task that is there`,
      })
      assert.deepEqual(saved(), before)
    })
  })

  describe('samples that are judged again', () => {
    const rescored = () => rescore(out)

    it('come to what they came to, byte for byte, whatever had been written', async () => {
      await evaluate(fakeModel(), { dataDir, tasks: ['copa', 'squad'], out })
      const file = (task: string) => join(out, 'samples', `${task}.jsonl`)
      const texts = () =>
        [file('copa'), file('squad'), join(out, 'results.json'), join(out, 'table.md')].map(name =>
          readFileSync(name, 'utf8'),
        )
      const before = texts()
      for (const task of ['copa', 'squad']) {
        const wrong = journal(task).replaceAll(/"scores":\{[^}]*\}/g, '"scores":{"acc":0.5}')
        assert.notEqual(wrong, journal(task))
        writeFileSync(file(task), wrong)
      }
      await rescored()
      assert.deepEqual(texts(), before)
    })

    it('must be there', async () => {
      await assert.rejects(rescored(), { code: 'OUTPUT', message: /holds no results\.json/ })
      await evaluate(fakeModel(), { dataDir, tasks: ['copa'], out })
      writeFileSync(join(out, 'samples', 'copa.jsonl'), '')
      await assert.rejects(rescored(), {
        code: 'OUTPUT',
        message: /copa\.jsonl: no samples that could be judged again/,
      })
      assert.ok(!existsSync(join(out, 'samples', 'copa.jsonl.part')))
    })
  })
})
