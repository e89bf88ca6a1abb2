// mt-llama chat: a conversation in the terminal, whose answers are shown as they come; or lines of stdin, answered one by one.
import { createInterface, type Interface } from 'node:readline'
import type { Command } from 'commander'
import type { ChatMessage } from '../chat/chat-template.ts'
import { MtLlamaError } from '../errors.ts'
import type { GenerateResult } from '../generation/options.ts'
import type { Model } from '../model.ts'
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
          "a conversation in the checkpoint's own template; /reset starts over, Ctrl-D leaves",
        ],
        ['chat --model ./mt-llama --template release', "in the released scripts' Human / Assistant form"],
        ['chat --model ./smollm2 --json <<< "What is a vole?"', 'one question, the answer as JSON'],
      ],
    },
  )
  return addSamplingOptions(addModelOptions(command))
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

  if (interactive) note('/reset starts over, Ctrl-C ends an answer, Ctrl-D leaves', options)
  let messages = [...start]
  if (interactive) lines.prompt()
  for await (const line of messagesOf(lines)) {
    if (line === '/reset') messages = [...start]
    else {
      messages.push({ role: 'user', content: line })
      answering = new AbortController()
      const signal = AbortSignal.any([io.signal, answering.signal])
      try {
        messages.push({ role: 'assistant', content: await answer(model, messages, options, signal) })
      } catch (error) {
        if (!interactive || !(error instanceof MtLlamaError && error.code === 'CONTEXT_LENGTH')) throw error
        // The message that failed is taken out of the conversation, so that the next one can be answered.
        messages.pop()
        process.stderr.write(`${inFlags(error, command).message}, or start over with /reset\n`)
      }
      answering = undefined
    }
    if (io.signal.aborted) break
    if (interactive) lines.prompt()
  }
}

/** The lines that hold more than white space. */
async function* messagesOf(lines: Interface): AsyncGenerator<string> {
  for await (const line of lines) if (line.trim() !== '') yield line
}

/** Prints an answer as it comes and returns it. An abort ends it early. */
async function answer(
  model: Model,
  messages: readonly ChatMessage[],
  options: ChatCommandOptions,
  signal: AbortSignal,
): Promise<string> {
  const stream = model.chatStream(messages, { ...samplingOf(options), template: options.template, signal })
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
    if (!(signal.aborted && error.code === 'ABORTED'))
      throw error.reworded(term => (term.kind === 'prompt' ? 'the conversation' : undefined))
  }
  if (options.json) {
    await printJsonLine({
      role: 'assistant',
      content,
      finishReason: result?.finishReason ?? 'aborted',
      tokens: result?.tokens,
    })
  } else await print('\n')
  return content
}
