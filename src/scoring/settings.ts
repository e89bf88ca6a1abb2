// Reads the options of a call that say how texts become tokens, checked, with their defaults.
import { booleanOption, choiceOption } from '../calls/options.ts'
import type { EncodeSettings } from './encode.ts'
import type { ScoreOptions } from './request.ts'

export function encodeSettings(
  options: Pick<ScoreOptions, 'boundary' | 'addBos' | 'parseSpecial' | 'tooLong'>,
): EncodeSettings {
  const boundary = choiceOption(options, 'boundary', ['joint', 'harness', 'separate'], 'joint')
  return { boundary, ...promptSettings(options) }
}

/** What a prompt by itself needs. */
export function promptSettings(
  options: Pick<ScoreOptions, 'addBos' | 'parseSpecial' | 'tooLong'>,
): Omit<EncodeSettings, 'boundary'> {
  return {
    addBos: booleanOption(options, 'addBos', undefined),
    parseSpecial: booleanOption(options, 'parseSpecial', true),
    tooLong: choiceOption(options, 'tooLong', ['error', 'truncate-left', 'truncate-right', 'skip'], 'error'),
  }
}
