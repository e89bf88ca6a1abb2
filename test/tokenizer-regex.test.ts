// Patterns of tokenizer.json in JavaScript: what each matches (as Oniguruma does), and what is refused.
import assert from 'node:assert/strict'
import { translateRegex } from '../src/tokenizer/regex.ts'

describe('tokenizer patterns', () => {
  const rows: [pattern: string, text: string, matches: string[]][] = [
    ['\\s+', 'a \t\u0085\u2028b\ufeff', [' \t\u0085\u2028']],
    ['\\S+', 'a\ufeff \u0085b', ['a\ufeff', 'b']],
    ['[^\\s\\p{L}]+', 'a\ufeff1\u0085', ['\ufeff1']],
    ['\\w+', 'añ_1\u0301-٣', ['añ_1\u0301', '٣']],
    ['\\W', 'a-\u20dd', ['-']],
    ['\\d\\D', '1a٣b½c', ['1a', '٣b']],
    ["(?i:'s|'t|'re|'k)", "'S 'ſ 'RE 's 'K", ["'S", "'ſ", "'RE", "'s", "'K"]],
    ["'(?i:[sdmt]|ll)S", "'sS 'LLS 'ss", ["'sS", "'LLS"]],
    ['a(?i)b|C', 'aB c Ab', ['aB', 'c']],
    ['(?:a|ab)++c', 'aac abc', ['aac']],
    ['[^\\r\\n\\p{L}]?+\\p{L}+', ' a1b\nc', [' a', '1b', 'c']],
    ['(?>a|ab)c', 'abc ac', ['ac']],
    ['\\p{N}{1,3}', '12345', ['123', '45']],
    ['x{,2}y', 'xxxy', ['xxy']],
    ['(?:\\p{N}{2})+', '12345', ['1234']],
    ['\\p{N}{2}+', '12345', ['1234']],
    ['\\p{Han}+|\\p{Greek}', '中文αβ', ['中文', 'α', 'β']],
    ['\\p{^L}+|\\P{N}', 'a12b', ['a', '12', 'b']],
    ['[一-龥]+|[a\\-\\]]+', '中a-]', ['中', 'a-]']],
    ['[]a]+', ']a', [']a']],
    ['[\\t-\\r]+|[!-\\\\]+', '\t\n\r-A\\', ['\t\n\r', '-A\\']],
    ['.+', 'a\u2028b\nc\r', ['a\u2028b', 'c\r']],
    ['^.|.$', 'ab\ncd', ['a', 'b', 'c', 'd']],
    ['\\x41\\u0042[\\x{43}-\\x{44}]', 'ABC ABE', ['ABC']],
    ["\\'\\!/", "'!/", ["'!/"]],
    ['a(?=b)|(?<!a)b|(?<=b)c', 'ab bc', ['a', 'b', 'c']],
    ['a{b}', 'a{b}', ['a{b}']],
    ['😀+', '😀😀', ['😀😀']],
  ]
  for (const [pattern, text, matches] of rows) {
    it(`${pattern} in ${JSON.stringify(text)}`, () => {
      assert.deepEqual(text.match(translateRegex(pattern, 'x')), matches)
    })
  }

  const refused: [pattern: string, reason: RegExp][] = [
    ['\\bfoo', /\\b has no equal/],
    ['\\1', /\\1 has no equal/],
    ['(?<name>a)', /opens a group of an unknown kind/],
    ['(?x: a)', /opens a group of an unknown kind/],
    ['[a[b]]', /a class inside a class/],
    ['[[:alpha:]]', /a class inside a class/],
    ['[a-z&&b]', /an intersection of classes/],
    ['[\\W]', /\\W inside a class/],
    ['(?i:[a-z])', /a range in a group that ignores case/],
    ['(?i:\\p{Lu})', /\\p\{Lu\} in a group that ignores case/],
    ['\\p{Nothing}', /\\p\{Nothing\} is unknown/],
    ['[a-\\w]', /\\w has no equal/],
    ['[a-\\p{L}]', /a range that ends in a class/],
    ['(a', /a group is not closed/],
    ['a)', /unmatched \)/],
    ['[a', /it ends too early/],
    ['+a', /nothing to repeat/],
    ['[b-a]', /Range out of order/],
  ]
  for (const [pattern, reason] of refused) {
    it(`${pattern} is refused`, () => {
      assert.throws(
        () => translateRegex(pattern, 'tokenizer.json'),
        (error: { code: string; message: string }) => {
          assert.equal(error.code, 'TOKENIZER')
          assert.ok(
            error.message.startsWith(`tokenizer.json: pattern ${JSON.stringify(pattern)} is not supported: `),
          )
          assert.match(error.message, reason)
          return true
        },
      )
    })
  }
})
