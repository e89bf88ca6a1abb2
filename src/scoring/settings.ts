// Reads the options that calls on scores have in common, checked, with their defaults.
import { booleanOption, callbackOption, choiceOption, signalOption } from '../calls/options.ts'
import { priorityOption } from '../calls/priority.ts'
import type { EncodeSettings } from './encode.ts'
import { type ScoreOptions, tooLongPolicies } from './request.ts'

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
    tooLong: choiceOption(options, 'tooLong', tooLongPolicies, 'error'),
  }
}

/** How a call runs among others. */
export function callSettings(options: Pick<ScoreOptions, 'priority' | 'signal' | 'onProgress'>) {
  return {
    priority: priorityOption(options),
    signal: signalOption(options),
    onProgress: callbackOption(options, 'onProgress'),
  }
}
