// mt-llama score: log-likelihoods of continuations, JSONL in and out.
import type { Command } from 'commander'
import { MtLlamaError, message } from '../errors.ts'
import type { Shard } from '../files/shard.ts'
import { scoreAnswerFields, scoreAnswering } from '../lines/score-lines.ts'
import { type TooLong, tooLongPolicies } from '../scoring/request.ts'
import type { BoundaryRule } from '../tokenizer/boundary.ts'
import { addModelOptions, choice, integer, type ModelOptions, newCommand, shardOf } from './command.ts'
import { chooseInput } from './input.ts'
import type { Io } from './io.ts'
import { addLineOptions, answerLines, type LineOptions, withLines } from './json-lines.ts'
import { openModel } from './open-model.ts'
import { scoreShard } from './score-shard.ts'

export interface ScoreOptions {
  boundary: BoundaryRule
  tooLong: TooLong
  topK: number
  allowNan?: boolean
}

interface ScoreCommandOptions extends ModelOptions, LineOptions, ScoreOptions {
  prompt?: string
  continuation?: string[]
  shard?: Shard
}

export function scoreCommand(io: Io): Command {
  const command = newCommand('score', 'Log-likelihoods of continuations, JSONL in and out.', {
    json: 'the output is JSONL in any case; this makes an error on stderr JSON too',
    examples: [
      [
        'score --model ./llama --prompt "The sky is" --continuation " blue" --continuation " green"',
        'one request, without a file; a word that follows begins with its space',
      ],
      [
        'score requests.jsonl --model ./llama > scores.jsonl',
        'a file of {"prompt": ..., "continuations": [...]}',
      ],
      [
        `score --model ./llama --quiet <<< '{"id": 1, "prompt": "The sky is", "continuations": [" blue", " green"]}'`,
        'from stdin; "id" comes back as it is',
      ],
      [
        'score requests.jsonl --model ./llama --out scores.jsonl --on-error skip --resume',
        'a long run: errors become lines, and the same command again goes on where it was stopped',
      ],
      [
        'score requests.jsonl --model ./llama --shard 3/8 --out ./scores',
        'the third of eight parts, which may run anywhere and twice; mt-llama merge ./scores joins them',
      ],
    ],
  })
  return addScoreOptions(addLineOptions(addModelOptions(command)))
    .argument('[file]', 'JSONL file of requests; - or nothing: stdin')
    .option('--prompt <text>', 'the prompt of one request, in the place of a file')
    .option(
      '--continuation <text>',
      'with --prompt: a text to score after it; may be given again',
      (text, before: string[] = []) => [...before, text],
    )
    .option(
      '--shard <i/n>',
      'answer the i-th of n parts of the file, counted from 1; --out is a folder then, whose shards merge joins; both may be s3://...',
      shardOf,
    )
    .action((file: string | undefined, options: ScoreCommandOptions, command: Command) =>
      run(io, file, options, command),
    )
}

/** Adds the options that decide answers beside the model. */
export function addScoreOptions(command: Command): Command {
  return command
    .addOption(
      choice('--boundary <rule>', 'where a continuation begins', ['joint', 'harness', 'separate']).default(
        'joint',
      ),
    )
    .addOption(
      choice('--too-long <policy>', 'requests longer than the context', tooLongPolicies).default('error'),
    )
    .option('--top-k <n>', 'best alternatives to report per token', integer(0), 0)
    .option('--allow-nan', 'print null for a log-probability that is NaN or infinite; else it is an error')
}

async function run(
  io: Io,
  file: string | undefined,
  options: ScoreCommandOptions,
  command: Command,
): Promise<void> {
  const { boundary, tooLong, topK, allowNan = false } = options
  const settings = { boundary, tooLong, topK, allowNan }
  const request = requestOf(options)
  if (options.shard)
    return scoreShard(io, request ? '-' : file, options.shard, { options, settings, command })
  const input = await chooseInput(file, request)
  const answerFields = scoreAnswerFields
  await withLines(io, input, { options, command, answerFields }, async job => {
    await using model = await openModel(options, io.signal)
    await answerLines(job, {
      ...{
        label: 'score',
        counted: 'requests',
        example: '{"prompt": "The sky is", "continuations": [" blue"]}',
      },
      ...scoreAnswering(model, settings, io.signal),
    })
  })
}

/** The request that stands on the command line. @throws INVALID_ARGUMENT where only a part of it does */
function requestOf({
  prompt,
  continuation: continuations,
}: ScoreCommandOptions): Record<string, unknown> | undefined {
  if (prompt === undefined && continuations === undefined) return undefined
  if (prompt !== undefined && continuations !== undefined) return { prompt, continuations }
  throw new MtLlamaError(
    'INVALID_ARGUMENT',
    message`${{ kind: 'option', name: 'prompt' }} and ${{ kind: 'option', name: 'continuation' }} make a request together; give both.`,
  )
}
