// What the queue of a fleet costs beside one process: processor time of a worker and of the server, over the same requests.
// One process and one worker take turns. Processor time counts, since the machine may have other work, and the time that
// loading the model takes is left out.
//
//   npm run bench:fleet -- [--model PATH] [--requests 400] [--per-shard 50] [--rounds 3] [--threads 1]
import { strict as assert } from 'node:assert'
import { execFileSync, spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { shared } from '../test/shared.ts'
import { machine, median, table } from './report.ts'

const { values: options } = parseArgs({
  options: {
    model: { type: 'string', default: shared('models/smollm2-135m/model-q4_1.gguf') },
    requests: { type: 'string', default: '400' },
    'per-shard': { type: 'string', default: '50' },
    rounds: { type: 'string', default: '3' },
    threads: { type: 'string', default: '1' },
  },
})

const program = fileURLToPath(new URL('../dist/cli/main.js', import.meta.url))
const folder = mkdtempSync(join(tmpdir(), 'mt-llama-fleet-bench-'))
const socket = join(folder, 'redis.sock')
const queue = ['--redis', socket]
const model = ['--model', options.model]
const threads = ['--threads', options.threads]

const sentences = readFileSync(shared('data/eval/sst2/validation.jsonl'), 'utf8')
  .trimEnd()
  .split('\n')
  .map(line => (JSON.parse(line) as { sentence: string }).sentence)
/** SST-2 as the model card puts it. */
const requests = Array.from({ length: Number(options.requests) }, (_, i) => {
  const repeated = i < sentences.length ? '' : `${Math.floor(i / sentences.length)}. `
  const question = 'Based on this review, would the user recommend this product? No or Yes?'
  const prompt = `${repeated}${sentences[i % sentences.length]} ${question}`
  return JSON.stringify({ prompt, continuations: [' No', ' Yes'] })
})
const file = (name: string, lines: readonly string[]) => {
  writeFileSync(join(folder, name), lines.join('\n'))
  return join(folder, name)
}
const input = file('in.jsonl', requests)
const shards = Math.ceil(requests.length / Number(options['per-shard']))

/** Processor time of a command of the program, in seconds. */
function seconds(args: readonly string[]): number {
  const command = ['-c', 'TIMEFORMAT="%U %S"; time "$@" > /dev/null 2>&1', 'bash', process.execPath, program]
  const { stderr, status } = spawnSync('bash', [...command, ...args, '--quiet'], { encoding: 'utf8' })
  assert.equal(status, 0, args.join(' '))
  const [user, system] = stderr.trim().split(' ').map(Number) as [number, number]
  return user + system
}

function serverSeconds(): number {
  const text = execFileSync('redis-cli', ['-s', socket, 'info', 'cpu'], { encoding: 'utf8' })
  const of = (name: string) => Number(new RegExp(`^${name}:(.*)$`, 'm').exec(text)![1])
  return of('used_cpu_user') + of('used_cpu_sys')
}

const keeping = ['--appendonly', 'yes', '--save', '', '--daemonize', 'yes', '--pidfile', join(folder, 'pid')]
execFileSync('redis-server', ['--port', '0', '--unixsocket', socket, '--dir', folder, ...keeping])
try {
  const load = seconds(['score', file('one-line.jsonl', requests.slice(0, 1)), ...model, ...threads])
  const rounds = Array.from({ length: Number(options.rounds) }, (_, round) => {
    const [one, out] = [join(folder, `one-${round}.jsonl`), join(folder, `fleet-${round}`)]
    const single = seconds(['score', input, ...model, ...threads, '--out', one]) - load
    const before = serverSeconds()
    const cut = ['--requests-per-shard', options['per-shard']]
    const submit = seconds(['fleet', 'submit', input, ...model, '--out', out, ...cut, ...queue])
    const worker = seconds(['fleet', 'work', out, ...threads, ...queue]) - load
    const server = serverSeconds() - before
    assert.deepEqual(readFileSync(join(out, 'merged.jsonl')), readFileSync(one))
    return { single, worker, server, submit, ratio: (worker + server) / single }
  })
  console.log(`${machine()}; ${options.threads} threads\n`)
  console.log(
    `${requests.length} requests of SST-2, ${options['per-shard']} a shard: ${shards} shards; seconds of the processor.`,
  )
  console.log(
    `Loading ${relative('.', options.model)} takes ${load.toFixed(2)} s, which the first two columns leave out.\n`,
  )
  const heads = [
    'one process',
    'worker',
    'server',
    'worker and server : one process',
    'ms more a shard',
    'submit',
  ]
  console.log(
    table(
      heads,
      rounds.map(({ single, worker, server, submit, ratio }) => [
        ...[single, worker, server].map(value => value.toFixed(2)),
        `${ratio.toFixed(3)}x`,
        ((1000 * (worker + server - single)) / shards).toFixed(0),
        submit.toFixed(2),
      ]),
    ),
  )
  console.log(`\nMedian ratio ${median(rounds.map(({ ratio }) => ratio)).toFixed(3)}x.`)
} finally {
  process.kill(Number(readFileSync(join(folder, 'pid'), 'utf8')))
  rmSync(folder, { recursive: true, force: true })
}
