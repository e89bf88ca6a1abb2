// mt-llama mixture: lists tasks over the data at hand, shows examples with what the loss is on, and says what is wrong.
import assert from 'node:assert/strict'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { withFolder } from './checkpoint-files.ts'
import { type CliResult, cli } from './cli-run.ts'
import { writeRows, writeTemplates } from './training-files.ts'

describe('mt-llama mixture', () => {
  async function run(...args: string[]): Promise<CliResult> {
    let result: CliResult | undefined
    await withFolder(async folder => {
      writeTemplates(folder, 's', {
        'is it?': { jinja: 'Is it {{ text }}? ||| {{ answer }}' },
        say: { jinja: '{{ text }} ||| yes' },
      })
      const rows = Array.from({ length: 3 }, (_, i) => ({ text: `good weather in city ${i}`, answer: 'no' }))
      writeRows(folder, 's/train.jsonl', rows)
      mkdirSync(join(folder, 'eval', 'sst2'), { recursive: true })
      writeFileSync(join(folder, 'eval', 'sst2', 'dev.tsv'), 'sentence\tlabel\nGood weather, in city 1!\t1\n')
      writeFileSync(join(folder, 'm.yaml'), 'mixture: two\nsets: [s, trec]\n')
      const given = [
        '--data-root',
        join(folder, 'data'),
        '--templates-dir',
        join(folder, 'templates'),
        ...args,
      ]
      const { stdout, stderr, code } = await cli(['mixture', ...given.map(arg => arg.replace('DIR', folder))])
      result = { stdout: stdout.replaceAll(folder, 'DIR'), stderr: stderr.replaceAll(folder, 'DIR'), code }
    })
    return result!
  }

  it('lists tasks with caps and rates, and what is missing', async () => {
    const { stdout, stderr, code } = await run('DIR/m.yaml')
    assert.deepEqual([code, stderr], [0, ''])
    assert.equal(
      stdout,
      's: train, 3 rows, DIR/data/s/train.jsonl\n' +
        '  s_is_it_        3   50.000 %\n' +
        '  s_say           3   50.000 %\n' +
        'missing: trec: DIR/data has none of the folders trec, CogComp/trec; CogComp/trec of the hub has it\n' +
        'two: 2 tasks of 1 set, 6 examples an epoch; 1 missing or incomplete\n',
    )
  })

  it('shows examples with marks around what the loss is on', async () => {
    const { stdout } = await run('DIR/m.yaml', '--examples', '6')
    const examples = stdout.split('--- ').slice(1)
    assert.equal(examples.length, 6)
    assert.match(
      stdout,
      /^--- draw 0: s_\w+, DIR\/data\/s\/train\.jsonl, line \d; \d+ tokens, the loss is on \d+ ---$/m,
    )
    for (const text of [
      /^.*Is it good weather in city \d\?\[\[ no<?.*\]\]$/m,
      /^.*good weather in city \d\[\[ yes.*\]\]$/m,
    ])
      assert.match(stdout, text)
  })

  it('counts rows with texts of evaluation sets, and leaves them out of the examples', async () => {
    const { stdout } = await run('DIR/m.yaml', '--eval-dir', 'DIR/eval', '--examples', '8', '--json')
    const { overlaps, examples, tasks } = JSON.parse(stdout)
    assert.deepEqual(overlaps, [
      {
        ...{ set: 's', rows: 3, overlapping: 1 },
        evaluationSets: [{ name: 'sst2', rows: 1, items: 1, ofItems: 1 }],
      },
    ])
    assert.equal(tasks.length, 2)
    assert.deepEqual(
      [...new Set(examples.map(({ row }: { row: string }) => row.replace(/.*, /, '')))].sort(),
      ['line 1', 'line 3'],
    )
    const { stdout: text } = await run('DIR/m.yaml', '--eval-dir', 'DIR/eval')
    assert.match(text, /^s: 1 of 3 rows have texts of evaluation sets: sst2 1 \(1 of its 1 items\)$/m)
  })

  for (const [args, code, message] of [
    [['DIR/none.yaml'], 1, /none\.yaml: cannot be read/],
    [['t0'], 1, /^.*38 of the 38 sets of the mixture t0 are missing or incomplete:\n {2}glue\/mrpc: /],
    [['DIR/m.yaml', '--eval-dir', 'DIR/none'], 1, /DIR\/none: has none of the evaluation sets/],
    [['DIR/m.yaml', '--mask', 'all'], 2, /Allowed choices are answer, release/],
    [[], 2, /missing required argument 'mixture'/],
  ] as const)
    it(`${args.join(' ') || 'without a mixture'} is an error`, async () => {
      const result = await run(...args)
      assert.equal(result.code, code)
      assert.match(result.stderr, message)
      assert.equal(result.stdout, '')
    })
})
