// The multilingual sets of the release: their languages, in its order, and the means over them.

/** The languages that a set is scored in. */
export const languages = {
  xnli: ['en', 'zh', 'es', 'de', 'ar', 'ur', 'ru', 'bg', 'el', 'fr', 'hi', 'sw', 'th', 'tr', 'vi'],
  pawsx: ['en', 'de', 'es', 'fr', 'ja', 'ko', 'zh'],
  xcopa: ['et', 'ht', 'id', 'it', 'qu', 'sw', 'ta', 'th', 'tr', 'vi', 'zh'],
  xwinograd: ['en', 'fr', 'jp', 'pt', 'ru', 'zh'],
  xstorycloze: ['en', 'ru', 'zh', 'es', 'ar', 'hi', 'id', 'te', 'sw', 'eu', 'my'],
  'marc-2': ['en', 'es', 'fr', 'de', 'ja', 'zh'],
  'marc-5': ['en', 'es', 'fr', 'de', 'ja', 'zh'],
  xquad: ['en', 'ar', 'de', 'el', 'es', 'hi', 'ru', 'th', 'tr', 'vi', 'zh', 'ro'],
  mlqa: ['en', 'es', 'de', 'ar', 'hi', 'vi', 'zh'],
  tydiqa: ['en', 'ar', 'bn', 'fi', 'id', 'ko', 'ru', 'sw', 'te'],
} as const satisfies Record<string, readonly string[]>

export type MultilingualSet = keyof typeof languages

/** The languages whose scores the mean is made of: all of them, but for XQuAD's Romanian, which was added after the others. */
export function averagedLanguages(set: MultilingualSet): readonly string[] {
  return set === 'xquad' ? languages.xquad.filter(language => language !== 'ro') : languages[set]
}

/**
 * The mean of a score over the languages of a set, added in the release's order.
 * @param scores one number for each language that was run
 * @returns undefined where a language of the mean is missing: a mean of the others would be another figure
 */
export function languageAverage(
  set: MultilingualSet,
  scores: ReadonlyMap<string, number>,
): number | undefined {
  const averaged = averagedLanguages(set)
  let sum = 0
  for (const language of averaged) {
    const score = scores.get(language)
    if (score === undefined) return undefined
    sum += score
  }
  return sum / averaged.length
}
