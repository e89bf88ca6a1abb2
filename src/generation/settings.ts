// Reads the options of a generation, checked, with their defaults.

import { randomInt } from 'node:crypto'
import {
  booleanOption,
  callbackOption,
  integerOption,
  numberOption,
  optionName,
  optionOf,
  signalOption,
  textsOption,
  wrongOption,
} from '../calls/options.ts'
import { type Priority, priorityOption } from '../calls/priority.ts'
import { readIds } from '../calls/text.ts'
import type { NativeSampling } from '../native/types.ts'
import type { EncodeSettings } from '../scoring/encode.ts'
import { promptSettings } from '../scoring/settings.ts'
import { type AdjustmentSettings, adjustmentSettings } from './adjustment-settings.ts'
import { type ReadConstraint, readConstraint } from './constraint/option.ts'
import type { GenerateOptions, GenerateProgress } from './options.ts'

export interface GenerateSettings {
  encoding: Omit<EncodeSettings, 'boundary'>
  maxTokens: number
  /** Texts of each prompt. */
  n: number
  stopIds: ReadonlySet<number>
  stop: readonly string[]
  skipSpecialTokens: boolean
  allowNan: boolean
  sampling: NativeSampling
  /** What changes logits; undefined where nothing does. */
  adjusting: AdjustmentSettings | undefined
  /** What texts must be; undefined where that is free. */
  constraint: ReadConstraint | undefined
  /** How many alternatives of each token are reported. */
  topLogProbs: number
  priority: Priority
  signal: AbortSignal | undefined
  /** Whether texts end at the signal where they are. */
  partialOnAbort: boolean
  onProgress: ((progress: GenerateProgress) => void) | undefined
}

/** What a call without options does, as far as that is not the same for all. */
export interface GenerateDefaults {
  /** The ids that end a text. */
  stopIds: readonly number[]
  maxTokens: number
}

/** @throws INVALID_ARGUMENT, TOKEN_OUT_OF_RANGE */
export function generateSettings(
  options: GenerateOptions,
  defaults: GenerateDefaults,
  vocabSize: number,
): GenerateSettings {
  const temperature = numberOption(options, 'temperature', 0, 1000, 0)
  const n = integerOption(options, 'n', 1, maxTexts, 1)
  if (n > 1 && temperature === 0)
    throw wrongOption('n', n, 'a temperature above 0 with it: greedy texts of a prompt are all the same')
  return {
    encoding: promptSettings(options),
    maxTokens: integerOption(options, 'maxTokens', 1, 2 ** 31 - 1, defaults.maxTokens),
    n,
    stopIds: new Set(stopIdsOf(options, vocabSize) ?? defaults.stopIds),
    stop: textsOption(options, 'stop'),
    skipSpecialTokens: booleanOption(options, 'skipSpecialTokens', true),
    allowNan: booleanOption(options, 'allowNan', false),
    sampling: {
      temperature,
      topK: integerOption(options, 'topK', 0, vocabSize, 0),
      topP: topPOf(options),
      minP: numberOption(options, 'minP', 0, 1, 0),
      seed: integerOption(options, 'seed', 0, Number.MAX_SAFE_INTEGER, randomInt(maxDrawnSeed)),
    },
    adjusting: adjustmentSettings(options, vocabSize),
    constraint: constraintOf(options),
    topLogProbs: integerOption(options, 'topLogProbs', 0, vocabSize, 0),
    priority: priorityOption(options),
    signal: signalOption(options),
    partialOnAbort: booleanOption(options, 'partialOnAbort', false),
    onProgress: callbackOption(options, 'onProgress'),
  }
}

function constraintOf(options: GenerateOptions): ReadConstraint | undefined {
  const value: unknown = optionOf(options, 'constraint', undefined)
  return value === undefined ? undefined : readConstraint(value)
}

function stopIdsOf(options: GenerateOptions, vocabSize: number): Int32Array | undefined {
  const value = optionOf(options, 'stopIds', undefined)
  const name = optionName('stopIds')
  return value === undefined ? undefined : readIds(value, name, vocabSize)
}

/** Texts of one prompt, as OpenAI's API has it. */
const maxTexts = 128

/** The most that randomInt() takes. */
const maxDrawnSeed = 2 ** 48 - 1

/** Native computes in float32, whose smallest number keeps the best token alone, as everything below it would. */
const minTopP = 2 ** -126

function topPOf(options: GenerateOptions): number {
  const value = optionOf(options, 'topP', 1)
  if (typeof value === 'number' && value > 0 && value <= 1) return Math.max(value, minTopP)
  throw wrongOption('topP', value, 'a number above 0, at most 1')
}
