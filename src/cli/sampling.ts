// The options of generation that the commands generate and chat share.
import { type Command, InvalidArgumentError, Option } from 'commander'
import { integer, type ModelOptions, number, share } from './command.ts'

export interface SamplingOptions extends ModelOptions {
  maxTokens: number
  stop: string[]
  temperature: number
  topK: number
  topP: number
  minP: number
  seed?: number
}

export function addSamplingOptions(command: Command): Command {
  return command
    .option('--max-tokens <n>', 'most new tokens', integer(1, 2 ** 31 - 1), 128)
    .addOption(
      new Option('--stop <text>', 'end at this text; may be given several times')
        .argParser((text, list: string[]) => [...list, notEmpty(text)])
        .default([], 'none'),
    )
    .option('--temperature <t>', '0: greedy', number(0, 1000), 0)
    .option('--top-k <n>', 'sample among the n best tokens; 0: all', integer(0), 0)
    .option('--top-p <p>', 'sample among the fewest tokens whose probabilities reach p', share, 1)
    .option(
      '--min-p <p>',
      'sample among tokens at least p times as likely as the best; 0: all',
      number(0, 1),
      0,
    )
    .option('--seed <n>', 'of the sampling (default: random, and part of each result)', integer(0))
}

function notEmpty(text: string): string {
  if (text === '') throw new InvalidArgumentError('Expected a text that is not empty.')
  return text
}

export function samplingOf({ maxTokens, stop, temperature, topK, topP, minP, seed }: SamplingOptions) {
  return { maxTokens, stop, temperature, topK, topP, minP, ...(seed !== undefined && { seed }) }
}
