// Tests the rooms behind task files against lm-evaluation-harness: shots, filters, flags, templates, patterns, means of groups.
import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { readRows } from '../src/data/data-files.ts'
import { pythonRegex } from '../src/data/python-regex.ts'
import { Row } from '../src/data/row.ts'
import { groupResults } from '../src/evaluation/group-results.ts'
import type { TaskResult } from '../src/evaluation/results.ts'
import { loadWork } from '../src/evaluation/work.ts'
import { statisticOf } from '../src/metrics/aggregation.ts'
import { textMetric } from '../src/metrics/registry.ts'
import { card } from '../src/protocols/card.ts'
import { makeFilter } from '../src/protocols/own/filters.ts'
import { loadOwnTasks, withOwnTasks } from '../src/protocols/own/own.ts'
import type { TaskDefinition } from '../src/tasks/yaml/definition.ts'
import { taskEnvironment } from '../src/tasks/yaml/environment.ts'
import { sampler } from '../src/tasks/yaml/few-shot.ts'
import { pythonLiteral } from '../src/tasks/yaml/python-literal.ts'
import { parseYaml } from '../src/tasks/yaml/yaml-value.ts'
import { readNames, Template, type TemplateProblem } from '../src/templates/template.ts'
import { carried } from './shared.ts'

const cases = JSON.parse(readFileSync(carried('task-files', 'cases.json'), 'utf8'))

describe('task files beside lm-evaluation-harness', () => {
  for (const [i, { config, rows }] of cases.contexts.entries())
    it(`prompts and continuations of task ${i + 1}, by ${config.output_type}`, async () => {
      const folder = mkdtempSync(join(tmpdir(), 'mt-llama-contexts-'))
      try {
        const file = join(folder, 'task.yaml')
        writeFileSync(file, JSON.stringify(config))
        const { tasks } = await loadOwnTasks([file], carried())
        const own = tasks.map(({ task }) => task)
        const [work] = await loadWork(own, withOwnTasks(card, tasks), { dataDir: folder, limit: 5 })
        const { form, asks } = work!
        const requests = asks.map(ask =>
          ask.kind === 'rank' && form.kind === 'rank'
            ? ask.choices.map(choice => [ask.prompt, form.delimiter + choice])
            : [[ask.prompt]],
        )
        assert.deepEqual(requests, rows)
      } finally {
        rmSync(folder, { recursive: true })
      }
    })

  for (const { rows, count, sampler: kind, holds, drawn } of cases.shots)
    it(`${count} shots of ${rows.length} rows by ${kind}${holds ? ', never the item itself' : ''}`, () => {
      const pool = rows.map((n: number, i: number) => new Row({ n }, `row ${i + 1}`, i + 1))
      const definition = { fewShot: { count, sampler: kind } } as TaskDefinition
      const shotsOf = sampler(definition, pool, holds)
      const own = drawn.map((_: unknown, i: number) =>
        shotsOf(i, pool[i % pool.length]).map(shot => shot.get('n')),
      )
      assert.deepEqual(own, drawn)
      // Asked again, an item has the same shots.
      assert.deepEqual(
        shotsOf(2, pool[2]).map(shot => shot.get('n')),
        drawn[2],
      )
    })

  for (const { steps, texts, filtered } of cases.filters)
    it(`the filters ${steps.map((step: { function: string }) => step.function).join(', ')}`, () => {
      const value = parseYaml(JSON.stringify({ steps }), 'filters.yaml').entries('it').get('steps')!
      const entries = value.items().map(step => {
        const options = new Map(step.entries('a step'))
        options.delete('function')
        return { name: step.entries('a step').get('function')!.text('it'), value: step, options }
      })
      const filter = makeFilter({ name: 'x', steps: entries })
      assert.deepEqual(
        texts.map((text: string) => filter.apply(text).text),
        filtered,
      )
    })

  for (const { flags, pairs, scores } of cases.exact_match)
    it(`exact_match with ${JSON.stringify(flags)}`, () => {
      const score = textMetric('exact_match')!.prepare(flags)
      assert.deepEqual(
        pairs.map(([prediction, gold]: [string, string]) => score(prediction, gold)),
        scores,
      )
    })

  for (const { source, doc, text, exception } of cases.templates)
    it(`the template ${JSON.stringify(source)}`, () => {
      const render = () => new Template(source, taskEnvironment).render(readNames(Object.entries(doc)))
      if (exception === undefined) assert.equal(render(), text)
      else assert.throws(render, (error: TemplateProblem) => error.exception === exception)
    })

  for (const ending of ['jsonl', 'json'])
    it(`numbers of .${ending} as Python reads and prints them`, async () => {
      const folder = mkdtempSync(join(tmpdir(), 'mt-llama-numbers-'))
      try {
        const file = join(folder, `rows.${ending}`)
        const lines: string[] = cases.numbers.map(({ line }: { line: string }) => line)
        writeFileSync(file, ending === 'json' ? `[${lines.join(',')}]` : lines.join('\n'))
        const printed: string[] = []
        for await (const row of readRows([file])) {
          const { source } = cases.numbers[printed.length]
          const names = readNames(row.names().map(name => [name, row.exact(name)]))
          printed.push(new Template(source, taskEnvironment).render(names))
        }
        assert.deepEqual(
          printed,
          cases.numbers.map(({ text }: { text: string }) => text),
        )
      } finally {
        rmSync(folder, { recursive: true })
      }
    })

  for (const { pattern, texts, matches } of cases.patterns)
    it(`the pattern ${pattern}`, () => {
      const regex = pythonRegex(pattern)
      const own = texts.map((text: string) =>
        regex.matches(text).map(match => match.map(group => group ?? null)),
      )
      assert.deepEqual(own, matches)
    })

  for (const [i, group] of cases.groups.entries())
    it(`means of group ${i + 1}`, () => {
      const tasks = Object.fromEntries(
        group.sizes.map((samplesDone: number, j: number) => [
          `t${j}`,
          { samplesDone, metrics: { acc: { value: group.values[j], standardError: group.errors[j] } } },
        ]),
      ) as unknown as Record<string, TaskResult>
      for (const [weightBySize, value, error] of [
        [true, group.weighted, group.pooled],
        [false, group.unweighted, group.unweighted_error],
      ]) {
        const metrics = [{ metric: 'acc', weightBySize }]
        const { g } = groupResults([{ name: 'g', title: 'g', tasks: Object.keys(tasks), metrics }], tasks)
        assert.ok(Math.abs(g!.figures.acc!.value - value) < 1e-12)
        assert.ok(Math.abs(g!.figures.acc!.standardError! - error) < 1e-12)
      }
    })

  it('perplexities, bits and F1', () => {
    const { logLikelihoods, weights, golds, predicted, ...wanted } = cases.aggregates
    const close = (own: number, value: number) => assert.ok(Math.abs(own / value - 1) < 1e-12)
    close(statisticOf('perplexity', { scores: logLikelihoods, partners: [] })(), wanted.perplexity)
    close(
      statisticOf('weighted_perplexity', { scores: logLikelihoods, partners: weights })(),
      wanted.weighted_perplexity,
    )
    close(statisticOf('bits_per_byte', { scores: logLikelihoods, partners: weights })(), wanted.bits_per_byte)
    close(statisticOf('f1', { scores: predicted, partners: golds })(), wanted.f1)
    assert.equal(statisticOf('f1', { scores: [0, 0], partners: [0, 0] })(), wanted.f1_none)
  })

  it("Python's literals", () => {
    const rows: [string, unknown][] = [
      ["['a', \"b'c\"]", ['a', "b'c"]],
      ["['\\n\\x41\\u00e9', '']", ['\nAé', '']],
      ['[1, -2, 1.5]', [1, -2, 1.5]],
      ["('a', ('b',))", ['a', ['b']]],
      ['[True, None]', [true, null]],
      ['[]', []],
      ['[a]', undefined],
      ['[1', undefined],
      ["['a'|upper]", undefined],
      ['no list', undefined],
    ]
    for (const [text, value] of rows) assert.deepEqual(pythonLiteral(text), value, text)
  })
})
