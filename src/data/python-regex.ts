// Regular expressions of Python's module re on texts, as JavaScript expressions of equal meaning. What has no equal here is
// refused, and a search that takes too long is stopped: patterns come from files of tasks.
import { createContext, Script } from 'node:vm'
import { MtLlamaError } from '../errors.ts'
import { shown } from './shown.ts'
import { pythonSpace } from './white-space.ts'

/** Maximum time of one search in ms. */
const maxSearch = 2000

/** Python's \w, \d and \s of texts, as they stand inside a class. */
const classes: Readonly<Record<string, string>> = { w: '\\p{L}\\p{N}_', d: '\\p{Nd}', s: pythonSpace }
const word = `[${classes.w}]`
const controls: Readonly<Record<string, string>> = {
  ...{ a: '\x07', f: '\f', n: '\n', r: '\r', t: '\t', v: '\v' },
}
const textEnd = '(?![\\s\\S])'

interface Flags {
  ignoreCase: boolean
  multiline: boolean
  dotAll: boolean
}

export interface PythonRegex {
  readonly source: string
  /**
   * All matches in order, as re.finditer() gives them: the whole, then the groups; undefined for a group that took no part.
   * @throws DATA_INVALID where the search takes too long
   */
  matches(text: string): (string | undefined)[][]
  /** re.sub(): a function of the match makes what stands in its place. @param count matches that are replaced; 0 for all */
  replace(text: string, by: (match: readonly (string | undefined)[]) => string, count?: number): string
  /** The groups' numbers by their names. */
  readonly names: ReadonlyMap<string, number>
}

/** The error for a pattern that is not valid in Python, or has no equal here. */
export class PatternProblem extends Error {}

/** @throws PatternProblem */
export function pythonRegex(source: string): PythonRegex {
  const translated = new Translator(source).translate()
  let expression: RegExp
  try {
    expression = new RegExp(translated.pattern, `gv${translated.flags.ignoreCase ? 'i' : ''}`)
  } catch {
    throw new PatternProblem(`${shown(source)} is no valid regular expression`)
  }
  const search = (text: string): (string | undefined)[][] =>
    found(expression, text).map(({ groups }) => groups)
  return {
    source,
    names: translated.names,
    matches: search,
    replace(text, by, count = 0) {
      let result = ''
      let end = 0
      const all = found(expression, text)
      for (const { groups, index } of count === 0 ? all : all.slice(0, count)) {
        result += text.slice(end, index) + by(groups)
        end = index + groups[0]!.length
      }
      return result + text.slice(end)
    },
  }
}

const box: { expression?: RegExp; text?: string; all?: RegExpMatchArray[] } = {}
const context = createContext(box)
const script = new Script('all = [...text.matchAll(expression)]; undefined')

function found(expression: RegExp, text: string): { groups: (string | undefined)[]; index: number }[] {
  Object.assign(box, { expression, text })
  try {
    // A search cannot be stopped from outside but in a script with a time limit.
    script.runInContext(context, { timeout: maxSearch })
    // Array.from() makes arrays of this realm, not of the script's.
    const all = Array.from(box.all!, match => ({ groups: Array.from(match), index: match.index! }))
    return all.filter(({ index }) => !isInsidePair(text, index))
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ERR_SCRIPT_EXECUTION_TIMEOUT') throw error
    throw new MtLlamaError(
      'DATA_INVALID',
      `the pattern ${shown(expression.source)} takes more than ${maxSearch / 1000} s on ${shown(text)}; expected one without repetitions inside repetitions.`,
    )
  } finally {
    delete box.text
    delete box.all
  }
}

/** V8 finds what matches no character inside a pair of surrogates too. */
function isInsidePair(text: string, index: number): boolean {
  return index > 0 && (text.codePointAt(index - 1) ?? 0) > 0xffff
}

/**
 * The replacement of re.sub() as a function: `\1` and `\g<name>` stand for groups, `\n` and the like for themselves.
 * @throws PatternProblem
 */
export function pythonReplacement(
  text: string,
  { names }: PythonRegex,
): (match: readonly (string | undefined)[]) => string {
  const parts: (string | number)[] = []
  const token = /\\(?:g<([^>]*)>|([1-9][0-9]?)|([\s\S]))|[^\\]+|\\/g
  for (const [all, name, number, other] of text.matchAll(token)) {
    if (name !== undefined) parts.push(/^\d+$/.test(name) ? Number(name) : (names.get(name) ?? -1))
    else if (number !== undefined) parts.push(Number(number))
    else if (other === undefined) parts.push(all)
    else if (other === '\\') parts.push('\\')
    else if (controls[other] !== undefined) parts.push(controls[other]!)
    else if (/[a-zA-Z0-9]/.test(other))
      throw new PatternProblem(`\\${other} in a replacement is not supported`)
    else parts.push(all)
    if (parts.at(-1) === -1) throw new PatternProblem(`no group "${name}" in the pattern`)
  }
  return match => {
    const unknown = parts.find(part => typeof part === 'number' && part >= match.length)
    if (unknown !== undefined) throw new PatternProblem(`no group ${unknown} in the pattern`)
    return parts.map(part => (typeof part === 'number' ? (match[part] ?? '') : part)).join('')
  }
}

interface Group {
  /** Whether there is a capturing group inside. */
  hasCapture: boolean
}

class Translator {
  readonly #source: string
  #at = 0
  #captures = 0
  readonly #names = new Map<string, number>()
  readonly #flags: Flags = { ignoreCase: false, multiline: false, dotAll: false }

  constructor(source: string) {
    this.#source = source
  }

  translate(): { pattern: string; flags: Flags; names: ReadonlyMap<string, number> } {
    this.#readFlags()
    let out = ''
    const open: Group[] = []
    /** The group that has just closed. */
    let closed: Group | undefined
    let isAtom = false
    while (this.#at < this.#source.length) {
      const c = this.#next()
      const repeat = this.#quantifier(c)
      if (repeat !== undefined) {
        if (!isAtom) throw this.#problem(`nothing to repeat before ${c}`)
        // JavaScript forgets what such a group matched before the last repetition.
        if (closed?.hasCapture && repeat.max > 1)
          throw this.#problem(
            'a capturing group inside a repeated one is not supported; write (?:...) for it',
          )
        out += repeat.text
        isAtom = false
        closed = undefined
        continue
      }
      closed = undefined
      isAtom = true
      if (c === '(') {
        const { text, captures } = this.#group()
        out += text
        if (text === '') {
          isAtom = false
          continue
        }
        if (captures) for (const group of open) group.hasCapture = true
        open.push({ hasCapture: false })
        isAtom = false
      } else if (c === ')') {
        closed = open.pop()
        if (!closed) throw this.#problem('an unbalanced parenthesis')
        out += ')'
      } else if (c === '|') {
        out += c
        isAtom = false
      } else if (c === '[') out += this.#class()
      else if (c === '.') out += this.#flags.dotAll ? '[\\s\\S]' : '[^\\n]'
      else if (c === '^') out += this.#flags.multiline ? '(?<![^\\n])' : '(?<![\\s\\S])'
      else if (c === '$') out += this.#flags.multiline ? '(?![^\\n])' : `(?=\\n?${textEnd})`
      else if (c === '\\') out += this.#escape()
      else out += literal(c)
    }
    if (open.length > 0) throw this.#problem('a parenthesis that is not closed')
    return { pattern: out, flags: this.#flags, names: this.#names }
  }

  #next(): string {
    const c = String.fromCodePoint(this.#source.codePointAt(this.#at)!)
    this.#at += c.length
    return c
  }

  #take(pattern: RegExp): RegExpExecArray | undefined {
    const sticky = new RegExp(pattern, 'y')
    sticky.lastIndex = this.#at
    const match = sticky.exec(this.#source)
    if (!match) return undefined
    this.#at += match[0].length
    return match
  }

  #problem(what: string): PatternProblem {
    return new PatternProblem(`${shown(this.#source)}: ${what}`)
  }

  #readFlags(): void {
    const flags = this.#take(/\(\?([a-zA-Z]+)\)/)
    for (const flag of flags?.[1] ?? '') {
      if (flag === 'i') this.#flags.ignoreCase = true
      else if (flag === 'm') this.#flags.multiline = true
      else if (flag === 's') this.#flags.dotAll = true
      else if (flag !== 'u') throw this.#problem(`the flag ${flag} is not supported`)
    }
  }

  /** @param c the character that has just been read */
  #quantifier(c: string): { text: string; max: number } | undefined {
    let text: string
    let max = Number.POSITIVE_INFINITY
    if (c === '*' || c === '+') text = c
    else if (c === '?') {
      text = c
      max = 1
    } else if (c === '{') {
      const bounds = this.#take(/(\d*)(,?)(\d*)\}/)
      if (!bounds || (bounds[1] === '' && bounds[2] === '')) {
        if (bounds) this.#at -= bounds[0].length
        return undefined
      }
      const [, min, comma, most] = bounds
      max = comma === '' ? Number(min) : most === '' ? max : Number(most)
      text = `{${min === '' ? 0 : min}${comma}${most}}`
    } else return undefined
    if (this.#take(/\+/)) throw this.#problem('a possessive repetition is not supported')
    return { text: this.#take(/\?/) ? `${text}?` : text, max }
  }

  #group(): { text: string; captures: boolean } {
    if (this.#take(/\?#[^)]*\)/)) return { text: '', captures: false }
    const named = this.#take(/\?P<([^>]*)>/)
    const look = named ? undefined : this.#take(/\?(?::|=|!|<=|<!)/)
    if (look) return { text: `(${look[0]}`, captures: false }
    if (!named && this.#take(/\?/))
      throw this.#problem(`(?${this.#source[this.#at] ?? ''} is not supported at this place`)
    this.#captures++
    if (named) this.#names.set(named[1]!, this.#captures)
    return { text: '(', captures: true }
  }

  #escape(): string {
    const c = this.#escaped()
    switch (c) {
      case 'A':
        return '(?<![\\s\\S])'
      case 'Z':
        return textEnd
      case 'b':
        return `(?:(?<=${word})(?!${word})|(?<!${word})(?=${word}))`
      case 'B':
        return `(?:(?<=${word})(?=${word})|(?<!${word})(?!${word}))`
    }
    return this.#classEscape(c) ?? literal(this.#character(c))
  }

  #escaped(): string {
    if (this.#at === this.#source.length) throw this.#problem('a backslash at the end')
    return this.#next()
  }

  /** \w, \W and the like as a class of their own. */
  #classEscape(c: string): string | undefined {
    const members = classes[c.toLowerCase()]
    return members === undefined ? undefined : `[${c === c.toLowerCase() ? '' : '^'}${members}]`
  }

  /** The character that an escape stands for. */
  #character(c: string): string {
    const hex = { x: 2, u: 4, U: 8 }[c]
    if (hex !== undefined) {
      const digits = this.#take(new RegExp(`[0-9a-fA-F]{${hex}}`))
      const code = Number.parseInt(digits?.[0] ?? '', 16)
      if (!(code <= 0x10ffff)) throw this.#problem(`\\${c} without ${hex} digits of a character`)
      return String.fromCodePoint(code)
    }
    const control = controls[c]
    if (control !== undefined) return control
    if (/[0-9]/.test(c)) throw this.#problem(`\\${c}, a reference to a group, is not supported`)
    if (/[a-zA-Z]/.test(c)) throw this.#problem(`\\${c} is not supported`)
    return c
  }

  #class(): string {
    let out = this.#take(/\^/) ? '[^' : '['
    for (let isFirst = true; ; isFirst = false) {
      if (this.#at === this.#source.length) throw this.#problem('a class that is not closed')
      const c = this.#next()
      if (c === ']' && !isFirst) return `${out}]`
      const from = this.#member(c)
      const range = from.length === 1 || from.codePointAt(0)! > 0xffff ? this.#take(/-(?!\])/) : undefined
      if (!range) {
        out += isCharacter(from) ? literal(from) : from
        continue
      }
      const to = this.#member(this.#escapedOr())
      if (!isCharacter(to) || to.codePointAt(0)! < from.codePointAt(0)!)
        throw this.#problem('a range of characters that is none')
      out += `${literal(from)}-${literal(to)}`
    }
  }

  #escapedOr(): string {
    if (this.#at === this.#source.length) throw this.#problem('a class that is not closed')
    return this.#next()
  }

  /** A character, or a class of several. */
  #member(c: string): string {
    if (c !== '\\') return c
    const escaped = this.#escaped()
    return this.#classEscape(escaped) ?? (escaped === 'b' ? '\b' : this.#character(escaped))
  }
}

function isCharacter(member: string): boolean {
  return member.length === String.fromCodePoint(member.codePointAt(0)!).length
}

/** A character that means itself, inside a class as outside. */
function literal(c: string): string {
  return /[\p{L}\p{N}_]/u.test(c) ? c : `\\u{${c.codePointAt(0)!.toString(16)}}`
}
