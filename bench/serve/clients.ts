// Runs clients that others wrote against `mt-llama serve` and prints what of each holds. Exits with 1 where something does not.
//
//   node --import tsx bench/serve/clients.ts [openai openai-python langchain curl promptfoo] [--model FILE]
//
// The model needs a chat template (default: SmolLM2-135M of the shared folder). Needs dist/ and peers/setup.sh; promptfoo has an
// install of its own (peers/clients/promptfoo.sh).
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { basename } from 'node:path'
import { createInterface } from 'node:readline'
import { parseArgs } from 'node:util'
import { shared } from '../../test/shared.ts'
import { table } from '../report.ts'
import { peers, python } from '../rival.ts'
import { ServerProcess } from './server.ts'

const folder = `${peers}clients/`
const clients: Record<string, [command: string, file: string]> = {
  openai: [process.execPath, 'openai.js'],
  'openai-python': [python, 'openai_client.py'],
  langchain: [process.execPath, 'langchain.js'],
  curl: ['bash', 'curl.sh'],
  promptfoo: ['bash', 'promptfoo.sh'],
}

const { values: options, positionals } = parseArgs({
  allowPositionals: true,
  options: { model: { type: 'string', default: shared('models', 'smollm2-135m', 'model-q4_1.gguf') } },
})

interface Check {
  what: string
  /** null where it was left out. */
  holds: boolean | null
  note: string
}

const server = await ServerProcess.start(options.model, ['--threads', '1'], 30)
const rows: string[][] = []
try {
  for (const name of positionals.length > 0 ? positionals : Object.keys(clients)) {
    for (const { what, holds, note } of await checksOf(name)) {
      rows.push([name, what, holds === null ? '-' : holds ? 'yes' : 'NO', cell(note)])
      if (holds === false) process.exitCode = 1
    }
  }
} finally {
  await server.stop()
}
console.log(table(['client', 'what', 'holds', 'note'], rows))

async function checksOf(name: string): Promise<Check[]> {
  const [command, file] = clients[name]!
  const child = spawn(command, [folder + file], {
    ...{ stdio: ['ignore', 'pipe', 'inherit'], timeout: 600_000, killSignal: 'SIGKILL' },
    env: { ...process.env, MT_LLAMA_URL: server.url, MT_LLAMA_MODEL: basename(options.model) },
  })
  const ended = once(child, 'exit')
  const checks: Check[] = []
  for await (const line of createInterface({ input: child.stdout! })) checks.push(JSON.parse(line) as Check)
  const [code] = await ended
  if (code !== 0) checks.push({ what: 'ends well', holds: false, note: `it ended with ${code}` })
  return checks
}

function cell(note: string): string {
  return note.replaceAll('\n', '\\n').replaceAll('|', '\\|').slice(0, 80)
}
