// mt-llama generate: texts that go on from prompts, JSONL in and out.
import type { Command } from 'commander'
import { textOrIds } from '../lines/input-line.ts'
import { type TooLong, tooLongPolicies } from '../scoring/request.ts'
import { addModelOptions, choice, integer, newCommand } from './command.ts'
import { chooseInput } from './input.ts'
import type { Io } from './io.ts'
import { addLineOptions, answerLines, type LineOptions, withLines } from './json-lines.ts'
import { openModel } from './open-model.ts'
import { addSamplingOptions, type SamplingOptions, samplingOf } from './sampling.ts'

interface GenerateCommandOptions extends SamplingOptions, LineOptions {
  prompt?: string
  tooLong: TooLong
  topLogProbs: number
}

export function generateCommand(io: Io): Command {
  const command = newCommand('generate', 'Texts that go on from prompts, JSONL in and out.', {
    json: 'the output is JSONL in any case; this makes an error on stderr JSON too',
    examples: [
      ['generate --model ./llama --prompt "Once upon a time"', 'one prompt, without a file'],
      [
        `generate prompts.jsonl --model ./llama --stop $'\\n' > texts.jsonl`,
        'a file of {"prompt": ...}; each text ends at a newline',
      ],
      [
        `generate --model ./llama --temperature 0.8 --seed 7 <<< '{"id": "a", "prompt": "Once upon a time"}'`,
        'sampled, from stdin',
      ],
      [
        `generate --model ./llama --prompt "Is a vole a mammal? " --regex 'yes|no'`,
        'one of two answers; --json-schema FILE for JSON',
      ],
      [
        'generate prompts.jsonl --model ./llama --out texts.jsonl --on-error skip --resume',
        'a long run: errors become lines, and the same command again goes on where it was stopped',
      ],
    ],
  })
  return addLineOptions(addSamplingOptions(addModelOptions(command)))
    .argument('[file]', 'JSONL file of prompts; - or nothing: stdin')
    .option('--prompt <text>', 'the one prompt, in the place of a file')
    .option('--top-log-probs <k>', 'add the k best tokens in the place of each new one', integer(0), 0)
    .addOption(
      choice('--too-long <policy>', 'prompts that leave no room in the context', tooLongPolicies).default(
        'error',
      ),
    )
    .action((file: string | undefined, options: GenerateCommandOptions, command: Command) =>
      run(io, file, options, command),
    )
}

async function run(
  io: Io,
  file: string | undefined,
  options: GenerateCommandOptions,
  command: Command,
): Promise<void> {
  const { prompt, tooLong, topLogProbs } = options
  const sampling = await samplingOf(options)
  const input = await chooseInput(file, prompt === undefined ? undefined : { prompt })
  const answerFields = ['text', 'truncatedTokens']
  await withLines(io, input, { options, command, answerFields }, async job => {
    await using model = await openModel(options, io.signal)
    await answerLines(job, {
      ...{ label: 'generate', counted: 'prompts', fields: ['prompt'] },
      example: '{"prompt": "Once upon a time"}',
      parse: line => line.read('prompt', textOrIds),
      ask: (prompts, { onWrong, onProgress }) =>
        model.generateOrSkip(
          prompts,
          {
            ...sampling,
            ...{ tooLong, topLogProbs, signal: io.signal },
            onProgress: ({ promptsDone, promptsTotal, promptsPlanned, ...tokens }) =>
              onProgress({ done: promptsDone, total: promptsTotal, planned: promptsPlanned, ...tokens }),
          },
          onWrong,
        ),
      show: result => result,
    })
  })
}
