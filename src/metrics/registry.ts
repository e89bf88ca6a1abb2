// Metrics of generated texts by name: exact match, and those that a program registers.
import { PatternProblem, type PythonRegex, pythonRegex } from '../data/python-regex.ts'
import { MtLlamaError } from '../errors.ts'
import { exactMatch } from './exact-match.ts'

/** The flags of a metric's entry in a task file, by name: what YAML holds there. */
export type MetricFlags = Readonly<Record<string, unknown>>

/** A metric of one generated text; its figure is the mean over the samples. */
export interface TextMetric {
  /**
   * Scores a text against one right answer; where there are several the best counts.
   * @returns a finite number, 0 to 1 where tables are to print it in percent
   */
  score(prediction: string, gold: string, flags: MetricFlags): number
  /** The names of the flags that a task file may set. @default none */
  flags?: readonly string[]
}

interface Registered extends TextMetric {
  /** Makes the score function of some flags. @throws FlagProblem */
  prepare(flags: MetricFlags): (prediction: string, gold: string) => number
}

/** The error for a flag that has a wrong value. */
export class FlagProblem extends Error {}

const exactMatchFlags = {
  ignore_case: 'ignoreCase',
  ignore_punctuation: 'ignorePunctuation',
  ignore_numbers: 'ignoreNumbers',
} as const

function prepareExactMatch(flags: MetricFlags): (prediction: string, gold: string) => number {
  const own: {
    -readonly [Name in keyof typeof exactMatchFlags as (typeof exactMatchFlags)[Name]]?: boolean
  } = {}
  for (const [name, key] of Object.entries(exactMatchFlags)) {
    const value = flags[name] ?? false
    if (typeof value !== 'boolean') throw new FlagProblem(`${name} is no true or false`)
    own[key] = value
  }
  const patterns = [flags.regexes_to_ignore ?? []].flat()
  const regexesToIgnore = patterns.map((pattern): PythonRegex => {
    if (typeof pattern !== 'string') throw new FlagProblem('regexes_to_ignore is no list of texts')
    try {
      return pythonRegex(pattern)
    } catch (error) {
      if (error instanceof PatternProblem) throw new FlagProblem(`regexes_to_ignore: ${error.message}`)
      throw error
    }
  })
  return (prediction, gold) => exactMatch(prediction, gold, { ...own, regexesToIgnore })
}

const metrics = new Map<string, Registered>([
  [
    'exact_match',
    {
      flags: [...Object.keys(exactMatchFlags), 'regexes_to_ignore'],
      score: (prediction, gold, flags) => prepareExactMatch(flags)(prediction, gold),
      prepare: prepareExactMatch,
    },
  ],
])

/** The names that have a meaning of their own in task files. */
const taken = [
  'acc',
  'acc_norm',
  'acc_bytes',
  'acc_mutual_info',
  'f1',
  'perplexity',
  'word_perplexity',
  'byte_perplexity',
  'bits_per_byte',
]

/**
 * Registers a metric of generated texts, which task files and defineTask() then name. Scores must depend on the arguments
 * alone: saved samples are judged again without a model.
 * @throws INVALID_ARGUMENT for a name that is there already, or is no word
 */
export function registerMetric(name: string, metric: TextMetric): void {
  if (typeof name !== 'string' || !/^[\p{L}_][\p{L}\p{N}_+-]*$/u.test(name))
    throw new MtLlamaError(
      'INVALID_ARGUMENT',
      `${JSON.stringify(name)} is no name of a metric; expected one word`,
    )
  if (typeof metric?.score !== 'function')
    throw new MtLlamaError('INVALID_ARGUMENT', `metric ${name}: no function score(prediction, gold, flags)`)
  if (metrics.has(name) || taken.includes(name))
    throw new MtLlamaError('INVALID_ARGUMENT', `there is a metric ${name} already`)
  metrics.set(name, {
    ...metric,
    prepare: flags => (prediction, gold) => {
      const score = metric.score(prediction, gold, flags)
      if (Number.isFinite(score)) return score
      throw new MtLlamaError('INVALID_ARGUMENT', `metric ${name} gives ${score}; expected a finite number`)
    },
  })
}

export function textMetric(name: string): Registered | undefined {
  return metrics.get(name)
}

export function textMetricNames(): string[] {
  return [...metrics.keys()]
}
