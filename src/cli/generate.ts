// mt-llama generate: texts that go on from prompts, JSONL in and out.
import type { Command } from 'commander'
import type { TooLong } from '../scoring/request.ts'
import { addModelOptions, choice, newCommand } from './command.ts'
import { checkInput, type InputLine, textOrIds } from './input.ts'
import type { Io } from './io.ts'
import { answerJsonLines } from './json-lines.ts'
import { openModel } from './open-model.ts'
import { startProgress } from './progress.ts'
import { addSamplingOptions, type SamplingOptions, samplingOf } from './sampling.ts'

interface GenerateCommandOptions extends SamplingOptions {
  tooLong: TooLong
}

export function generateCommand(io: Io): Command {
  const command = newCommand('generate', 'Texts that go on from prompts, JSONL in and out.', {
    json: 'the output is JSONL in any case; this makes an error on stderr JSON too',
    examples: [
      [
        `generate prompts.jsonl --model ./llama --stop $'\\n' > texts.jsonl`,
        'a file of {"prompt": ...}; each text ends at a newline',
      ],
      [
        `generate --model ./llama --temperature 0.8 --seed 7 <<< '{"id": "a", "prompt": "Once upon a time"}'`,
        'sampled, from stdin',
      ],
    ],
  })
  return addSamplingOptions(addModelOptions(command))
    .argument('[file]', 'JSONL file of prompts; - or nothing: stdin')
    .addOption(
      choice('--too-long <policy>', 'prompts that leave no room in the context', [
        'error',
        'truncate-left',
        'truncate-right',
        'skip',
      ]).default('error'),
    )
    .action((file: string | undefined, options: GenerateCommandOptions) => run(io, file, options))
}

async function run(io: Io, file: string | undefined, options: GenerateCommandOptions): Promise<void> {
  await checkInput(file)
  await using model = await openModel(options, io.signal)
  const progress = startProgress('generate', 'prompts', options)
  await answerJsonLines(io, file, {
    parse: parsePrompt,
    ask: prompts =>
      model.generateEach(prompts, {
        ...samplingOf(options),
        ...{ tooLong: options.tooLong, signal: io.signal },
        onProgress: ({ promptsDone, promptsTotal, tokensPerSecond }) =>
          progress.update(promptsDone, promptsTotal, tokensPerSecond),
      }),
    show: result => result,
  }).finally(progress.stop)
}

function parsePrompt(line: InputLine): string | number[] {
  line.checkNames(['id', 'prompt'])
  return line.read('prompt', textOrIds)
}
