// The labels of a classification.
import { optionOf, wrongOption } from '../calls/options.ts'
import { reading } from '../calls/reading.ts'
import { isRecord } from '../data/record.ts'
import { shown } from '../data/shown.ts'
import { MtLlamaError } from '../errors.ts'

/** A label by its name, or one whose word in the prompts, `text`, is another than its name. */
export type Label = string | { readonly name: string; readonly text?: string }

export interface ReadLabel {
  name: string
  text: string
}

/** @throws INVALID_ARGUMENT for fewer labels than `least`, for one that is none, or for one that is there twice */
export function readLabels(options: { readonly labels: readonly Label[] }, least: 1 | 2): ReadLabel[] {
  const given: unknown = optionOf(options, 'labels', undefined)
  return reading('labels', () => {
    if (!Array.isArray(given)) throw wrongOption('labels', given, 'an array of labels')
    const labels = Array.from(given, readLabel)
    if (labels.length === 0) throw invalid('labels is empty; expected at least two, or one with multiLabel')
    if (labels.length < least)
      throw invalid(
        `labels holds ${shown(labels[0]!.name)} alone, which would be the answer to every text; add another, or set multiLabel`,
      )
    for (const field of ['name', 'text'] as const) checkApart(labels, field)
    return labels
  })
}

function readLabel(label: unknown, index: number): ReadLabel {
  const { name, text = name } = isRecord(label) ? label : { name: label }
  if (isWord(name) && isWord(text)) return { name, text }
  throw invalid(
    `label ${index} is ${shown(label)}; expected a text that is not empty, or { name, text } of such texts`,
  )
}

function isWord(value: unknown): value is string {
  return typeof value === 'string' && value !== ''
}

function checkApart(labels: readonly ReadLabel[], field: keyof ReadLabel): void {
  const index = labels.findIndex((label, i) => labels.findIndex(other => other[field] === label[field]) < i)
  if (index < 0) return
  const value = labels[index]![field]
  throw invalid(`label ${index} has the ${field} ${shown(value)} of another label; leave one of them out`)
}

function invalid(what: string): MtLlamaError {
  return new MtLlamaError('INVALID_ARGUMENT', what)
}
