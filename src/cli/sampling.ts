// The options of generation that the commands generate and chat share.
import { type Command, InvalidArgumentError, Option } from 'commander'
import { integer, type ModelOptions, number, share } from './command.ts'
import { addConstraintOptions, type ConstraintOptions, constraintOf } from './constraint.ts'

export interface SamplingOptions extends ModelOptions, ConstraintOptions {
  maxTokens: number
  stop: string[]
  temperature: number
  topK: number
  topP: number
  minP: number
  repetitionPenalty: number
  presencePenalty: number
  frequencyPenalty: number
  logitBias: ReadonlyMap<number, number>
  seed?: number
}

export function addSamplingOptions(command: Command): Command {
  const sampled = command
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
    .option(
      '--repetition-penalty <f>',
      'divides positive logits of tokens that are there already, prompt included, and multiplies negative ones',
      number(0.01, 100),
      1,
    )
    .option(
      '--presence-penalty <x>',
      'taken from logits of tokens that the answer has already',
      number(-2, 2),
      0,
    )
    .option('--frequency-penalty <x>', 'the same, as many times as it has the token', number(-2, 2), 0)
    .addOption(
      new Option(
        '--logit-bias <id=x>',
        "added to a token's logit, -100 to 100; -Infinity bans it; may be given several times",
      )
        .argParser((text, biases: ReadonlyMap<number, number>) => new Map([...biases, logitBias(text)]))
        .default(new Map(), 'none'),
    )
    .option('--seed <n>', 'of the sampling (default: random, and part of each result)', integer(0))
  return addConstraintOptions(sampled)
}

/** The range of ids is the model's, which checks it. */
function logitBias(text: string): [number, number] {
  const [, id, bias = ''] = /^(\d+)=(\S+)$/.exec(text) ?? []
  const value = Number(bias)
  if (bias !== '' && ((value >= -100 && value <= 100) || value === Number.NEGATIVE_INFINITY))
    return [Number(id), value]
  throw new InvalidArgumentError('Expected ID=X, X being a number from -100 to 100, or -Infinity.')
}

function notEmpty(text: string): string {
  if (text === '') throw new InvalidArgumentError('Expected a text that is not empty.')
  return text
}

/** The options of generate(). @throws DATA_NOT_FOUND, DATA_INVALID for the file of --json-schema */
export async function samplingOf(options: SamplingOptions) {
  const { maxTokens, stop, temperature, topK, topP, minP, seed } = options
  const { repetitionPenalty, presencePenalty, frequencyPenalty, logitBias } = options
  return {
    ...{ maxTokens, stop, temperature, topK, topP, minP, ...(seed !== undefined && { seed }) },
    ...{ repetitionPenalty, presencePenalty, frequencyPenalty, logitBias },
    ...(await constraintOf(options)),
  }
}
