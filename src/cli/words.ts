// Puts the library's errors into the words of the command line: options by their flags.
import type { Command } from 'commander'
import { type MtLlamaError, oneOf } from '../errors.ts'

/** @param command the command that ran; undefined where none has begun */
export function inFlags(error: MtLlamaError, command: Command | undefined): MtLlamaError {
  const optionOf = (name: string) => {
    const own = name === 'constraint' ? constraintFlag(command) : name
    return command?.options.find(option => option.attributeName() === own)
  }
  return error.reworded(term => {
    if (term.kind === 'option') {
      const flag = optionOf(term.name)?.long
      return flag && (term.value === undefined ? flag : `${flag} ${term.value}`)
    }
    if (term.kind !== 'remedy') return undefined
    const option = optionOf(term.option)
    if (!option) return ''
    const values = term.values.filter(value => option.argChoices?.includes(value) ?? true)
    return `, or give ${option.long} ${oneOf(values)}`
  })
}

/** Which of the options that make a constraint was given. */
function constraintFlag(command: Command | undefined): string {
  return command?.opts().regex === undefined ? 'jsonSchema' : 'regex'
}
