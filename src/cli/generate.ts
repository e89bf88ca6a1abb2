// mt-llama generate: texts that go on from prompts, JSONL in and out.
import type { Command } from 'commander'
import type { TooLong } from '../scoring/request.ts'
import { addModelOptions, choice, newCommand } from './command.ts'
import { checkFields, type InputLine, readJsonLines, textOrIds, wrongField } from './input.ts'
import { type Io, printJsonLine } from './io.ts'
import { openModel } from './open-model.ts'
import { startProgress } from './progress.ts'
import { addSamplingOptions, type SamplingOptions, samplingOf } from './sampling.ts'

interface GenerateCommandOptions extends SamplingOptions {
  tooLong: TooLong
}

interface Request {
  id: unknown
  prompt: string | number[]
}

/** Prompts that run at a time; their texts are written when all of them are done. */
const promptsAtOnce = 32

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
  await using model = await openModel(options, io.signal)
  const progress = startProgress('generate', 'prompts', options)
  let done = 0
  const flush = async (batch: Request[]) => {
    const results = await model.generate(
      batch.map(request => request.prompt),
      {
        ...samplingOf(options),
        // A prompt's random stream follows from the seed and its place in the file.
        seed: options.seed + done,
        tooLong: options.tooLong,
        signal: io.signal,
        onProgress: ({ promptsDone, tokensPerSecond }) =>
          progress.update(done + promptsDone, undefined, tokensPerSecond),
      },
    )
    for (const [i, result] of results.entries()) await printJsonLine({ id: batch[i]!.id, ...result })
    done += batch.length
  }
  try {
    let batch: Request[] = []
    // A broken line ends the prompts; those before it are answered first.
    let broken: unknown
    try {
      for await (const line of readJsonLines(file, io.signal)) {
        batch.push(parseRequest(line))
        if (batch.length < promptsAtOnce) continue
        await flush(batch)
        batch = []
      }
    } catch (error) {
      broken = error
    }
    if (batch.length > 0) await flush(batch)
    if (broken !== undefined) throw broken
  } finally {
    progress.stop()
  }
}

function parseRequest(line: InputLine): Request {
  checkFields(line, ['id', 'prompt'])
  const { id, prompt } = line.fields
  if (!textOrIds(prompt)) wrongField(line.where, 'prompt', prompt, 'a text or a list of token ids')
  return { id, prompt }
}
