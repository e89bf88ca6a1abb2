// The mixture that is built in against T0's own numbers.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { loadTemplates } from '../src/prompts/load-templates.ts'
import { maxExamplesOfSet, taskCap, taskName } from '../src/training/mixture.ts'
import { t0Mixture } from '../src/training/t0-mixture.ts'
import { shared, sharedMissing } from './shared.ts'
import { skip } from './skip.ts'

interface GoldenSet {
  dataset: string
  subset: string | null
  train_size: number
  cap_per_template: number
}
interface GoldenTask {
  task: string
  dataset: string
  subset: string | null
  template: string
  cap: number
  rate: number
}

describe('training: the mixture of T0', () => {
  before(function () {
    if (sharedMissing) skip(this, sharedMissing)
  })
  const golden = (): { total_weight: number; tasks: GoldenTask[]; per_dataset: GoldenSet[] } =>
    JSON.parse(readFileSync(shared('golden', 't0_mixture_v0.1.0.json'), 'utf8'))
  const nameOf = ({ dataset, subset }: { dataset: string; subset: string | null }) =>
    subset === null ? dataset : `${dataset}/${subset}`

  it('has the sets, tasks, caps and rates of the T0 code', () => {
    const { tasks, per_dataset, total_weight } = golden()
    assert.deepEqual(
      t0Mixture.sets.map(({ name, size }) => [name, size]),
      per_dataset.map(set => [nameOf(set), set.train_size]),
    )
    const own = t0Mixture.sets.flatMap(set => {
      assert.ok(Array.isArray(set.templates))
      const cap = taskCap(set.size!, set.templates.length, t0Mixture, set.weight)
      return set.templates.map(template => ({ set: set.name, template, cap }))
    })
    const total = own.reduce((sum, { cap }) => sum + cap, 0)
    assert.equal(total, total_weight)
    assert.deepEqual(
      own.map(({ set, template, cap }) => ({ name: taskName(set, template), set, template, cap })),
      tasks.map(task => ({ name: task.task, set: nameOf(task), template: task.template, cap: task.cap })),
    )
    for (const [i, { cap }] of own.entries())
      assert.ok(Math.abs(cap / total - tasks[i]!.rate) < 1e-15, tasks[i]!.task)
  })

  it('names templates that promptsource has', async () => {
    const without: string[] = []
    for (const { name, templates } of t0Mixture.sets) {
      const known = await loadTemplates(shared('promptsource', 'templates'), name).catch(() => undefined)
      if (known) assert.deepEqual([...templates], known.map(template => template.name).toSorted(), name)
      else without.push(name)
    }
    assert.deepEqual(without, ['cos_e/v1.11'])
  })
})

describe("docs/data.md's table of training sets", () => {
  it('is that of the mixture', () => {
    const text = readFileSync(new URL('../docs/data.md', import.meta.url), 'utf8')
    const section = text.slice(text.indexOf('## Training sets'))
    for (const { name, hub, size, templates, fields } of t0Mixture.sets) {
      const count = templates.length
      const names = fields.map(field => `\`${field}\``).join(' ')
      const row = `| \`${name}\` | ${hub} | ${name.split('/')[1] ?? ''} | ${size!.toLocaleString('en')} | ${count} | ${names} |`
      assert.ok(section.includes(row), row)
    }
  })
})

describe('training: caps', () => {
  const mixture = { name: 'm', maxExamples: maxExamplesOfSet, sets: [] }
  for (const [size, templates, weight, cap] of [
    [3668, 7, 1, 3668],
    [500_000, 9, 1, 500_000],
    [500_001, 9, 1, 55_555],
    [3_600_000, 9, 2, 111_110],
    [10, 3, 0.25, 3],
    [1, 3, 0.001, 1],
  ] as const)
    it(`is ${cap} for ${size} rows, ${templates} templates and weight ${weight}`, () =>
      assert.equal(taskCap(size, templates, mixture, weight), cap))
})
