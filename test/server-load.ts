// Asks a server of 64 connections at once, in a process of its own: short and long prompts, scores and new texts, clients that read slowly
// and clients that leave. It goes on until standard input ends, then prints how often each status came, and errors, as JSON.
//
//   node --import tsx test/server-load.ts URL
import { Agent, type IncomingMessage, request } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'

const [url] = process.argv.slice(2)
const connections = 64
const agent = new Agent({ keepAlive: true, maxSockets: connections })

export interface Load {
  /** How often each status came. */
  statuses: Record<string, number>
  /** Messages of what failed and was not meant to. */
  errors: string[]
  /** Requests that were left on purpose. */
  left: number
}
const load: Load = { statuses: {}, errors: [], left: 0 }
let goesOn = true
process.stdin.on('end', () => (goesOn = false)).resume()

/** Numbers from 0 to 1, the same in every run. */
function numbers(seed: number): () => number {
  let state = seed
  return () => {
    state = (state * 48271) % 2147483647
    return state / 2147483647
  }
}

async function client(seed: number): Promise<void> {
  const random = numbers(seed + 1)
  const whole = (from: number, to: number) => Math.floor(from + (to - from) * random())
  while (goesOn) {
    const prompt = 'The sea is wide. '.repeat(whole(1, 40))
    const kind = random()
    // Without a pause the connections would find out how many requests a core can parse: the model under test is tiny.
    await sleep(whole(400, 2000))
    const max_tokens = whole(1, 32)
    if (kind < 0.4)
      await ask('completions', { prompt, ...{ echo: true, logprobs: 1, max_tokens: 1, temperature: 0 } })
    else if (kind < 0.6) await ask('completions', { prompt: [prompt, 'One, two'], max_tokens })
    else if (kind < 0.8) await ask('completions', { prompt, max_tokens, stream: true, logprobs: 2 })
    else if (kind < 0.9)
      await ask('completions', { prompt, max_tokens, stream: true }, { slow: whole(5, 50) })
    else await ask('completions', { prompt, max_tokens: 500, stream: kind < 0.95 }, { leaves: whole(1, 200) })
  }
}

/** @param how slow: ms between pieces that are read; leaves: after so many ms */
async function ask(
  route: string,
  fields: object,
  { slow, leaves }: { slow?: number; leaves?: number } = {},
): Promise<void> {
  const asked = request(`${url}/v1/${route}`, {
    method: 'POST',
    agent,
    headers: { 'content-type': 'application/json' },
  })
  const timer = leaves === undefined ? undefined : setTimeout(() => asked.destroy(), leaves)
  try {
    const response = await new Promise<IncomingMessage>((resolve, reject) => {
      asked.on('response', resolve).on('error', reject).end(JSON.stringify(fields))
    })
    let bytes = 0
    for await (const chunk of response) {
      bytes += (chunk as Buffer).length
      if (slow !== undefined) await sleep(slow)
    }
    if (bytes === 0) load.errors.push(`status ${response.statusCode} without a body`)
    const status = `${response.statusCode}`
    load.statuses[status] = (load.statuses[status] ?? 0) + 1
  } catch (error) {
    if (leaves !== undefined) load.left++
    else if (load.errors.length < 20) load.errors.push(`${error}`)
  } finally {
    clearTimeout(timer)
  }
}

await Promise.all(Array.from({ length: connections }, (_, i) => client(i)))
agent.destroy()
process.stdout.write(JSON.stringify(load))
