// The query of a path: the options of a body of lines, checked as fields of a body are.
import { Value } from 'typebox/value'
import { HttpError } from './http-error.ts'
import { checker, type TObject } from './schema.ts'

/** Reads the options by their schema: numbers, true and false as JSON writes them, all else as text. @throws 400 */
export function queryReader(schema: TObject): (query: URLSearchParams) => unknown {
  const check = checker(schema)
  const properties = new Map(Object.entries(schema.properties))
  return query => {
    const options = new Map<string, unknown>()
    for (const [name, text] of query) {
      if (options.has(name)) throw new HttpError(400, `${name} is there twice`, { param: name })
      const property = properties.get(name)
      const isText = property !== undefined && Value.Check(property, text)
      options.set(name, !isText && /^(true|false|-?\d+)$/.test(text) ? JSON.parse(text) : text)
    }
    return check(Object.fromEntries(options))
  }
}

/** @throws 400 for options beside a JSON body, which has them itself: they would be left aside without a word */
export function refuseQuery(query: URLSearchParams): void {
  const [name] = query.keys()
  if (name === undefined) return
  throw new HttpError(400, `${name} is in the query; a JSON body has its options as fields`, { param: name })
}
