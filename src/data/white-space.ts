// White space as Python has it, for str and for `\s` of its re: U+001C-U+001F and U+0085 are, unlike JavaScript's,
// and U+FEFF is none.

/** The characters of white space, written so that they can stand inside a character class. */
export const pythonSpace =
  '\\t-\\r\\x1c-\\x20\\x85\\xa0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000'

/** Matches one run of white space. */
export const pythonSpaces = new RegExp(`[${pythonSpace}]+`, 'u')
