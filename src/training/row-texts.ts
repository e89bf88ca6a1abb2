// The texts of a row, and their words without case, punctuation and the spaces that tokenisers put into contractions.

/** Every text of a row, those inside lists and objects too, in order. */
export function* textsOf(value: unknown): Generator<string> {
  if (typeof value === 'string') yield value
  else if (Array.isArray(value)) for (const item of value) yield* textsOf(item)
  else if (typeof value === 'object' && value !== null)
    for (const item of Object.values(value)) yield* textsOf(item)
}

/** "do n't" and "it 's", as the Penn Treebank writes "don't" and "it's". */
const splitContraction = /\s+(n['’]t|['’](?:s|re|ve|ll|d|m))(?![\p{L}\p{N}])/gu
/** Scripts that put no spaces between words: each character counts as a word. */
const unspaced =
  /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Thai}\p{Script=Lao}\p{Script=Khmer}\p{Script=Myanmar}]/gu
const word = /[\p{L}\p{M}\p{N}]+/gu

/** @returns the words in lower case, made of letters, marks and digits alone: "Don't!" is "dont" */
export function wordsOf(text: string): string[] {
  if (ascii.test(text)) return wordsOfAscii(text)
  const plain = text
    .normalize('NFKC')
    .toLowerCase()
    .replace(splitContraction, '$1')
    .replace(/(?<=\p{L})['’](?=\p{L})/gu, '')
    .replace(unspaced, ' $& ')
  return plain.match(word) ?? []
}

const ascii = /^[\0-\x7f]*$/

/** The same for most texts, five times as fast. */
function wordsOfAscii(text: string): string[] {
  const lower = text.toLowerCase()
  const plain = lower.includes("'")
    ? lower.replace(/\s+(n't|'(?:s|re|ve|ll|d|m))(?![a-z0-9])/g, '$1').replace(/(?<=[a-z])'(?=[a-z])/g, '')
    : lower
  return plain.match(/[a-z0-9]+/g) ?? []
}
