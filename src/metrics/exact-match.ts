// Exact match with the flags of lm-evaluation-harness (exact_match of the library evaluate): what is ignored is taken out of
// both texts first, in this order: patterns, case, punctuation, digits.
import type { PythonRegex } from '../data/python-regex.ts'

export interface ExactMatchFlags {
  regexesToIgnore?: readonly PythonRegex[]
  ignoreCase?: boolean
  ignorePunctuation?: boolean
  ignoreNumbers?: boolean
}

/** Python's string.punctuation and string.digits. */
const punctuation = /[!-/:-@[-`{-~]/g
const digits = /[0-9]/g

/** 1 where the texts are equal, 0 otherwise. */
export function exactMatch(prediction: string, gold: string, flags: ExactMatchFlags): number {
  return Number(bare(prediction, flags) === bare(gold, flags))
}

function bare(text: string, flags: ExactMatchFlags): string {
  const { regexesToIgnore = [], ignoreCase, ignorePunctuation, ignoreNumbers } = flags
  let left = text
  for (const regex of regexesToIgnore) left = regex.replace(left, () => '')
  if (ignoreCase) left = left.toLowerCase()
  if (ignorePunctuation) left = left.replace(punctuation, '')
  return ignoreNumbers ? left.replace(digits, '') : left
}
