// The filters of task files, which take the answer out of a generated text (lm-evaluation-harness, lm_eval/filters).
import { PatternProblem, pythonRegex } from '../../data/python-regex.ts'
import { strip } from '../../metrics/python-text.ts'
import type { FilterEntry } from '../../tasks/yaml/definition.ts'
import type { YamlValue } from '../../tasks/yaml/yaml-value.ts'

/** What a text comes to: undefined where the filter has a fallback, and takes it since nothing was found. */
export interface Filtered {
  text: string
  /** Set where no answer was found and the fallback stands for it. */
  failed?: true
}

export interface Filter {
  name: string
  apply(text: string): Filtered
}

type Options = ReadonlyMap<string, YamlValue>
type Step = (text: string) => Filtered
interface StepMaker {
  options: readonly string[]
  make(options: Options, value: YamlValue): Step
}

const plain = (change: (text: string) => string): StepMaker => ({
  options: [],
  make: () => text => ({ text: change(text) }),
})

const steps: Readonly<Record<string, StepMaker>> = {
  // There is one answer a sample.
  take_first: plain(text => text),
  remove_whitespace: plain(strip),
  lowercase: plain(text => text.toLowerCase()),
  uppercase: plain(text => text.toUpperCase()),
  regex: { options: ['regex_pattern', 'group_select', 'fallback'], make: regexStep },
  map: { options: ['mapping_dict', 'default_value'], make: mapStep },
}

/** @throws TASK for a filter or an option that is not known */
export function makeFilter({ name, steps: entries }: FilterEntry): Filter {
  const made = entries.map(({ name: called, value, options }) => {
    const maker = Object.hasOwn(steps, called) ? steps[called] : undefined
    if (!maker)
      throw value.error(
        `unknown filter ${JSON.stringify(called)}; there are ${Object.keys(steps).join(', ')}`,
      )
    for (const [key, option] of options)
      if (!maker.options.includes(key))
        throw option.error(
          `filter ${called} has no option "${key}"; it has ${maker.options.join(', ') || 'none'}`,
        )
    return maker.make(options, value)
  })
  return {
    name,
    apply(text) {
      let result: Filtered = { text }
      for (const step of made) {
        const { text: next, failed } = step(result.text)
        result = failed || result.failed ? { text: next, failed: true } : { text: next }
      }
      return result
    },
  }
}

/** Takes one of the pattern's matches: its first group that took part, where it has several. */
function regexStep(options: Options): Step {
  const pattern = options.get('regex_pattern')
  const select = options.get('group_select')
  const place = select?.plain() ?? 0
  if (!Number.isSafeInteger(place)) throw select!.error('group_select is no whole number')
  const fallback = options.get('fallback')?.text('fallback') ?? '[invalid]'
  const regex = compiled(pattern)
  return text => {
    const all = regex.matches(text)
    if (all.length === 0) return { text: fallback, failed: true }
    const match = all.at(place as number)
    // Python fails at such a place; an answer that is not there is none.
    if (!match || ((place as number) >= 0 && (place as number) >= all.length))
      return { text: fallback, failed: true }
    const groups = match.slice(1)
    const found =
      groups.length <= 1 ? (groups.length === 0 ? match[0] : (groups[0] ?? '')) : groups.find(Boolean)
    return found === undefined ? { text: fallback, failed: true } : { text: strip(found) }
  }
}

function compiled(pattern: YamlValue | undefined) {
  const source = pattern?.text('regex_pattern') ?? '#### (\\-?[0-9\\.\\,]+)'
  try {
    return pythonRegex(source)
  } catch (error) {
    if (!(error instanceof PatternProblem) || !pattern) throw error
    throw pattern.error(`regex_pattern ${error.message}`)
  }
}

function mapStep(options: Options, value: YamlValue): Step {
  const mapping = options.get('mapping_dict')
  if (!mapping) throw value.error('filter map needs a mapping_dict')
  const entries = mapping.entries('mapping_dict')
  const words = new Map(
    [...entries].map(([key, to]) => [key, to.text(`mapping_dict of ${JSON.stringify(key)}`)]),
  )
  const other = options.get('default_value')
  if (!other || other.isNull)
    throw value.error(
      'filter map needs a default_value, the text that stands for what is not in mapping_dict',
    )
  const fallback = other.text('default_value')
  return text => {
    const found = words.get(text)
    return found === undefined ? { text: fallback, failed: true } : { text: found }
  }
}
