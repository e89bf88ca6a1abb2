// Templates that put an item into a prompt: a text with {placeholders}, or the caller's own function.
import { optionName, wrongOption } from '../calls/options.ts'
import { reading } from '../calls/reading.ts'
import { shown } from '../data/shown.ts'
import { MtLlamaError, message } from '../errors.ts'

/** A prompt, given the values of the placeholders. */
export type Printed = (...values: readonly string[]) => string

/**
 * @param names of the placeholders; each has to be in a text
 * @throws INVALID_ARGUMENT, now for what is no template, later for what a function throws or gives
 */
export function readTemplate(template: unknown, names: readonly string[]): Printed {
  if (typeof template === 'function') return printedBy(template as (...values: readonly string[]) => unknown)
  const expected = names.map(name => `{${name}}`).join(' and ')
  if (typeof template !== 'string')
    throw wrongOption('template', template, `a text with ${expected}, or a function`)
  const found = [...template.matchAll(placeholders)].map(([, name]) => name!)
  if (names.some(name => !found.includes(name)) || found.some(name => !names.includes(name)))
    throw wrongOption('template', template, `a text with ${expected} and no other placeholder, or a function`)
  return (...values) => template.replace(placeholders, (_, name: string) => values[names.indexOf(name)]!)
}

const placeholders = /\{(\w+)\}/g

function printedBy(template: (...values: readonly string[]) => unknown): Printed {
  return (...values) => {
    const where = () => message`${optionName('template')}, given ${values.map(shown).join(' and ')},`
    const prompt = reading(where, () => template(...values))
    if (typeof prompt === 'string') return prompt
    throw new MtLlamaError('INVALID_ARGUMENT', message`${where()} gives ${shown(prompt)}; expected a text`)
  }
}

/** A word as a continuation of the prompt: there is white space between them, a space where neither brings any. */
export function following(prompt: string, word: string): string {
  return prompt === '' || /\s$/.test(prompt) || /^\s/.test(word) ? word : ` ${word}`
}
