// Runs the card's tasks on SmolLM2-135M in each protocol, and compares with what promptsource and transformers make of the same
// items (bench/peers/golden/smollm2.py). The card's choices are held to lm-evaluation-harness in eval-parity.test.ts; questions have
// no templates in protocol t0. MT_LLAMA_VERIFY=1 runs MNLI whole.
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { evaluateStream, loadModel, type Model, type TaskSample } from '../src/index.ts'
import { carried, shared, sharedMissing } from './shared.ts'
import { skip } from './skip.ts'

/** Maximum difference of a choice's log-likelihood, by golden/README.md. */
const tolerance = 2e-4
/** Items of each task, from the first, whose answers are known. */
const known = 2
/** Items of MNLI. */
const mnliItems = 9815
const whole = process.env.MT_LLAMA_VERIFY === '1'
/** How many items of a task are run. */
const itemsOf = (task: string) => (whole && task === 'mnli' ? mnliItems : known)

interface Texts {
  /** The digest of all prompts. */
  prompts: string
  texts: string[]
}
interface Scores {
  /** The digest of all prompts, each with its choices. */
  prompts: string
  /** Of each item the log-likelihood of each choice; null where the template leaves the item out. */
  scores: (number[] | null)[]
}
interface Golden {
  card: Record<string, Texts>
  release: Record<string, Texts>
  t0: Record<string, Record<string, Scores>>
}
const golden: Golden = JSON.parse(readFileSync(carried('smollm2.json'), 'utf8'))

const choiceTasks = ['copa', 'mnli', 'openbookqa', 'rte', 'sst2', 'wic', 'winogrande']
const answerTasks = ['mlqa', 'squad', 'tydiqa', 'xquad']

describe('SmolLM2-135M on the published sets', function () {
  this.timeout((whole ? 240 : 30) * 60_000)
  let model: Model
  before(async function () {
    if (sharedMissing) skip(this, sharedMissing)
    model = await loadModel(shared('models', 'smollm2-135m', 'model-q4_1.gguf'), { dtype: 'float32' })
  })
  after(() => model?.dispose())

  const samplesOf = async (protocol: string, task: string) => {
    const samples: TaskSample[] = []
    const templates = protocol === 't0' && { templatesDir: shared('promptsource', 'templates') }
    const dataDir = shared('data', 'eval')
    for await (const sample of evaluateStream(model, {
      ...{ protocol, tasks: [task], dataDir, limit: itemsOf(task) },
      ...templates,
    }))
      samples.push(sample)
    return samples
  }

  const generating: [protocol: 'card' | 'release', tasks: string[]][] = [
    ['card', answerTasks],
    ['release', [...choiceTasks, ...answerTasks]],
  ]
  for (const [protocol, tasks] of generating)
    for (const task of tasks)
      it(`${protocol}, ${task}: prompts and generated texts`, async () => {
        const samples = await samplesOf(protocol, task)
        const first = samples.slice(0, known)
        const generated = first.map(sample => {
          assert.equal(sample.kind, 'generate')
          return sample.kind === 'generate' ? sample.generated : ''
        })
        const { prompts, texts } = golden[protocol][task]!
        assert.equal(samples.length, texts.length + itemsOf(task) - known)
        assert.deepEqual(generated, texts)
        assert.equal(digest(first.map(({ prompt }) => prompt)), prompts)
      })

  for (const task of choiceTasks)
    it(`t0, ${task}: prompts and log-likelihoods of every template`, async () => {
      const samples = await samplesOf('t0', task)
      const templates = golden.t0[task]!
      assert.deepEqual(
        new Set(samples.map(({ template }) => template)),
        new Set(Object.keys(templates).filter(name => templates[name]!.scores.some(Boolean))),
      )
      for (const [name, { prompts, scores }] of Object.entries(templates)) {
        const asked: string[] = []
        const own = samples.filter(({ template }) => template === name)
        const wanted = scores.filter(item => item !== null)
        assert.equal(own.length, wanted.length + itemsOf(task) - known, name)
        for (const [i, sample] of own.slice(0, wanted.length).entries()) {
          if (sample.kind !== 'rank') throw new Error('protocol t0 ranks')
          asked.push(sample.prompt, ...sample.choices)
          assert.equal(sample.choices.length, wanted[i]!.length, name)
          for (const [choice, score] of wanted[i]!.entries()) {
            const ours = sample.logLikelihoods[choice]!
            assert.ok(Math.abs(ours - score) <= tolerance, `${name}, ${sample.id}: ${ours}, want ${score}`)
          }
        }
        assert.equal(digest(asked), prompts, name)
      }
    })
})

function digest(texts: readonly string[]): string {
  return createHash('sha256').update(texts.join('\n')).digest('hex').slice(0, 16)
}
