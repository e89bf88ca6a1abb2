// mt-llama templates: lists templates, renders one on a row of a file, and says what is wrong.
import assert from 'node:assert/strict'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { withFolder } from './checkpoint-files.ts'
import { type CliResult, cli } from './cli-run.ts'
import { shared, sharedMissing } from './shared.ts'
import { skip } from './skip.ts'

const templates = `dataset: d
templates:
  a1: !Template
    answer_choices: No ||| Yes
    id: a1
    jinja: "{{ s }} {{ l | choice }}? ||| {% if n.x %}{{ answer_choices[n.x] }}{% endif %}"
    metadata: !TemplateMetadata
      choices_in_prompt: false
      metrics:
      - Accuracy
      original_task: true
    name: Is it so?
    reference: nobody
  b2: !Template
    id: b2
    jinja: "{% if s == 'never' %}x ||| y{% endif %}"
    name: free
`
const rows = [{ s: 'It is', l: ['so', 'well', 'good'], n: { x: 1 } }, { s: 'z' }]

describe('mt-llama templates', () => {
  async function run(args: readonly string[]): Promise<CliResult & { folder: string }> {
    let result: (CliResult & { folder: string }) | undefined
    await withFolder(async folder => {
      await mkdir(join(folder, 'd', 'sub'), { recursive: true })
      await writeFile(join(folder, 'd', 'sub', 'templates.yaml'), templates)
      await writeFile(join(folder, 'rows.jsonl'), rows.map(row => JSON.stringify(row)).join('\n'))
      await writeFile(join(folder, 'rows.tsv'), 's\tl\nIt is\tab\n')
      const given = args.map(arg => arg.replace('DIR', folder))
      result = { ...(await cli(['templates', '--templates-dir', folder, ...given])), folder }
    })
    return result!
  }

  it('lists the templates with ids, metadata and choices', async () => {
    for (const name of [['d/sub'], ['d', 'sub']]) {
      const { stdout, stderr, code } = await run(name)
      assert.deepEqual([code, stderr], [0, ''])
      assert.equal(
        stdout,
        'Is it so?  a1  original task, Accuracy, choices No | Yes\n' +
          'free       b2  free answers\n' +
          'd/sub: 2 templates, 1 of the original task\n',
      )
    }
  })

  it('lists them for programs', async () => {
    const { stdout } = await run(['d/sub', '--json'])
    assert.deepEqual(JSON.parse(stdout).templates[1], {
      ...{ id: 'b2', name: 'free', originalTask: false, choicesInPrompt: false, metrics: [], languages: [] },
      ...{ answerChoices: null, fixedAnswerChoices: null },
    })
  })

  it('renders one on a row, with the seed of the random choices', async () => {
    const row = ['d/sub', '--template', 'Is it so?', '--data', 'DIR/rows.jsonl']
    assert.equal(
      (await run(row)).stdout,
      '--- input ---\nIt is well?\n--- target ---\nYes\n--- answer choices ---\nNo\nYes\n',
    )
    const { stdout, folder } = await run([...row, '--seed', '1', '--json'])
    assert.deepEqual(JSON.parse(stdout), {
      template: 'Is it so?',
      row: `${folder}/rows.jsonl, line 1`,
      parts: ['It is so?', 'Yes'],
      answerChoices: ['No', 'Yes'],
    })
    const table = await run(['d/sub', '--template', 'free', '--data', 'DIR/rows.tsv'])
    assert.equal(table.stdout, '--- input ---\n\nno target: the template leaves this row out\n')
  })

  it('shows a template by its id', async () => {
    assert.equal(
      (await run(['d/sub', '--template', 'b2'])).stdout,
      "--- template ---\n{% if s == 'never' %}x ||| y{% endif %}\n",
    )
  })

  const wrong: [args: string[], code: number, stderr: RegExp][] = [
    [['d'], 1, /^error: d: no templates in .*; names like it: d\/sub\. \[DATA_NOT_FOUND\]\n$/],
    [
      ['d/sub', '--template', 'none'],
      1,
      /^error: d\/sub has no template "none"; expected "Is it so\?", "free"\. \[INVALID_ARGUMENT\]\n$/,
    ],
    [
      ['d/sub', '--template', 'a1', '--data', 'DIR/rows.jsonl', '--row', '2'],
      1,
      /rows\.jsonl, line 2: the template "Is it so\?" \(.*templates\.yaml:3, line 1 of its text\) does not render: IndexError: Cannot choose from an empty sequence\. \[PROMPT_TEMPLATE\]\n$/,
    ],
    [
      ['d/sub', '--template', 'a1', '--data', 'DIR/rows.jsonl', '--row', '3'],
      1,
      /rows\.jsonl: has 2 rows; there is no row 3\. \[DATA_INVALID\]\n$/,
    ],
    [['d/sub', '--template', 'a1', '--data', 'x.txt'], 2, /Expected a file that ends in \.jsonl, \.json, /],
    [['d/sub', '--template', 'a1', '--data', 'DIR/x.jsonl'], 1, /x\.jsonl: cannot be read/],
  ]
  for (const [args, code, stderr] of wrong)
    it(`says what is wrong: ${args.join(' ')}`, async () => {
      const result = await run(args)
      assert.match(result.stderr, stderr)
      assert.equal(result.code, code)
    })

  it('renders the templates of COPA on its data', async function () {
    if (sharedMissing) skip(this, sharedMissing)
    const data = shared('data', 'eval', 'copa', 'validation.jsonl')
    const { stdout, stderr } = await cli([
      ...['templates', 'super_glue', 'copa', '--templates-dir', shared('promptsource', 'templates')],
      ...['--template', 'exercise', '--data', data, '--row', '1'],
    ])
    assert.equal(stderr, '')
    assert.match(
      stdout,
      /^--- input ---\nExercise: choose the most plausible alternative\.\n\nThe man turned/,
    )
    assert.match(stdout, /--- target ---\nWater flowed from the spout\.\n--- answer choices ---/)
  })
})
