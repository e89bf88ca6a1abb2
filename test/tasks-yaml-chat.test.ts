// Compares prompts and continuations of task files in chat templates, after an instruction, with given beginnings of answers
// and with choices that are prompts, with those that lm-evaluation-harness makes; then the model's scores of them.
import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { renderChatTemplate } from '../src/chat/chat-template.ts'
import { prompted } from '../src/evaluation/prompting.ts'
import { Prompts } from '../src/evaluation/prompts.ts'
import { RankRequests } from '../src/evaluation/rank-requests.ts'
import type { RunResults, SampleRecord } from '../src/evaluation/results.ts'
import type { Scorer } from '../src/evaluation/scorer.ts'
import { loadWork, type Work } from '../src/evaluation/work.ts'
import { evaluateStream, loadModel, loadTasks, type Model } from '../src/index.ts'
import { card } from '../src/protocols/card.ts'
import { loadOwnTasks, withOwnTasks } from '../src/protocols/own/own.ts'
import type { RankAsk } from '../src/protocols/protocol.ts'
import { logLikelihoodAsTorch } from './as-torch.ts'
import { carried, shared, sharedMissing } from './shared.ts'

const { chats } = JSON.parse(readFileSync(carried('task-files', 'cases.json'), 'utf8'))

/** A model that renders chats, and does nothing else. */
function renderer(template: string): Scorer {
  const namedTokens = new Map([
    ['bos_token', chats.bos],
    ['eos_token', chats.eos],
  ])
  return {
    applyChatTemplate: (messages, { addGenerationPrompt }) =>
      renderChatTemplate(template, messages, { namedTokens, addGenerationPrompt }),
  } as Partial<Scorer> as Scorer
}

/** What a model is asked: pairs of a prompt and a continuation, or prompts alone. */
function requestsOf({ form, asks }: Work): unknown[][] {
  if (form.kind !== 'rank') return asks.map(ask => [[ask.prompt]])
  return asks.map(ask => {
    const requests = new RankRequests(form, new Prompts({} as Scorer, form)).of([ask as RankAsk])
    return [...requests].flatMap(({ prompt, continuations }) => continuations.map(one => [prompt, one]))
  })
}

describe('task files in chats, beside lm-evaluation-harness', () => {
  let folder: string
  before(() => {
    folder = mkdtempSync(join(tmpdir(), 'mt-llama-chats-'))
  })
  after(() => rmSync(folder, { recursive: true }))

  for (const [i, { template, multiturn, instruction, config, rows }] of chats.cases.entries()) {
    const { num_fewshot: shots = 0, output_type: kind, gen_prefix: prefix } = config
    const words = [
      `${kind} with ${shots} shots`,
      template ? `${multiturn ? 'as turns ' : ''}by the template ${template}` : 'as plain text',
      ...(prefix ? [`answers begin with ${prefix}`] : []),
      ...(instruction ? ['after an instruction'] : []),
    ]
    it(`task ${i + 1}: ${words.join(', ')}`, async () => {
      const file = join(folder, `${i}.yaml`)
      writeFileSync(file, JSON.stringify(config))
      const { tasks } = await loadOwnTasks([file], carried())
      const { protocol, notes } = prompted(
        withOwnTasks(card, tasks),
        {
          ...{ pmi: false, chatTemplate: template !== null, fewshotAsMultiturn: multiturn },
          systemInstruction: instruction ?? undefined,
        },
        template === null ? undefined : renderer(chats.templates[template]),
      )
      const own = tasks.map(({ task }) => task)
      const [work] = await loadWork(own, protocol, { dataDir: folder, limit: 2 })
      assert.deepEqual(requestsOf(work!), rows)
      const isRefused = template === 'no-system' && (instruction ?? config.description) !== undefined
      assert.equal(notes().length, isRefused ? 1 : 0)
    })
  }
})

describe('scores of task files in chats, of prompts as choices and of PMI, beside lm-evaluation-harness', function () {
  if (sharedMissing) return it.skip(sharedMissing)
  this.timeout(120_000)
  const cases = JSON.parse(readFileSync(carried('task-files', 'scores.json'), 'utf8'))
  let model: Model
  let folder: string
  before(async () => {
    model = await loadModel(shared('models', 'smollm2-135m', 'model-q4_1.gguf'), { dtype: 'float32' })
    folder = mkdtempSync(join(tmpdir(), 'mt-llama-scores-'))
  })
  after(async () => {
    await model?.dispose()
    rmSync(folder, { recursive: true })
  })

  for (const { config, samples, figures, chat = false, multiturn, instruction } of cases)
    it(config.task, async () => {
      const file = join(folder, `${config.task}.yaml`)
      writeFileSync(file, JSON.stringify(config))
      const { tasks } = await loadTasks([file], shared())
      const stream = evaluateStream(model, {
        ...{ dataDir: shared(), tasks, limit: samples.length },
        chatTemplate: chat,
        ...(multiturn !== undefined && { fewshotAsMultiturn: multiturn }),
        ...(instruction && { systemInstruction: instruction }),
      })
      for (const [i, { requests, metrics }] of samples.entries()) {
        const { value: record } = await stream.next()
        await compare(record as SampleRecord, requests, metrics, `${config.task}, row ${i}`)
      }
      const { value, done } = await stream.next()
      assert.ok(done)
      const own = (value as RunResults).tasks[config.task]!.metrics
      for (const [name, figure] of Object.entries(figures))
        assert.ok(Math.abs(own[name]!.value - (figure as number)) < 1e-12, name)
    })

  async function compare(
    record: SampleRecord,
    requests: [string, ...unknown[]][],
    metrics: object,
    label: string,
  ): Promise<void> {
    assert.deepEqual(record.scores, metrics, label)
    if (record.kind === 'generate') assert.deepEqual([[record.prompt, record.generated]], requests, label)
    if (record.kind !== 'rank') return
    const own = [...record.logLikelihoods, ...(record.unconditional ?? [])] as number[]
    assert.equal(own.length, requests.length)
    for (const [i, [prompt, continuation, logLikelihood, isGreedy]] of requests.entries()) {
      if (i < record.isGreedy.length) assert.equal(record.isGreedy[i], isGreedy, `${label}, request ${i}`)
      // After BOS alone torch's own float32 and float64 differ by 6e-4 in a text of ten tokens.
      const tolerance = prompt === '' ? 2e-3 : 2e-4
      const isClose = (value: number) => Math.abs(value - (logLikelihood as number)) <= tolerance
      const torch = () => logLikelihoodAsTorch(model, prompt, continuation as string)
      assert.ok(
        isClose(own[i]!) || isClose(await torch()),
        `${label}, request ${i}: ${own[i]}, want ${logLikelihood}`,
      )
    }
  }
})
