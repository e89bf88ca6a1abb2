// Means over the languages of a data set.
import { languageSets } from '../tasks/built-in/registry.ts'
import type { LanguageSet } from '../tasks/language-set.ts'
import type { LanguageMean, RunResults } from './results.ts'

/**
 * The means of the sets that have results in all languages of the mean, by the set's name. A set that lacks one of them has
 * none: over fewer languages it would be another figure.
 */
export function languageMeans(tasks: RunResults['tasks']): Record<string, LanguageMean> {
  const means: Record<string, LanguageMean> = {}
  for (const set of languageSets) {
    const mean = languageMean(set, tasks)
    if (mean) means[set.name] = mean
  }
  return means
}

function languageMean(
  { title, tasks, averaged }: LanguageSet,
  done: RunResults['tasks'],
): LanguageMean | undefined {
  const results = averaged.flatMap(language => done[tasks.get(language)!.name] ?? [])
  if (results.length < averaged.length) return undefined
  const { headline, decimals, metrics } = results[0]!
  // The languages are added in the set's order, as the released scripts do it.
  const mean = (name: string) =>
    results.reduce((sum, result) => sum + result.metrics[name]!.value, 0) / results.length
  return {
    ...{ title, headline, decimals },
    status: results.every(({ status }) => status === 'complete') ? 'complete' : 'partial',
    languages: averaged,
    metrics: Object.fromEntries(
      Object.keys(metrics)
        .filter(name => results.every(result => result.metrics[name]))
        .map(name => [name, { value: mean(name) }]),
    ),
  }
}
