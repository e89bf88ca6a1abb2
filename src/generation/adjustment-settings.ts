// Reads the options that change logits, checked, with their defaults.

import { numberOption, optionName, optionOf, wrongOption } from '../calls/options.ts'
import { reading } from '../calls/reading.ts'
import { shown } from '../data/shown.ts'
import { MtLlamaError, message } from '../errors.ts'
import type { GenerateOptions } from './options.ts'

export interface AdjustmentSettings {
  /** 1 is off. */
  repetitionPenalty: number
  /** 0 is off. */
  presencePenalty: number
  /** 0 is off. */
  frequencyPenalty: number
  /** Addends by token id. */
  logitBias: ReadonlyMap<number, number>
}

/**
 * Undefined where no logit is to change.
 * @throws INVALID_ARGUMENT, TOKEN_OUT_OF_RANGE
 */
export function adjustmentSettings(
  options: GenerateOptions,
  vocabSize: number,
): AdjustmentSettings | undefined {
  const settings = {
    repetitionPenalty: numberOption(options, 'repetitionPenalty', 0.01, 100, 1),
    presencePenalty: numberOption(options, 'presencePenalty', -2, 2, 0),
    frequencyPenalty: numberOption(options, 'frequencyPenalty', -2, 2, 0),
    logitBias: logitBiasOf(options, vocabSize),
  }
  const { repetitionPenalty, presencePenalty, frequencyPenalty, logitBias } = settings
  const isOff =
    repetitionPenalty === 1 && presencePenalty === 0 && frequencyPenalty === 0 && logitBias.size === 0
  return isOff ? undefined : settings
}

function logitBiasOf(options: GenerateOptions, vocabSize: number): Map<number, number> {
  const value: unknown = optionOf(options, 'logitBias', {})
  const entries = reading(optionName('logitBias'), (): [unknown, unknown][] => {
    if (value instanceof Map) return [...value]
    if (typeof value !== 'object' || value === null || Array.isArray(value))
      throw wrongOption('logitBias', value, 'a Map or an object of numbers, by token ids')
    return Object.entries(value).map(([id, bias]) => [/^(0|[1-9]\d*)$/.test(id) ? Number(id) : id, bias])
  })
  const biases = new Map<number, number>()
  for (const [id, bias] of entries) {
    if (typeof id !== 'number' || !Number.isInteger(id) || id < 0 || id >= vocabSize)
      throw new MtLlamaError(
        'TOKEN_OUT_OF_RANGE',
        message`${optionName('logitBias')} has ${shown(id)}; expected token ids from 0 to ${vocabSize - 1}`,
      )
    if (typeof bias !== 'number' || !((bias >= -100 && bias <= 100) || bias === Number.NEGATIVE_INFINITY))
      throw new MtLlamaError(
        'INVALID_ARGUMENT',
        message`${optionName('logitBias')} of token ${id} is ${shown(bias)}; expected a number from -100 to 100, or -Infinity`,
      )
    biases.set(id, bias)
  }
  const banned = [...biases.values()].filter(bias => bias === Number.NEGATIVE_INFINITY)
  if (banned.length === vocabSize)
    throw new MtLlamaError(
      'INVALID_ARGUMENT',
      message`${optionName('logitBias')} bans all ${vocabSize} tokens; expected it to leave one at least`,
    )
  return biases
}
