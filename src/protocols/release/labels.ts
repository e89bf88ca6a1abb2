// Finds the class that a generated answer names, by the tables and the string comparison of the release.
import { strip } from '../../metrics/python-text.ts'
import { quickRatio } from '../../metrics/quick-ratio.ts'

/** What an answer is searched for, with the class each key stands for. The first key that is found wins. */
export type LabelTable = readonly (readonly [key: string, label: number])[]

export interface Extraction {
  /** Index of the class; 0 where no key was found. */
  label: number
  /** Whether no key was found: the release scores such an answer as class 0. */
  failed: boolean
}

/** What was generated: the decoded output after as many code points as the decoded input has. */
export function afterInput(decodedInput: string, decodedOutput: string): string {
  return [...decodedOutput].slice([...decodedInput].length).join('')
}

/**
 * The class that an answer names.
 * @param classes the texts of the classes
 * @param table undefined for the sets whose items have two options of their own, which are compared with the answer
 */
export function extractClass(
  generated: string,
  classes: readonly string[],
  table: LabelTable | undefined,
): Extraction {
  const answer = strip(generated).toLowerCase()
  return table ? byTable(answer, table) : { label: closer(answer, classes), failed: false }
}

/** A key counts wherever it stands in the answer, inside of words too. */
function byTable(answer: string, table: LabelTable): Extraction {
  const found = table.find(([key]) => answer.includes(key))
  return found ? { label: found[1], failed: false } : { label: 0, failed: true }
}

/** The option of two that is more like the answer, the first of equals. */
function closer(answer: string, options: readonly string[]): 0 | 1 {
  const [first, second] = options.map(option => quickRatio(answer, option.toLowerCase()))
  return first! >= second! ? 0 : 1
}
