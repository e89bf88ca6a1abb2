// mt-llama chat: a conversation in the terminal, whose answers are shown as they come; or lines of stdin, answered one by one.
import { createInterface, type Interface } from 'node:readline'
import type { Command } from 'commander'
import type { ChatMessage } from '../chat/chat-template.ts'
import type { ChatOptions } from '../chat/options.ts'
import { type ErrorCode, MtLlamaError } from '../errors.ts'
import type { GenerateResult } from '../generation/options.ts'
import type { Model } from '../model.ts'
import { Conversation, chatHelp, runChatCommand } from './chat-commands.ts'
import { addModelOptions, choice, newCommand } from './command.ts'
import { type Io, note, print, printJsonLine } from './io.ts'
import { openTextModel } from './open-model.ts'
import { addSamplingOptions, type SamplingOptions, samplingOf } from './sampling.ts'
import { inFlags } from './words.ts'

interface ChatCommandOptions extends SamplingOptions {
  template: 'checkpoint' | 'release'
  system?: string
}

export function chatCommand(io: Io): Command {
  const command = newCommand(
    'chat',
    'Talk with a model: each line is a message, answers appear as they come.',
    {
      json: 'print one JSON object per answer instead of its text as it comes',
      examples: [
        [
          'chat --model ./smollm2',
          "a conversation in the checkpoint's own template; /help shows what there is beside messages",
        ],
        ['chat --model ./mt-llama --template release', "in the released scripts' Human / Assistant form"],
        ['chat --model ./smollm2 --json <<< "What is a vole?"', 'one question, the answer as JSON'],
      ],
    },
  )
  return addSamplingOptions(addModelOptions(command))
    .addHelpText('after', `\nIn a conversation:\n${chatHelp.replace(/^/gm, '  ')}`)
    .addOption(
      choice('--template <name>', "the checkpoint's chat template, or the released Human / Assistant form", [
        'checkpoint',
        'release',
      ]).default('checkpoint'),
    )
    .option('--system <text>', 'system message at the start')
    .action((options: ChatCommandOptions, command: Command) => run(io, options, command))
}

async function run(io: Io, options: ChatCommandOptions, command: Command): Promise<void> {
  io.sayAtStop(() => 'the conversation ends')
  const sampling = { ...(await samplingOf(options)), template: options.template }
  await using model = await openTextModel(options, io.signal)
  const start: ChatMessage[] =
    options.system === undefined ? [] : [{ role: 'system', content: options.system }]
  // A template that cannot render is found before the user types the first message.
  const { template } = options
  model.applyChatTemplate([...start, { role: 'user', content: '' }], { template })
  const interactive = process.stdin.isTTY === true && process.stdout.isTTY === true
  const lines = createInterface({
    input: process.stdin,
    ...(interactive && { output: process.stdout, prompt: '> ' }),
  })
  let answering: AbortController | undefined
  // Ctrl-C ends the answer that is running; at the prompt it ends the program.
  const interrupt = () => (answering ? answering.abort() : process.kill(process.pid, 'SIGINT'))
  lines.on('SIGINT', interrupt)
  io.signal.addEventListener('abort', () => lines.close(), { once: true })

  if (interactive) note('/help shows commands, Ctrl-C ends an answer, Ctrl-D leaves', options)
  else if (process.stdin.isTTY)
    note('reading messages from the terminal, a line each; Ctrl-D ends them', options)
  const conversation = new Conversation(start)
  if (interactive) lines.prompt()
  for await (const line of messagesOf(lines)) {
    answering = new AbortController()
    const signal = AbortSignal.any([io.signal, answering.signal])
    try {
      const kind = await runChatCommand(line, conversation)
      if (kind === 'exit') break
      if (kind === 'message') await answer(model, conversation, line, options, { ...sampling, signal })
    } catch (error) {
      if (!interactive || !(error instanceof MtLlamaError && forgiven.includes(error.code))) throw error
      const wayOut = error.code === 'CONTEXT_LENGTH' ? ', or start over with /reset' : ''
      process.stderr.write(`${inFlags(error, command).message}${wayOut}\n`)
    }
    answering = undefined
    if (io.signal.aborted) break
    if (interactive) lines.prompt()
  }
  lines.close()
}

/** Errors after which a person may go on with something else. */
const forgiven: readonly ErrorCode[] = ['CONTEXT_LENGTH', 'OUTPUT']

/** The lines that hold more than white space. */
async function* messagesOf(lines: Interface): AsyncGenerator<string> {
  for await (const line of lines) if (line.trim() !== '') yield line
}

/** Prints the answer to a message as it comes, and adds both to the conversation. An abort ends the answer early. */
async function answer(
  model: Model,
  conversation: Conversation,
  message: string,
  options: ChatCommandOptions,
  asked: ChatOptions & { signal: AbortSignal },
): Promise<void> {
  const messages: ChatMessage[] = [...conversation.messages, { role: 'user', content: message }]
  const stream = model.chatStream(messages, asked)
  let content = ''
  let result: GenerateResult | undefined
  try {
    for (let next = await stream.next(); ; next = await stream.next()) {
      if (next.done) {
        result = next.value
        break
      }
      content += next.value
      if (!options.json) await print(next.value)
    }
  } catch (error) {
    if (!(error instanceof MtLlamaError)) throw error
    if (!(asked.signal.aborted && error.code === 'ABORTED'))
      throw error.reworded(term => (term.kind === 'prompt' ? 'the conversation' : undefined))
  }
  if (options.json) {
    await printJsonLine({
      role: 'assistant',
      content,
      finishReason: result?.finishReason ?? 'aborted',
      tokens: result?.tokens,
      seed: result?.seed,
    })
  } else {
    await print('\n')
    if (result?.finishReason === 'length') note(`(cut at --max-tokens ${options.maxTokens})`, options)
    if (result?.finishReason === 'context') note('(cut, as the context is full; /reset starts over)', options)
  }
  conversation.messages = [...messages, { role: 'assistant', content }]
}
