// Patterns of tokenizer.json (Oniguruma's syntax, Ruby's flavour) as JavaScript regular expressions of equal meaning.
import { shown } from '../data/shown.ts'
import { tokenizerError } from './field.ts'

/** White space as Unicode and Rust have it; JavaScript's \s has U+FEFF more and U+0085 less. */
const whiteSpace = '\\p{White_Space}'
const wordClass = '\\p{Alphabetic}\\p{M}\\p{Nd}\\p{Pc}'
/** Class escapes by letter: inside brackets, then by themselves. */
const classEscapes: Record<string, [inside: string | undefined, alone: string]> = {
  s: [whiteSpace, whiteSpace],
  S: ['\\P{White_Space}', '\\P{White_Space}'],
  d: ['\\p{Nd}', '\\p{Nd}'],
  D: ['\\P{Nd}', '\\P{Nd}'],
  w: [wordClass, `[${wordClass}]`],
  W: [undefined, `[^${wordClass}]`],
}
const controlCharacters: Record<string, string> = {
  r: '\r',
  n: '\n',
  t: '\t',
  f: '\f',
  v: '\v',
  a: '\x07',
  e: '\x1b',
}
const groupOpenings = ['(?:', '(?=', '(?!', '(?<=', '(?<!']
/** Letters that fold to an ASCII letter besides its two cases. */
const foldsTo: Record<string, string> = { s: '\u017F', k: '\u212A' }

/**
 * @param file named in the error
 * @returns with flags g and u
 * @throws TOKENIZER for a construct that has no equal here
 */
export function translateRegex(pattern: string, file: string): RegExp {
  try {
    return new RegExp(new Translator(pattern).translate(), 'gu')
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause)
    throw tokenizerError(file, `pattern ${shown(pattern)} is not supported: ${reason}`, { cause })
  }
}

interface Group {
  /** Where the group begins in the output. */
  start: number
  /** What was in force outside it. */
  ignoreCase: boolean
  atomic: boolean
}

/** One pass over the pattern; `out` grows, `atom` is where the last repeatable thing in it begins. */
class Translator {
  readonly #characters: string[]
  #at = 0
  #out = ''
  #atom = -1
  #ignoreCase = false
  #atomicGroups = 0
  readonly #groups: Group[] = []

  constructor(pattern: string) {
    this.#characters = [...pattern]
  }

  translate(): string {
    while (this.#at < this.#characters.length) this.#next()
    if (this.#groups.length > 0) throw new SyntaxError('a group is not closed')
    return this.#out
  }

  #next(): void {
    const c = this.#characters[this.#at]!
    if (c === '(') this.#open()
    else if (c === ')') this.#close()
    else if ('*+?'.includes(c) || this.#interval() !== undefined) this.#quantifier()
    else {
      this.#at++
      if (c === '|') {
        this.#out += c
        this.#atom = -1
      } else this.#emit(this.#single(c))
    }
  }

  /** What matches one character, or a place between two. */
  #single(c: string): string {
    if (c === '[') return this.#class()
    if (c === '\\') return this.#escape()
    if (c === '.') return '[^\\n]'
    if (c === '^') return '(?<![^\\n])'
    if (c === '$') return '(?![^\\n])'
    return this.#literal(c)
  }

  #emit(atom: string): void {
    this.#atom = this.#out.length
    this.#out += atom
  }

  #open(): void {
    const group = { start: this.#out.length, ignoreCase: this.#ignoreCase, atomic: false }
    const rest = this.#characters.slice(this.#at, this.#at + 4).join('')
    const opening = groupOpenings.find(o => rest.startsWith(o))
    if (opening !== undefined) {
      this.#out += opening
      this.#at += opening.length
    } else if (rest === '(?i:') {
      this.#ignoreCase = true
      this.#out += '(?:'
      this.#at += 4
    } else if (rest === '(?i)') {
      // Holds to the end of the enclosing group, which restores what was in force before it.
      this.#ignoreCase = true
      this.#at += 4
      return
    } else if (rest.startsWith('(?>')) {
      group.atomic = true
      this.#out += '(?:'
      this.#at += 3
    } else if (rest.startsWith('(?')) {
      throw new SyntaxError(`${rest} opens a group of an unknown kind`)
    } else {
      this.#out += '(?:'
      this.#at++
    }
    this.#groups.push(group)
  }

  #close(): void {
    const group = this.#groups.pop()
    if (group === undefined) throw new SyntaxError('unmatched )')
    this.#at++
    this.#out += ')'
    this.#ignoreCase = group.ignoreCase
    this.#atom = group.start
    if (group.atomic) this.#makeAtomic()
  }

  /** A lookahead does not give back what it matched: JavaScript's spelling of an atomic group. */
  #makeAtomic(): void {
    const name = `a${this.#atomicGroups++}`
    this.#out = `${this.#out.slice(0, this.#atom)}(?:(?=(?<${name}>${this.#out.slice(this.#atom)}))\\k<${name}>)`
  }

  #interval(): string | undefined {
    return /^\{(\d+(,\d*)?|,\d+)\}/.exec(this.#characters.slice(this.#at, this.#at + 16).join(''))?.[0]
  }

  #quantifier(): void {
    if (this.#atom < 0) throw new SyntaxError('nothing to repeat')
    const interval = this.#interval()
    const text = interval ?? this.#characters[this.#at]!
    this.#at += text.length
    this.#out += text.startsWith('{,') ? `{0${text.slice(1)}` : text
    const suffix = this.#characters[this.#at]
    if (suffix === '?' && interval === undefined) {
      this.#out += '?'
      this.#at++
    } else if (suffix === '+' && interval === undefined) {
      this.#at++
      this.#makeAtomic()
    } else if (suffix !== undefined && '*+?'.includes(suffix)) {
      // {n}+ repeats the repetition in this flavour, and {n}? makes it optional.
      this.#out = `${this.#out.slice(0, this.#atom)}(?:${this.#out.slice(this.#atom)})`
    }
  }

  /** After the backslash, outside brackets. */
  #escape(): string {
    const c = this.#take()
    const known = classEscapes[c]
    if (known !== undefined) return known[1]
    return this.#escapedCharacter(c, this.#literal.bind(this))
  }

  #escapedCharacter(c: string, literal: (c: string) => string): string {
    const control = controlCharacters[c]
    if (control !== undefined) return literal(control)
    if (c === 'p' || c === 'P') return this.#property(c)
    const rest = this.#characters.slice(this.#at, this.#at + 10).join('')
    const code =
      c === 'u'
        ? /^[\da-fA-F]{4}/.exec(rest)
        : c === 'x'
          ? /^([\da-fA-F]{2}|\{[\da-fA-F]{1,6}\})/.exec(rest)
          : null
    if (code !== null) {
      this.#at += code[0].length
      return literal(String.fromCodePoint(Number.parseInt(code[0].replace(/[{}]/g, ''), 16)))
    }
    if (/[\p{L}\p{N}]/u.test(c)) throw new SyntaxError(`\\${c} has no equal`)
    return literal(c)
  }

  /** \p{L}, \p{Han}, \p{^L}: a category, a property or a script. */
  #property(letter: string): string {
    const match = /^\{(\^?)([\w ]+)\}/.exec(this.#characters.slice(this.#at, this.#at + 48).join(''))
    if (match === null) throw new SyntaxError(`\\${letter} without a name`)
    this.#at += match[0].length
    if (this.#ignoreCase && /^L[ult]$/.test(match[2]!)) {
      throw new SyntaxError(`\\${letter}{${match[2]}} in a group that ignores case`)
    }
    const sign = (letter === 'P') !== (match[1] === '^') ? 'P' : 'p'
    const name = match[2]!
    for (const spelling of [`\\${sign}{${name}}`, `\\${sign}{Script=${name}}`]) {
      try {
        new RegExp(spelling, 'u')
        return spelling
      } catch {
        // Not of this kind; the next spelling may be.
      }
    }
    throw new SyntaxError(`\\${letter}{${name}} is unknown`)
  }

  /** After the opening bracket. */
  #class(): string {
    let out = '['
    if (this.#characters[this.#at] === '^') {
      this.#at++
      out += '^'
    }
    for (let first = true; ; first = false) {
      const c = this.#take()
      if (c === ']' && !first) return `${out}]`
      if (c === '[') throw new SyntaxError('a class inside a class')
      if (c === '&' && this.#characters[this.#at] === '&') throw new SyntaxError('an intersection of classes')
      if (c === '\\') {
        const letter = this.#take()
        const known = classEscapes[letter]
        if (known !== undefined) {
          if (known[0] === undefined) throw new SyntaxError(`\\${letter} inside a class`)
          out += known[0]
        } else out += this.#escapedCharacter(letter, ch => this.#classItem(ch))
      } else out += this.#classItem(c)
    }
  }

  /** A character of a class, or the range it begins. */
  #classItem(c: string): string {
    const last = this.#characters[this.#at + 1]
    if (this.#characters[this.#at] !== '-' || last === undefined || last === ']') return this.#classLiteral(c)
    this.#at += 1
    let end = this.#take()
    if (end === '\\') {
      const letter = this.#take()
      if (letter.toLowerCase() === 'p') throw new SyntaxError('a range that ends in a class')
      end = this.#escapedCharacter(letter, ch => ch)
    }
    if (this.#ignoreCase) throw new SyntaxError('a range in a group that ignores case')
    return `${literalInClass(c)}-${literalInClass(end)}`
  }

  #classLiteral(c: string): string {
    return this.#cases(c).map(literalInClass).join('')
  }

  #literal(c: string): string {
    const cases = this.#cases(c)
    if (cases.length > 1) return `[${cases.map(literalInClass).join('')}]`
    return /[\^$\\.*+?()[\]{}|/]/.test(c) ? `\\${c}` : c
  }

  #cases(c: string): string[] {
    if (!this.#ignoreCase) return [c]
    const lower = c.toLowerCase()
    const all = [c, lower, c.toUpperCase(), foldsTo[lower] ?? c]
    return [...new Set(all)].filter(form => [...form].length === 1)
  }

  #take(): string {
    const c = this.#characters[this.#at++]
    if (c === undefined) throw new SyntaxError('it ends too early')
    return c
  }
}

function literalInClass(c: string): string {
  return /[\^$\\.*+?()[\]{}|/-]/.test(c) ? `\\${c}` : c
}
