// Prints any value as the message of an error shows it.
import { inspect } from 'node:util'

const maxLength = 80

/** Prints a value as JSON where JSON has it, else as Node does, cut to 80 characters. Never throws, whatever the value. */
export function shown(value: unknown): string {
  let text: string
  try {
    text = print(value)
  } catch {
    // A getter of the value, or a trap of its Proxy, has thrown.
    text = `a value of type ${typeof value} that cannot be read`
  }
  return cut(text)
}

/** The first 80 characters of a text, the last three of them dots where it is longer. */
export function cut(text: string): string {
  return text.length > maxLength ? `${text.slice(0, maxLength - 3)}...` : text
}

/** Prints at least the beginning that is shown. What lies beyond is not looked at, so that no size of value costs time. */
function print(value: unknown, room = maxLength): string {
  if (typeof value === 'string') return JSON.stringify(value.slice(0, maxLength + 1))
  if (typeof value === 'bigint') return `${value}n`
  if (Array.isArray(value)) return join('[', value, item => print(item ?? null, room - 1), room, ']')
  if (isPlain(value)) {
    const entry = (name: string) => `${JSON.stringify(name)}:${print(value[name], room - 1)}`
    return join('{', Object.keys(value), entry, room, '}')
  }
  const text = inspect(value, {
    ...{ compact: true, breakLength: Number.POSITIVE_INFINITY, customInspect: false },
    ...{ depth: 1, maxArrayLength: maxLength, maxStringLength: maxLength },
  })
  // Node prints an error with its stack: the first line is the message.
  return text.split('\n', 1)[0]!
}

function join<Item>(
  open: string,
  items: ArrayLike<Item>,
  show: (item: Item) => string,
  room: number,
  close: string,
): string {
  let text = open
  for (let i = 0; i < items.length && text.length <= room; i++) text += (i > 0 ? ',' : '') + show(items[i]!)
  return text + close
}

function isPlain(value: unknown): value is Record<string, unknown> {
  if (typeof value !== 'object' || value === null) return false
  const prototype = Object.getPrototypeOf(value)
  return prototype === null || prototype === Object.prototype
}
