// The environment of Jinja that task files are written for: names that are not there fail, the last line break is printed,
// and there is a filter regex_replace (lm-evaluation-harness, utils.py).
import { PatternProblem, pythonRegex, pythonReplacement } from '../../data/python-regex.ts'
import { type Environment, plainEnvironment } from '../../templates/environment.ts'
import type { Filter } from '../../templates/runtime.ts'
import { TemplateError, typeName } from '../../templates/values.ts'

const regexReplace: Filter = (value, args, { budget }) => {
  const [pattern, by, count = 0n] = args.bind('regex_replace', ['pattern', 'repl', 'count'], 2)
  for (const text of [value, pattern, by])
    if (typeof text !== 'string')
      throw new TemplateError(`expected string or bytes-like object, got '${typeName(text!)}'`)
  if (typeof count !== 'bigint') throw new TemplateError(`'${typeName(count)}' object is no count`)
  try {
    const regex = pythonRegex(pattern as string)
    const text = regex.replace(value as string, pythonReplacement(by as string, regex), Number(count))
    budget.make(text.length)
    return text
  } catch (error) {
    if (!(error instanceof PatternProblem)) throw error
    throw new TemplateError(error.message, 'ValueError')
  }
}

export const taskEnvironment: Environment = {
  ...plainEnvironment,
  whiteSpace: { ...plainEnvironment.whiteSpace, keepTrailingNewline: true },
  isStrict: true,
  filters: new Map([...plainEnvironment.filters, ['regex_replace', regexReplace]]),
}
