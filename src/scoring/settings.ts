// Reads the options of a call, checked, with their defaults.
import { checkChoice } from '../calls/checks.ts'
import type { EncodeSettings } from './encode.ts'
import type { ScoreOptions, TooLong } from './request.ts'

const boundaries = ['joint', 'harness', 'separate'] as const
const policies = ['error', 'truncate-left', 'truncate-right', 'skip'] as const

export function encodeSettings(
  options: Pick<ScoreOptions, 'boundary' | 'addBos' | 'parseSpecial' | 'tooLong'>,
): EncodeSettings {
  const { boundary = 'joint', addBos, parseSpecial = true, tooLong = 'error' } = options
  return {
    boundary: checkChoice('boundary', boundary, boundaries),
    ...{ addBos, parseSpecial },
    tooLong: checkChoice<TooLong>('tooLong', tooLong, policies),
  }
}
