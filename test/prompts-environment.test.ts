// Templates in promptsource's environment: what Jinja2 prints without settings, its errors, and Python's random draws.
import { strict as assert } from 'node:assert'
import { readFileSync } from 'node:fs'
import { promptEnvironment } from '../src/prompts/environment.ts'
import { pythonRandom } from '../src/prompts/python-random.ts'
import { readNames, Template, TemplateProblem } from '../src/templates/template.ts'
import { carried } from './shared.ts'

interface Golden {
  names: Record<string, unknown>
  seed: number
  rows: { template: string; names?: boolean; text?: string; error?: string }[]
  draws: { seed: number; lengths: number[]; indices: number[] }[]
}

// Made by bench/peers/prompt_templates.py.
const golden: Golden = JSON.parse(readFileSync(carried('prompts', 'templates.json'), 'utf8'))

describe('templates in the environment of promptsource', () => {
  assert.ok(golden.rows.length > 100)
  for (const { template, ...wanted } of golden.rows)
    it(`are ${wanted.error === undefined ? 'printed' : 'refused'} as by Jinja2: ${template.slice(0, 90)}`, () => {
      assert.deepEqual(rendered(template), {
        names: wanted.names,
        text: wanted.text,
        error: wanted.error?.replace(/:.*/s, ''),
      })
    })

  for (const { seed, lengths, indices } of golden.draws)
    it(`draw as Python does, seed ${seed}`, () => {
      const draw = pythonRandom(seed)
      assert.deepEqual(lengths.map(draw), indices)
    })
})

function rendered(source: string): Partial<Record<'names' | 'text' | 'error', unknown>> {
  try {
    const template = new Template(source, promptEnvironment)
    const text = template.render(readNames(Object.entries(golden.names)), pythonRandom(golden.seed))
    return { names: template.usesNames, text, error: undefined }
  } catch (error) {
    assert.ok(error instanceof TemplateProblem, String(error))
    return { names: undefined, text: undefined, error: error.exception ?? error.message }
  }
}
