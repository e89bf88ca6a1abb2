// F1 in protocol t0: of templates that spell two classes by fixed choices, in whatever order these are.
import assert from 'node:assert/strict'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { openCheckpoint } from '../src/checkpoint/open.ts'
import type { RankRecord, RunResults } from '../src/evaluation/results.ts'
import { compare, evaluate, rescore } from '../src/index.ts'
import { loadTokenizer } from '../src/tokenizer/load.ts'
import type { Tokenizer } from '../src/tokenizer/tokenizer.ts'
import { withFolder } from './checkpoint-files.ts'
import { jsonLines } from './cli-run.ts'
import { fakeModel, settings } from './fake-model.ts'
import { defaultModel } from './tiny-model.ts'

/** Class 1 of RTE is "not entailment". */
const templates: Record<string, { choices: string; target: string; hasF1: boolean }> = {
  'in order': { choices: 'Yes ||| No', target: '{{ answer_choices[label] }}', hasF1: true },
  reversed: { choices: 'No ||| Yes', target: '{{ answer_choices[1 - label] }}', hasF1: true },
  'choices of the row': {
    choices: 'Yes ||| {{ "No" }}{{ premise[:0] }}',
    target: '{{ answer_choices[label] }}',
    hasF1: false,
  },
  'a target whatever the label': { choices: 'Yes ||| No', target: 'Yes', hasF1: false },
  'three choices': {
    choices: 'Yes ||| Maybe ||| No',
    target: '{{ answer_choices[2 * label] }}',
    hasF1: false,
  },
}

function templatesFile(): string {
  const entries = Object.entries(templates).map(([name, { choices, target }], i) =>
    [
      `  a${i}: !Template`,
      `    answer_choices: ${JSON.stringify(choices)}`,
      `    id: a${i}`,
      `    jinja: ${JSON.stringify(`{{ premise }} ||| ${target}`)}`,
      '    metadata: !TemplateMetadata',
      '      original_task: true',
      `    name: ${name}`,
    ].join('\n'),
  )
  return `templates:\n${entries.join('\n')}\n`
}

/** Says No to some questions and Yes to others, and NaN to the one that is given. */
function model(tokenizer: Tokenizer, nanAt?: number) {
  const fake = fakeModel()
  return {
    ...fake,
    tokenizer,
    async *scoreStream(...args: Parameters<typeof fake.scoreStream>) {
      let request = 0
      const requests = [...args[0]]
      for await (const result of fake.scoreStream(requests, args[1])) {
        const { continuations } = requests[request]!
        const isNo = (7 * request) % 11 < 6
        const isNan = request++ === nanAt
        yield {
          ...result,
          continuations: result.continuations.map((one, i) => ({
            ...one,
            logLikelihood: isNan ? Number.NaN : (continuations[i] === ' No') === isNo ? -1 : -2,
          })),
        }
      }
    },
  }
}

/** F1 of saying No, where No is right for class 1. */
function f1(records: readonly RankRecord[]): number {
  const said = records.map(({ choices, prediction, gold }) => ({
    predicted: choices[prediction === null ? 1 - gold : (prediction as number)] === 'No',
    right: choices[gold] === 'No',
  }))
  const hits = said.filter(({ predicted, right }) => predicted && right).length
  const misses = said.filter(({ predicted, right }) => predicted !== right).length
  return (2 * hits) / (2 * hits + misses)
}

describe('F1 in protocol t0', () => {
  let tokenizer: Tokenizer
  before(async () => {
    const { tokenizer: source } = await openCheckpoint(defaultModel)
    tokenizer = await loadTokenizer(source!)
  })

  for (const nanAt of [undefined, 5])
    it(`is that of each template which has it${nanAt === undefined ? '' : ', and counts NaN as wrong'}`, () =>
      withFolder(async folder => {
        await mkdir(join(folder, 'super_glue', 'rte'), { recursive: true })
        await writeFile(join(folder, 'super_glue', 'rte', 'templates.yaml'), templatesFile())
        const out = join(folder, 'run')
        const options = { protocol: 't0', templatesDir: folder, dataDir: settings.dataDir, tasks: ['rte'] }
        const results = await evaluate(model(tokenizer, nanAt), {
          ...options,
          out,
          allowNan: nanAt !== undefined,
        })
        const { metrics, templates: found } = results.tasks.rte!
        const records = jsonLines(await readFile(join(out, 'samples', 'rte.jsonl'), 'utf8')) as RankRecord[]
        const wanted = found!.map(({ template }) => [
          template,
          templates[template]!.hasF1 ? f1(records.filter(record => record.template === template)) : undefined,
        ])
        assert.equal(wanted.length, Object.keys(templates).length)
        assert.deepEqual(
          found!.map(({ template, metrics }) => [template, metrics.f1?.value]),
          wanted,
        )
        const [one, other] = wanted.flatMap(([, value]) => value ?? []) as [number, number]
        assert.ok(one > 0 && other > 0 && one !== other)
        assert.deepEqual(
          ['mean', 'median', 'min', 'max'].map(name => metrics[`f1_${name}`]!.value),
          [(one + other) / 2, (one + other) / 2, Math.min(one, other), Math.max(one, other)],
        )

        const again = await rescore(out)
        const tasks = ({ tasks }: RunResults) => JSON.parse(JSON.stringify(tasks))
        assert.deepEqual(tasks(again), tasks(results))
        const compared = (await compare([out, out])).others[0]!.tasks.rte!
        assert.deepEqual([compared.metrics.f1, compared.headline], [undefined, ['acc']])
      }))
})
