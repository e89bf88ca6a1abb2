// mt-llama serve: the model over HTTP.
import { readFile } from 'node:fs/promises'
import { isIPv4 } from 'node:net'
import path from 'node:path'
import { type Command, InvalidArgumentError } from 'commander'
import { pino } from 'pino'
import { MtLlamaError } from '../errors.ts'
import type { Limits } from '../server/route.ts'
import { LlamaServer } from '../server/server.ts'
import { addModelOptions, fileName, integer, type ModelOptions, newCommand } from './command.ts'
import { type Io, note, printJson } from './io.ts'
import { openModel } from './open-model.ts'

interface ServeCommandOptions extends ModelOptions {
  host: string
  port: number
  apiKey?: string
  apiKeyFile?: string
  servedName?: string
  cors?: string
  maxBody: number
  maxPrompts: number
  maxQueue: number
  idleTimeout: number
  logDetails?: boolean
}

export function serveCommand(io: Io): Command {
  const command = newCommand('serve', "The model over HTTP, by OpenAI's API and by one for scores.", {
    json: 'print the address as JSON',
    examples: [
      ['serve --model ./llama', 'on http://127.0.0.1:8080, for this machine alone'],
      [
        'serve --model ./llama --host 0.0.0.0 --api-key-file keys.txt',
        'for others too, who need a key of the file',
      ],
      ['serve --model ./llama --port 0 --quiet', 'on a free port, which stdout names'],
    ],
  })
  return addModelOptions(command)
    .option('--host <address>', 'address to listen on', '127.0.0.1')
    .option('--port <n>', 'port; 0: one that is free', integer(0, 65_535), 8080)
    .option('--api-key <key>', 'clients need it: Authorization: Bearer KEY', key)
    .option('--api-key-file <file>', 'keys, one a line, of which clients need one', fileName)
    .option('--served-name <name>', "the model's name in requests (default: that of its folder or file)")
    .option('--cors <origin>', 'let web pages of this origin call; * for all')
    .option('--max-body <bytes>', 'the largest body of a request', integer(1), 16 * 2 ** 20)
    .option('--max-prompts <n>', 'prompts, texts or documents a request may have', integer(1), 4096)
    .option(
      '--max-queue <tokens>',
      'tokens of requests that wait and run; more are sent away with 429',
      integer(1),
      1_000_000,
    )
    .option(
      '--idle-timeout <seconds>',
      'time in which a body has to be there, and an answer taken',
      integer(1, 86_400),
      60,
    )
    .option('--log-details', 'log messages and places of errors too, which may name paths')
    .action((options: ServeCommandOptions) => run(io, options))
}

async function run(io: Io, options: ServeCommandOptions): Promise<void> {
  const apiKeys = await keysOf(options)
  const { host, port, cors, logDetails } = options
  await using model = await openModel(options, io.signal)
  const server = new LlamaServer(model, {
    ...{ host, port, apiKeys, corsOrigin: cors, limits: limitsOf(options) },
    modelName: options.servedName ?? path.basename(model.info.path),
    log: pino({ level: options.quiet ? 'error' : 'info' }, pino.destination(2)),
    logsDetails: logDetails ?? false,
  })
  const url = await server.listen()
  if (!isLoopback(host) && apiKeys.length === 0)
    note(
      `warning: ${host} may be reached from other machines, and no key is needed (--api-key-file)`,
      options,
    )
  if (options.json) await printJson({ url })
  else process.stdout.write(`${url}\n`)
  io.sayAtStop(() => 'requests that run are answered first')
  await stopped(io.signal)
  io.endWell()
  await server.close()
}

async function keysOf({ apiKey, apiKeyFile }: ServeCommandOptions): Promise<string[]> {
  const own = apiKey === undefined ? [] : [apiKey]
  if (apiKeyFile === undefined) return own
  let text: string
  try {
    text = await readFile(apiKeyFile, 'utf8')
  } catch (error) {
    throw new MtLlamaError('FILE_READ', `${apiKeyFile}: ${(error as NodeJS.ErrnoException).code}.`)
  }
  const keys = text.split('\n').map(line => line.trim())
  const found = keys.filter(line => line !== '')
  if (found.length > 0) return [...own, ...found]
  throw new MtLlamaError('INVALID_ARGUMENT', `${apiKeyFile} has no key; expected one a line.`)
}

function limitsOf({ maxBody, maxPrompts, maxQueue, idleTimeout }: ServeCommandOptions): Limits {
  return { bodyBytes: maxBody, prompts: maxPrompts, queueTokens: maxQueue, idleMs: 1000 * idleTimeout }
}

function key(text: string): string {
  if (text.trim() !== '') return text
  throw new InvalidArgumentError('Expected a key.')
}

function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || (isIPv4(host) && host.startsWith('127.'))
}

/** Until the first Ctrl-C or SIGTERM. */
function stopped(signal: AbortSignal): Promise<void> {
  return new Promise(resolve => {
    if (signal.aborted) resolve()
    else signal.addEventListener('abort', () => resolve(), { once: true })
  })
}
