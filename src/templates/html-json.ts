// The filter tojson as Jinja itself has it: JSON that may stand inside HTML. Chat templates have another one.

import { toJson } from './json.ts'
import type { Filter } from './runtime.ts'
import { indentOf } from './text-filters.ts'

const escapes: Record<string, string> = { '<': '\\u003c', '>': '\\u003e', '&': '\\u0026', "'": '\\u0027' }

export const tojson: Filter = (value, args, { budget }) => {
  const [indent = null] = args.bind('tojson', ['indent'])
  const text = toJson(
    value,
    {
      ensureAscii: true,
      indent: indentOf(indent, budget),
      separators: [indent === null ? ', ' : ',', ': '],
      sortKeys: true,
    },
    budget,
  )
  budget.make(text.length)
  return text.replace(/[<>&']/g, c => escapes[c]!)
}
