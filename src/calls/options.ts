// Reads the options of a call: each once, with its default, and an error names it, what it is and what it may be.
// undefined stands for the default; null is refused like any other value of a wrong kind.
import { shown } from '../data/shown.ts'
import { type Message, MtLlamaError, message } from '../errors.ts'
import { reading } from './reading.ts'

/** Options of which `Name` is one that may hold a `Value`. */
type With<Name extends string, Value> = { readonly [N in Name]?: Value | undefined }

/** The names of a call's options. The compiler sees that they are those of the type, each one. */
export function optionNames<Options>(names: Readonly<Record<keyof Options, true>>): readonly string[] {
  return Object.keys(names)
}

/**
 * @param names of optionNames()
 * @throws INVALID_ARGUMENT for what holds no options, or one of another name
 */
export function checkOptions(options: unknown, names: readonly string[]): void {
  const isArray = () => Array.isArray(options)
  if (typeof options !== 'object' || options === null || reading('options', isArray))
    throw new MtLlamaError('INVALID_ARGUMENT', `options is ${shown(options)}; expected an object, or nothing`)
  const unknown = reading('options', () => Object.keys(options)).find(name => !names.includes(name))
  if (unknown !== undefined)
    throw new MtLlamaError(
      'INVALID_ARGUMENT',
      `unknown option ${shown(unknown)}; there are ${names.join(', ')}`,
    )
}

/** @throws INVALID_ARGUMENT naming the choices */
export function choiceOption<Name extends string, Choice extends string>(
  options: With<Name, string>,
  name: Name,
  choices: readonly Choice[],
  fallback: NoInfer<Choice>,
): Choice {
  return checkChoice(name, optionOf(options, name, fallback), choices)
}

/** @throws INVALID_ARGUMENT naming the choices */
export function checkChoice<Choice extends string>(
  name: string,
  value: unknown,
  choices: readonly Choice[],
): Choice {
  if ((choices as readonly unknown[]).includes(value)) return value as Choice
  throw wrongOption(name, value, `one of ${choices.map(choice => `'${choice}'`).join(', ')}`)
}

/** @throws INVALID_ARGUMENT naming the range */
export function integerOption<Name extends string>(
  options: With<Name, number>,
  name: Name,
  min: number,
  max: number,
  fallback: number,
): number {
  const value = optionOf(options, name, fallback)
  if (Number.isInteger(value) && value >= min && value <= max) return value
  throw wrongOption(name, value, `an integer from ${min} to ${max}`)
}

/** @throws INVALID_ARGUMENT naming the range */
export function numberOption<Name extends string>(
  options: With<Name, number>,
  name: Name,
  min: number,
  max: number,
  fallback: number,
): number {
  const value = optionOf(options, name, fallback)
  if (typeof value === 'number' && value >= min && value <= max) return value
  throw wrongOption(name, value, `a number from ${min} to ${max}`)
}

/** @throws INVALID_ARGUMENT */
export function booleanOption<Name extends string, Fallback extends boolean | undefined>(
  options: With<Name, boolean>,
  name: Name,
  fallback: Fallback,
): boolean | Fallback {
  const value = optionOf(options, name, fallback)
  if (value === fallback || typeof value === 'boolean') return value
  throw wrongOption(name, value, 'true or false')
}

/** The names of a call's options where it has but a signal. */
export const signalOptionNames = optionNames<{ signal: AbortSignal }>({ signal: true })

/** @throws INVALID_ARGUMENT for anything but an AbortSignal or undefined */
export function signalOption(options: With<'signal', AbortSignal>): AbortSignal | undefined {
  const value = optionOf(options, 'signal', undefined)
  // What merely has its prototype throws when it is asked.
  const isSignal = () => value instanceof AbortSignal && typeof value.aborted === 'boolean'
  if (value === undefined || reading(optionName('signal'), isSignal)) return value
  throw wrongOption('signal', value, 'an AbortSignal')
}

/** @throws INVALID_ARGUMENT for anything but a function or undefined */
export function callbackOption<Name extends string, Progress>(
  options: With<Name, (progress: Progress) => void>,
  name: Name,
): ((progress: Progress) => void) | undefined {
  const value = optionOf(options, name, undefined)
  if (value === undefined || typeof value === 'function') return value
  throw wrongOption(name, value, 'a function')
}

/** Texts, or one of them; a copy. @throws INVALID_ARGUMENT */
export function textsOption<Name extends string>(
  options: With<Name, string | readonly string[]>,
  name: Name,
): string[] {
  const given: unknown = optionOf(options, name, [])
  const value = typeof given === 'string' ? [given] : given
  return reading(optionName(name), () => {
    if (!Array.isArray(value)) throw wrongOption(name, value, 'a text or an array of texts')
    return Array.from(value, (text: unknown) => {
      if (typeof text === 'string' && text !== '') return text
      throw new MtLlamaError(
        'INVALID_ARGUMENT',
        message`${optionName(name)} holds ${shown(text)}; expected texts that are not empty`,
      )
    })
  })
}

/** The value as it was given, unchecked. @param fallback in the place of undefined */
export function optionOf<Name extends string, Value, Fallback>(
  options: With<Name, Value>,
  name: Name,
  fallback: Fallback,
): Value | Fallback {
  const value = reading(
    () => optionName(name),
    () => options[name],
  )
  return value === undefined ? fallback : value
}

export function wrongOption(name: string, value: unknown, expected: string): MtLlamaError {
  return new MtLlamaError(
    'INVALID_ARGUMENT',
    message`${optionName(name)} is ${shown(value)}; expected ${expected}`,
  )
}

export function optionName(name: string): Message {
  return message`${{ kind: 'option', name }}`
}
