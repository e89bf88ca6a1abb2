// Protocol t0: every template asks about every item; SmolLM2's scores on COPA are those of transformers, in float32.
import { strict as assert } from 'node:assert'
import { readFileSync } from 'node:fs'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { openCheckpoint } from '../src/checkpoint/open.ts'
import { report } from '../src/evaluation/report.ts'
import type { RankRecord } from '../src/evaluation/results.ts'
import { runToEnd } from '../src/evaluation/run.ts'
import { RunFolder } from '../src/evaluation/run-folder.ts'
import { runSettings } from '../src/evaluation/settings.ts'
import { loadWork } from '../src/evaluation/work.ts'
import { loadModel } from '../src/model/load.ts'
import type { RankForm } from '../src/protocols/protocol.ts'
import { loadT0 } from '../src/protocols/t0.ts'
import { builtInTasks } from '../src/tasks/built-in/registry.ts'
import { loadTokenizer } from '../src/tokenizer/load.ts'
import { withFolder } from './checkpoint-files.ts'
import { cli, jsonLines } from './cli-run.ts'
import { shared, sharedMissing } from './shared.ts'
import { skip } from './skip.ts'

const whole = process.env.MT_LLAMA_VERIFY === '1'
const limit = whole ? null : 4
const copa = builtInTasks.get('copa')!
const model = shared('models', 'smollm2-135m', 'model-q4_1.gguf')
const templatesDir = shared('promptsource', 'templates')

interface GoldenRow {
  template: string
  index: number
  scores: number[]
  tokens: number[]
  choices: string[]
  gold: number
  pred: number
}

describe('protocol t0', () => {
  it(`scores COPA by its templates as transformers does${whole ? '' : `, the first ${limit} items`}`, async function () {
    if (sharedMissing) skip(this, sharedMissing)
    this.timeout(whole ? 3_600_000 : 600_000)
    const wanted: GoldenRow[] = jsonLines(
      readFileSync(shared('golden', 'smollm2', 't0_copa.jsonl'), 'utf8'),
    ).filter(({ index }) => index < (limit ?? Number.POSITIVE_INFINITY))
    const summary = JSON.parse(readFileSync(shared('golden', 'smollm2', 't0_copa.json'), 'utf8'))
    const protocol = await loadT0(templatesDir, [copa])
    const dataDir = shared('data', 'eval')
    const work = await loadWork([copa], protocol, { dataDir, limit })
    const items = limit ?? summary.items
    assert.equal(work[0]!.asks.length + work[0]!.skipped.length, items * summary.templates.length)
    assert.deepEqual(new Set(work[0]!.skipped.map(({ reason }) => reason)), new Set(['no input']))
    await using scorer = await loadModel(model, {
      dtype: 'float32',
    })
    const settings = await runSettings(scorer, { protocol: 't0', tooLong: 'error', dataDir, limit })
    await withFolder(async folder => {
      await using out = await RunFolder.open(join(folder, 'run'), () => {})
      const results = await runToEnd(scorer, { work, settings, folder: out })
      const records: RankRecord[] = jsonLines(readFileSync(out.journal('copa'), 'utf8'))
      const byKey = new Map(records.map(record => [`${record.id} ${record.template}`, record]))
      assert.equal(records.length, wanted.length)
      for (const row of wanted) {
        const record = byKey.get(`${row.index} ${row.template}`)!
        const where = `${row.template}, item ${row.index}`
        const { choices, gold, tokens } = record
        assert.deepEqual(
          { choices, gold, tokens },
          { choices: row.choices, gold: row.gold, tokens: row.tokens },
          where,
        )
        for (const [i, score] of row.scores.entries())
          assert.ok(
            Math.abs(record.logLikelihoods[i]! - score) <= 2e-4,
            `${where}: ${record.logLikelihoods[i]}`,
          )
      }
      const { metrics, templates, skipped } = results.tasks.copa!
      assert.equal(skipped, work[0]!.skipped.length)
      const counted = summary.templates
        .map(({ template }: GoldenRow) => {
          const rows = wanted.filter(row => row.template === template)
          const right = rows.filter(row => row.gold === row.pred).length
          return { template, n: rows.length, accuracy: right / rows.length }
        })
        .filter(({ n }: { n: number }) => n > 0)
      const found = templates!.map(({ template, samples, metrics }) => ({
        ...{ template, n: samples, accuracy: metrics.acc!.value },
      }))
      const byName = (rows: typeof found) => rows.sort((a, b) => (a.template < b.template ? -1 : 1))
      assert.deepEqual(byName(found), byName(counted))
      if (whole)
        for (const name of ['mean', 'median', 'min', 'max'])
          assert.ok(Math.abs(metrics[`acc_${name}`]!.value - summary[name]) < 1e-12, name)
      const text = report(results, { card: false })
      assert.match(text, /COPA \(mean\/median\/min\/max\)/)
      assert.match(text, /^\| best_option +\| +\d+ \| +\d+\.\d \|$/m)
    })
  })

  const templates = (jinja: string, original = true, choices = "'{{ choice1 }} ||| {{ choice2 }}'") =>
    `templates:\n  a1: !Template\n    answer_choices: ${choices}\n    id: a1\n    jinja: ${JSON.stringify(jinja)}\n` +
    `    metadata: !TemplateMetadata\n      original_task: ${original}\n    name: one\n`
  const item = {
    id: '7',
    fields: { premise: 'P', choice1: 'x', choice2: 'y', question: 'cause', label: 1 },
    gold: 1,
  }

  async function loaded(yaml: string, named?: string[]) {
    let form: RankForm | undefined
    await withFolder(async folder => {
      await mkdir(join(folder, 'super_glue', 'copa'), { recursive: true })
      await writeFile(join(folder, 'super_glue', 'copa', 'templates.yaml'), yaml)
      form = (await loadT0(folder, [copa], named)).form(copa) as RankForm
    })
    return form!
  }

  const asked: [jinja: string, ask: object][] = [
    [
      '{{ premise }}? ||| {{ answer_choices[label] }}',
      { kind: 'rank', prompt: 'P?', choices: ['x', 'y'], gold: 1 },
    ],
    [
      '{{ premise }}? ||| {{ answer_choices[0] }}',
      { kind: 'rank', prompt: 'P?', choices: ['x', 'y'], gold: 0 },
    ],
    ['{{ premise }}?', { kind: 'skipped', reason: 'no target' }],
    ['{{ premise }}? ||| {{ answer_choices[7] }}', { kind: 'skipped', reason: 'no target' }],
    ['{% if label == 0 %}a ||| b{% endif %}', { kind: 'skipped', reason: 'no input' }],
    ['||| y', { kind: 'skipped', reason: 'no input' }],
    ['a ||| y ||| x', { kind: 'skipped', reason: 'more parts than an input and a target' }],
    ['a ||| z', { kind: 'skipped', reason: 'the target is none of the answer choices' }],
  ]
  for (const [jinja, ask] of asked)
    it(`asks, or says why not: ${jinja}`, async () => {
      assert.deepEqual((await loaded(templates(jinja))).asks(item), [{ id: '7', template: 'one', ...ask }])
    })

  it('draws the same for an item, whatever was asked before', async () => {
    const list = Array.from('abcdefghijklmnop', letter => `'${letter}'`)
    const form = await loaded(templates(`{{ (premise.split('|') + [${list}]) | choice }} ||| y`))
    assert.deepEqual(form.asks(item), form.asks(item))
    const prompts = Array.from({ length: 20 }, (_, i) => form.asks({ ...item, id: String(i) })[0]!)
    assert.ok(new Set(prompts.map(ask => 'prompt' in ask && ask.prompt)).size > 5)
  })

  const refused: [title: string, yaml: string, named: string[] | undefined, message: RegExp][] = [
    [
      'no template of the original task',
      templates('a ||| y', false),
      undefined,
      /has no template of the original task/,
    ],
    ['a template without choices', templates('a ||| y', true, 'null'), ['one'], /has no answer choices/],
    [
      'an unknown template',
      templates('a ||| y'),
      ['one', 'two'],
      /^no task has a template "two"; mt-llama templates/,
    ],
  ]
  for (const [title, yaml, named, message] of refused)
    it(`refuses ${title}`, async () => {
      await assert.rejects(loaded(yaml, named), { code: 'INVALID_ARGUMENT', message })
    })

  it('a template that fails on a row is an error that names the file, the row and the template', async () => {
    await withFolder(async folder => {
      const jinja = "{{ ['a', 'b'][premise | length].upper() }} ||| y"
      await mkdir(join(folder, 'super_glue', 'copa'), { recursive: true })
      await writeFile(join(folder, 'super_glue', 'copa', 'templates.yaml'), templates(jinja))
      await mkdir(join(folder, 'copa'))
      const rows = ['', 'P', 'long'].map((premise, idx) => ({ ...item.fields, premise, idx: 70 + idx }))
      const lines = rows.map(row => JSON.stringify(row))
      await writeFile(join(folder, 'copa', 'validation.jsonl'), lines.join('\n'))
      await assert.rejects(loadWork([copa], await loadT0(folder, [copa]), { dataDir: folder, limit: null }), {
        code: 'PROMPT_TEMPLATE',
        message:
          /copa\/validation\.jsonl, line 3: the template "one" \(.*copa\/templates\.yaml:2, line 1 of its text\) does not render: UndefinedError: /,
      })
    })
  })

  it('takes a template by its id, of another task too', async () => {
    assert.equal((await loaded(templates('a ||| y', false), ['a1'])).asks(item).length, 1)
  })

  it('is run by mt-llama eval on the tasks that it has templates for', async () => {
    await withFolder(async folder => {
      const names = ['glue/sst2', 'openbookqa/main', 'super_glue/copa', 'winogrande/winogrande_xl']
      for (const name of [...names, 'super_glue/wic', 'glue/mnli', 'super_glue/rte']) {
        await mkdir(join(folder, name), { recursive: true })
        const yaml = templates('Q: {{ premise }}{{ sentence }} ||| y', true, "'x ||| y'")
        await writeFile(join(folder, name, 'templates.yaml'), yaml)
      }
      const run = ['eval', '--protocol', 't0', '--quiet']
      const { stdout, stderr, code } = await cli([
        ...run,
        '--templates-dir',
        folder,
        '--out',
        join(folder, 'run'),
      ])
      assert.deepEqual([stderr, code], ['', 0])
      assert.match(stdout, /RTE \(mean\/median\/min\/max\)/)
      assert.match(
        stdout,
        /### COPA by template\n\n\| Template \| Items \| +Acc\. \|\n\|-+\|-+:\|-+:\|\n\| one +\| +\d+ \| +\d/,
      )
      assert.match(stdout, /- Protocol t0, /)
      assert.doesNotMatch(stdout, /XQuAD \(/)
      const again = await cli(['eval', '--rescore', join(folder, 'run'), '--quiet'])
      assert.deepEqual([again.stdout, again.stderr], [stdout, ''])
      const wrong: [args: string[], stderr: RegExp][] = [
        [run, /^error: --protocol t0 needs --templates-dir, .* \[INVALID_ARGUMENT\]\n$/],
        [['eval', '--template', 'x'], /^error: --templates-dir and --template belong to --protocol t0/],
        [
          [...run, '--templates-dir', folder, '--tasks', 'squad'],
          /^error: protocol t0 does not say how to ask about SQuAD/,
        ],
      ]
      for (const [args, message] of wrong) {
        const result = await cli(args)
        assert.match(result.stderr, message)
        assert.equal(result.code, 1)
      }
    })
  })

  it('cuts inputs to 1,024 tokens on the right, and leaves shorter ones as texts', async function () {
    if (sharedMissing) skip(this, sharedMissing)
    const tokenizer = await loadTokenizer((await openCheckpoint(model)).tokenizer!)
    const { encode } = await loaded(templates('a ||| y'))
    const text = ' word'.repeat(1024)
    assert.equal(encode!(text, tokenizer), undefined)
    const cut = encode!(`${text} and more`, tokenizer)!
    assert.deepEqual(cut, { ids: tokenizer.encode(text), truncatedTokens: 2 })
  })
})
