// Reads the options of a generation, checked, with their defaults.

import { checkInteger, checkNumber } from '../calls/checks.ts'
import { MtLlamaError, message } from '../errors.ts'
import type { NativeSampling } from '../native/types.ts'
import type { GenerateOptions } from './options.ts'

export interface GenerateSettings {
  maxTokens: number
  stopIds: ReadonlySet<number>
  stop: readonly string[]
  skipSpecialTokens: boolean
  sampling: NativeSampling
}

/** @param eosTokenIds what ends a text by default */
export function generateSettings(
  options: GenerateOptions,
  eosTokenIds: readonly number[],
  vocabSize: number,
): GenerateSettings {
  const { maxTokens = 128, stopIds = eosTokenIds, stop = [], skipSpecialTokens = true } = options
  const { temperature = 0, topK = 0, topP = 1, seed = 0 } = options
  checkArray('stop', stop, 'texts')
  checkArray('stopIds', stopIds, 'token ids')
  for (const text of stop)
    if (typeof text !== 'string' || text === '')
      throw new MtLlamaError(
        'INVALID_ARGUMENT',
        message`${{ kind: 'option', name: 'stop' }} holds ${JSON.stringify(text)}; expected texts that are not empty`,
      )
  return {
    maxTokens: checkInteger('maxTokens', maxTokens, 1, 2 ** 31 - 1),
    stopIds: new Set(stopIds),
    ...{ stop: [...stop], skipSpecialTokens },
    sampling: {
      temperature: checkNumber('temperature', temperature, 0, 1000),
      topK: checkInteger('topK', topK, 0, vocabSize),
      topP: checkShare('topP', topP),
      seed: checkInteger('seed', seed, 0, Number.MAX_SAFE_INTEGER),
    },
  }
}

function checkShare(name: string, value: number): number {
  if (typeof value === 'number' && value > 0 && value <= 1) return value
  throw new MtLlamaError(
    'INVALID_ARGUMENT',
    message`${{ kind: 'option', name }} is ${value}; expected a number above 0, at most 1`,
  )
}

function checkArray(name: string, value: unknown, of: string): void {
  if (Array.isArray(value)) return
  throw new MtLlamaError(
    'INVALID_ARGUMENT',
    message`${{ kind: 'option', name }} is ${JSON.stringify(value)}; expected an array of ${of}`,
  )
}
