// Prompt templates on real and made-up examples: every row that promptsource 0.2.3 has rendered, to the letter.
import { strict as assert } from 'node:assert'
import { readdirSync, readFileSync } from 'node:fs'
import { loadTemplates } from '../src/prompts/load-templates.ts'
import type { PromptTemplate } from '../src/prompts/prompt-template.ts'
import { pythonRandom } from '../src/prompts/python-random.ts'
import { jsonLines } from './cli-run.ts'
import { shared, sharedMissing } from './shared.ts'
import { skip } from './skip.ts'

const golden = (...parts: string[]) => shared('golden', 'promptsource', ...parts)

/** The files and the numbers of their rows, by the table of the golden folder's README. */
const counts = (): Map<string, number> =>
  new Map(
    Array.from(
      readFileSync(golden('README.md'), 'utf8').matchAll(/^\| (\w\S*\.jsonl) \| \d+ \| (\d+) \|/gm),
      ([, file, rows]) => [file!, Number(rows)] as const,
    ),
  )

interface Row {
  templates: string
  template: string
  id: string
  example: Record<string, unknown>
  seed: number
  draws?: [length: number, index: number][]
  parts?: string[]
  parts_untruncated?: string[]
  error?: string
  error_untruncated?: string
  answer_choices: string[] | null
  answer_choices_error?: string
  fixed_answer_choices: string[] | null
  metrics: string[] | null
  original_task: boolean | null
  choices_in_prompt: boolean | null
  languages: string[] | null
}

describe('prompt templates', () => {
  const sets = new Map<string, PromptTemplate[]>()

  before(async function () {
    if (sharedMissing) skip(this, sharedMissing)
    const rows = [...counts().keys()].flatMap(file => rowsOf(file))
    for (const { templates } of rows)
      if (!sets.has(templates))
        sets.set(templates, await loadTemplates(shared('promptsource', 'templates'), templates))
  })

  it('render every golden row as promptsource does, with its draws, choices and errors', () => {
    const files = counts()
    assert.deepEqual(
      readdirSync(golden()).filter(name => name.endsWith('.jsonl')),
      [...files.keys()].sort(),
    )
    let rows = 0
    for (const [file, count] of files) {
      const found = rowsOf(file)
      assert.equal(found.length, count, file)
      for (const [i, row] of found.entries()) {
        assert.deepEqual(rendered(row, sets.get(row.templates)!), wanted(row), `${file}, row ${i}`)
        rows++
      }
    }
    assert.equal(rows, 1654)
  })
})

function rowsOf(file: string): Row[] {
  return jsonLines(readFileSync(golden(file), 'utf8'))
}

function wanted(row: Row) {
  const whole = {
    parts: row.parts_untruncated ?? row.parts,
    error: row.error_untruncated ?? row.error,
  }
  return {
    cut: { parts: row.parts, error: row.error },
    whole,
    draws: row.error === undefined ? (row.draws ?? []) : undefined,
    choices: { parts: row.answer_choices ?? undefined, error: row.answer_choices_error },
    fixed: row.fixed_answer_choices ?? undefined,
    metadata: {
      originalTask: row.original_task ?? false,
      choicesInPrompt: row.choices_in_prompt ?? false,
      metrics: row.metrics ?? [],
      languages: row.languages ?? [],
    },
    id: row.id,
  }
}

function rendered(
  { template: name, example, seed, error }: Row,
  templates: PromptTemplate[],
): ReturnType<typeof wanted> {
  const template = templates.find(candidate => candidate.name === name)!
  const draws: [number, number][] = []
  const random = pythonRandom(seed)
  const draw = (length: number) => {
    const index = random(length)
    draws.push([length, index])
    return index
  }
  return {
    cut: outcome(() => template.apply(example, { draw })),
    draws: error === undefined ? draws : undefined,
    whole: outcome(() => template.apply(example, { truncate: false, draw: pythonRandom(seed) })),
    choices: outcome(() => template.answerChoices(example, { draw: pythonRandom(seed) })),
    fixed: template.fixedAnswerChoices(),
    metadata: template.metadata as ReturnType<typeof wanted>['metadata'],
    id: template.id,
  }
}

function outcome(run: () => string[] | undefined): {
  parts: string[] | undefined
  error: string | undefined
} {
  try {
    return { parts: run(), error: undefined }
  } catch (error) {
    const { cause } = error as Error
    // The room is loaded by import(), which may give it another copy of the class than this file has.
    assert.ok(cause instanceof Error && 'exception' in cause, String(error))
    return { parts: undefined, error: `${cause.exception}: ${cause.message}` }
  }
}
