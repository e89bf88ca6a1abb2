// mt-llama score: log-likelihoods of continuations, JSONL in and out.
import type { Command } from 'commander'
import { notFiniteCause } from '../calls/not-finite.ts'
import { kind, list } from '../data/fields.ts'
import { MtLlamaError, message } from '../errors.ts'
import {
  type ContinuationScore,
  type ScoreRequest,
  type TooLong,
  tooLongPolicies,
} from '../scoring/request.ts'
import type { BoundaryRule } from '../tokenizer/boundary.ts'
import { addModelOptions, choice, integer, type ModelOptions, newCommand } from './command.ts'
import { chooseInput, type InputLine, textOrIds } from './input.ts'
import type { Io } from './io.ts'
import { addLineOptions, answerLines, type LineOptions, withLines } from './json-lines.ts'
import { openModel } from './open-model.ts'

interface ScoreCommandOptions extends ModelOptions, LineOptions {
  prompt?: string
  continuation?: string[]
  boundary: BoundaryRule
  tooLong: TooLong
  topK: number
  allowNan?: boolean
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
    ],
  })
  return addLineOptions(addModelOptions(command))
    .argument('[file]', 'JSONL file of requests; - or nothing: stdin')
    .option('--prompt <text>', 'the prompt of one request, in the place of a file')
    .option(
      '--continuation <text>',
      'with --prompt: a text to score after it; may be given again',
      (text, before: string[] = []) => [...before, text],
    )
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
    .action((file: string | undefined, options: ScoreCommandOptions, command: Command) =>
      run(io, file, options, command),
    )
}

async function run(
  io: Io,
  file: string | undefined,
  options: ScoreCommandOptions,
  command: Command,
): Promise<void> {
  const { boundary, tooLong, topK, allowNan = false } = options
  const input = await chooseInput(file, requestOf(options))
  const answerFields = ['continuations', 'truncatedTokens']
  await withLines(io, input, { options, command, answerFields }, async job => {
    await using model = await openModel(options, io.signal)
    await answerLines(job, {
      ...{ label: 'score', counted: 'requests', fields: ['prompt', 'continuations'] },
      example: '{"prompt": "The sky is", "continuations": [" blue"]}',
      parse: parseRequest,
      ask: (requests, { onWrong, onProgress }) =>
        model.scoreOrSkip(
          requests,
          {
            ...{ boundary, tooLong, topK, signal: io.signal },
            onProgress: ({ requestsDone, requestsTotal, requestsPlanned, ...tokens }) =>
              onProgress({ done: requestsDone, total: requestsTotal, planned: requestsPlanned, ...tokens }),
          },
          onWrong,
        ),
      show: ({ continuations, truncatedTokens, skipped }, index) => {
        if (!allowNan) checkFinite(continuations, index, model.info.dtype)
        return { continuations, truncatedTokens, skipped }
      },
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

const continuationList = kind(
  'a list of texts or of lists of token ids, at least one',
  (value): value is (string | number[])[] => list.is(value) && value.length > 0 && value.every(textOrIds.is),
)

function parseRequest(line: InputLine): ScoreRequest {
  const prompt = line.read('prompt', textOrIds)
  const continuations = line.read('continuations', continuationList)
  const empty = continuations.findIndex(continuation => continuation.length === 0)
  if (empty >= 0)
    throw line.wrong(`continuations[${empty}]`, 'at least one character or id', continuations[empty])
  return { prompt, continuations }
}

/** JSON has no NaN: JSON.stringify() would print null without a word. @throws SCORE_NOT_FINITE */
function checkFinite(continuations: readonly ContinuationScore[], request: number, dtype: string): void {
  const index = continuations.findIndex(
    ({ logLikelihood, topAlternatives = [] }) =>
      !Number.isFinite(logLikelihood) ||
      topAlternatives.flat().some(({ logProb }) => !Number.isFinite(logProb)),
  )
  if (index < 0) return
  throw new MtLlamaError(
    'SCORE_NOT_FINITE',
    message`${{ kind: 'request', index: request }}, continuation ${index}: a log-probability is NaN or infinite. ${notFiniteCause(dtype)}; ${{ kind: 'option', name: 'allowNan' }} prints null for such a number and goes on.`,
  )
}
