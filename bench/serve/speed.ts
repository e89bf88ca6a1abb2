// Requests a second of scoring by HTTP: /v1/completions with echo, /v1/loglikelihood where it is there, and llama-server on the same file.
//
//   node --import tsx bench/serve/speed.ts [--llama-server FILE] [--model FILE.gguf] [--documents 24] [--rounds 3] [--connections 16]
//
// The requests are OpenBookQA's: a question with four choices, each a prompt of its own for /v1/completions and one request with four
// continuations for /v1/loglikelihood. All take turns in each round; one thread each, since threads of llama.cpp wait for each other where
// others want the cores. Processor time says more than the clock on a machine that is shared. `peers/setup.sh llama-server`
// builds llama-server.
import { readFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { basename } from 'node:path'
import { parseArgs } from 'node:util'
import { shared } from '../../test/shared.ts'
import { machine, median, table } from '../report.ts'
import { ServerProcess } from './server.ts'

const { values: options } = parseArgs({
  options: {
    'llama-server': { type: 'string' },
    model: { type: 'string', default: shared('models', 'smollm2-135m', 'model-q4_1.gguf') },
    documents: { type: 'string', default: '24' },
    rounds: { type: 'string', default: '3' },
    connections: { type: 'string', default: '16' },
  },
})
const documents = readDocuments().slice(0, Number(options.documents))
const connections = Number(options.connections)

interface Document {
  prompt: string
  continuations: string[]
}

/** A way to have all documents scored. */
interface Way {
  name: string
  server: ServerProcess
  /** Scores a document. @returns a log-likelihood for each choice, undefined where the server does not give them */
  score: (document: Document) => Promise<(number | undefined)[]>
}

const ours = await ServerProcess.start(options.model, ['--threads', '1'])
const rival = options['llama-server'] && (await startRival(options['llama-server']))
try {
  const ways: Way[] = [
    { name: 'mt-llama, /v1/completions', server: ours, score: document => byCompletions(ours, document) },
  ]
  if (await hasLoglikelihood())
    ways.push({
      name: 'mt-llama, /v1/loglikelihood',
      server: ours,
      score: document => byLoglikelihood(document),
    })
  if (rival) {
    const name = 'llama-server, /v1/completions'
    ways.push({ name, server: rival, score: document => byCompletions(rival, document) })
    // By default it runs of a prompt only what its slot does not hold of the last one.
    const whole = { cache_prompt: false }
    const score = (document: Document) => byCompletions(rival, document, whole)
    ways.push({ name: `${name}, whole prompts`, server: rival, score })
  }
  const times = ways.map(() => ({ seconds: [] as number[], cpu: [] as number[] }))
  const scores = new Map<string, (number | undefined)[]>()
  const head = machine()
  for (let round = -1; round < Number(options.rounds); round++)
    for (const [i, way] of ways.entries()) {
      const cpu = cpuSeconds(way.server)
      const begin = performance.now()
      // The round before the first warms up, on a part.
      scores.set(way.name, await scoreAll(way, round < 0 ? documents.slice(0, 4) : documents))
      if (round < 0) continue
      times[i]!.seconds.push((performance.now() - begin) / 1000)
      times[i]!.cpu.push(cpuSeconds(way.server) - cpu)
    }
  const choices = documents.length * 4
  const [wanted] = scores.values()
  const rows = ways.map(({ name }, i) => {
    const { seconds, cpu } = times[i]!
    return [
      ...[name, (choices / median(seconds)).toFixed(1), ratio(seconds, times[0]!.seconds)],
      ...[((1000 * median(cpu)) / choices).toFixed(0), ratio(cpu, times[0]!.cpu)],
      difference(scores.get(name)!, wanted!),
    ]
  })
  console.log(`${head}\n`)
  console.log(
    `${basename(options.model)}; ${documents.length} documents, ${choices} choices, ${connections} connections, ${options.rounds} rounds (medians)\n`,
  )
  console.log(
    table(['by', 'choices/s', 'time by ours', 'cpu ms/choice', 'cpu by ours', 'log-likelihoods'], rows),
  )
} finally {
  await ours.stop()
  if (rival) await rival.stop()
}

async function scoreAll({ score }: Way, documents: readonly Document[]): Promise<(number | undefined)[]> {
  const found: (number | undefined)[][] = []
  const waiting = [...documents.entries()]
  const client = async () => {
    for (let next = waiting.shift(); next; next = waiting.shift()) found[next[0]] = await score(next[1])
  }
  await Promise.all(Array.from({ length: connections }, client))
  return found.flat()
}

/**
 * Each choice as a prompt of its own, all of a document at once, as clients do that know nothing of each other.
 * @param more fields of each request
 */
function byCompletions(
  server: ServerProcess,
  { prompt, continuations }: Document,
  more: object = {},
): Promise<(number | undefined)[]> {
  return Promise.all(
    continuations.map(async continuation => {
      const { choices } = await post(server, '/v1/completions', {
        ...{ prompt: prompt + continuation, echo: true, logprobs: 1, max_tokens: 1, temperature: 0 },
        ...more,
      })
      const { token_logprobs, text_offset } = choices[0].logprobs ?? {}
      // llama-server leaves echo aside and lists the new token alone, in the form that chats have.
      if (!text_offset || token_logprobs.length < 3) return undefined
      const first = (text_offset as number[]).findIndex(offset => offset >= prompt.length)
      return (token_logprobs as number[]).slice(first, -1).reduce((a, b) => a + b, 0)
    }),
  )
}

async function byLoglikelihood({ prompt, continuations }: Document): Promise<number[]> {
  const answer = await post(ours, '/v1/loglikelihood', {
    requests: [{ prompt, continuations }],
    boundary: 'harness',
  })
  return answer.results[0].continuations.map((own: { log_likelihood: number }) => own.log_likelihood)
}

async function hasLoglikelihood(): Promise<boolean> {
  const response = await fetch(`${ours.url}/openapi.json`)
  const { paths } = (await response.json()) as { paths: object }
  return '/v1/loglikelihood' in paths
}

// biome-ignore lint/suspicious/noExplicitAny: answers of servers that are no part of this program
async function post({ url }: ServerProcess, path: string, body: object): Promise<any> {
  const headers = { 'content-type': 'application/json' }
  const response = await fetch(url + path, { method: 'POST', headers, body: JSON.stringify(body) })
  if (!response.ok) throw new Error(`${url}${path}: ${response.status} ${await response.text()}`)
  return response.json()
}

async function startRival(command: string): Promise<ServerProcess> {
  const port = await freePort()
  const args = ['--model', options.model, '--port', `${port}`, '--threads', '1', '--threads-batch', '1']
  // As many at once as there are connections would cut the context too short; eight slots of 1,024 positions hold these prompts.
  const slots = ['--parallel', '8', '--ctx-size', '8192', '--no-webui']
  return ServerProcess.rival(command, [...args, ...slots], `http://127.0.0.1:${port}`, '/health')
}

function freePort(): Promise<number> {
  return new Promise(resolve => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address() as { port: number }
      server.close(() => resolve(port))
    })
  })
}

/** Seconds that all threads of the process have run (proc(5), fields 14 and 15, in hundredths). */
function cpuSeconds({ pid }: ServerProcess): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]!.split(' ')
  return (Number(fields[11]) + Number(fields[12])) / 100
}

/** The median of the ratios of each round. */
function ratio(own: readonly number[], first: readonly number[]): string {
  return `${median(own.map((value, i) => value / first[i]!)).toFixed(2)}x`
}

function difference(own: readonly (number | undefined)[], wanted: readonly (number | undefined)[]): string {
  if (own.some(value => value === undefined)) return 'not given'
  const largest = Math.max(...own.map((value, i) => Math.abs(value! - wanted[i]!)))
  return largest === 0 ? 'equal' : `differ by up to ${largest.toExponential(0)}`
}

function readDocuments(): Document[] {
  const text = readFileSync(shared('data', 'eval', 'openbookqa', 'validation.jsonl'), 'utf8')
  return text
    .trim()
    .split('\n')
    .map(line => JSON.parse(line))
    .map(({ question_stem, choices }) => ({
      prompt: `${question_stem} Which of these is the answer? ${choices.text.join('; ')}. Answer:`,
      continuations: choices.text.map((choice: string) => ` ${choice}`),
    }))
}
