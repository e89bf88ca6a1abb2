// Reads a regular expression in the syntax of JavaScript, as far as an automaton can follow it, as a grammar.

import { shown } from '../../data/shown.ts'
import { type Message, MtLlamaError, message } from '../../errors.ts'
import { allCharacters, type Characters, characters, complement, union } from './characters.ts'
import { choiceOf, type Grammar, oneCharacter, oneOfSet, repeat, sequence, sequenceOf } from './grammar.ts'

/** Characters of a pattern: reading it is not to hold the event loop. */
const maxLength = 50_000
/** Groups in groups: each takes a part of the stack. */
const maxNesting = 200
/** Characters between the braces of a repetition, or of an escape \u{...}. */
const maxBraced = 40

const lineEnds = characters([0x0a, 0x0a], [0x0d, 0x0d], [0x2028, 0x2029])
const digits = characters([0x30, 0x39])
const wordCharacters = characters([0x30, 0x39], [0x41, 0x5a], [0x5f, 0x5f], [0x61, 0x7a])
const spaces = characters(
  ...([
    [0x09, 0x0d],
    [0x20, 0x20],
    [0xa0, 0xa0],
    [0x1680, 0x1680],
    [0x2000, 0x200a],
  ] as const),
  ...([
    [0x2028, 0x2029],
    [0x202f, 0x202f],
    [0x205f, 0x205f],
    [0x3000, 0x3000],
    [0xfeff, 0xfeff],
  ] as const),
)
const classEscapes: Readonly<Record<string, Characters>> = {
  ...{ d: digits, w: wordCharacters, s: spaces },
  ...{ D: complement(digits), W: complement(wordCharacters), S: complement(spaces) },
}
const controlEscapes: Readonly<Record<string, number>> = { n: 10, r: 13, t: 9, f: 12, v: 11, '0': 0 }

/** The texts that an expression matches as a whole. @throws INVALID_ARGUMENT naming what is wrong or not supported */
export function wholeMatches(pattern: string, name: Message): Grammar {
  const branches = new Parser(pattern, name).branches()
  return choiceOf(branches.map(({ grammar }) => grammar))
}

/** The texts in which an expression matches somewhere. @throws INVALID_ARGUMENT */
export function partMatches(pattern: string, name: Message): Grammar {
  const anything = repeat(oneOfSet(allCharacters))
  const branches = new Parser(pattern, name).branches()
  return choiceOf(
    branches.map(({ grammar, atStart, atEnd }) =>
      sequence(...(atStart ? [] : [anything]), grammar, ...(atEnd ? [] : [anything])),
    ),
  )
}

interface Branch {
  grammar: Grammar
  /** Whether it begins with ^, and ends with $. */
  atStart: boolean
  atEnd: boolean
}

class Parser {
  private readonly source: readonly string[]
  private readonly name: Message
  private at = 0
  private nesting = 0

  constructor(pattern: string, name: Message) {
    if (pattern.length > maxLength)
      throw new MtLlamaError(
        'INVALID_ARGUMENT',
        message`${name} has ${pattern.length} characters; expected at most ${maxLength}`,
      )
    // Half of a surrogate pair is a character that no text has.
    this.source = Array.from(pattern)
    this.name = name
  }

  /** The alternatives of the whole expression. */
  branches(): Branch[] {
    const branches: Branch[] = []
    do {
      const atStart = this.takes('^')
      const grammar = this.terms()
      branches.push({ grammar, atStart, atEnd: this.takes('$') })
      if (this.at < this.source.length && this.peek() !== '|')
        throw this.peek() === ')' ? this.wrong('a ) that closes nothing') : this.misplaced()
    } while (this.takes('|'))
    return branches
  }

  private group(): Grammar {
    if (++this.nesting > maxNesting) throw this.wrong(`more than ${maxNesting} groups in each other`)
    const parts: Grammar[] = []
    do {
      parts.push(this.terms())
      if (this.peek() === '^' || this.peek() === '$') throw this.misplaced()
    } while (this.takes('|'))
    if (!this.takes(')')) throw this.wrong('a group without its )')
    this.nesting--
    return choiceOf(parts)
  }

  private terms(): Grammar {
    const parts: Grammar[] = []
    for (;;) {
      const next = this.peek()
      if (next === undefined || '|)^$'.includes(next)) return sequenceOf(parts)
      parts.push(this.quantified(this.atom()))
    }
  }

  private atom(): Grammar {
    const character = this.next()
    switch (character) {
      case '(':
        this.groupKind()
        return this.group()
      case '[':
        return oneOfSet(this.characterClass())
      case '.':
        return oneOfSet(complement(lineEnds))
      case '\\':
        return oneOfSet(this.escape(false))
      case '*':
      case '+':
      case '?':
        throw this.wrong(`a ${character} that repeats nothing`)
      default:
        return oneCharacter(character.codePointAt(0)!)
    }
  }

  private groupKind(): void {
    if (!this.takes('?')) return
    if (this.takes(':')) return
    const kind = this.peek()
    const after = this.source[this.at + 1]
    if (kind === '=' || kind === '!') throw this.unsupported('lookahead')
    if (kind === '<' && (after === '=' || after === '!')) throw this.unsupported('lookbehind')
    if (kind !== '<') throw this.unsupported('a group that begins with (?')
    while (this.next() !== '>');
  }

  private quantified(part: Grammar): Grammar {
    const bounds = this.bounds()
    if (!bounds) return part
    const [min, max] = bounds
    if (min > max) throw this.wrong(`a repetition of at least ${min} and at most ${max}`)
    // How a match is searched for makes no difference to which texts match.
    this.takes('?')
    if (this.bounds()) throw this.wrong('a repetition of a repetition')
    return repeat(part, min, max)
  }

  private bounds(): [min: number, max: number] | undefined {
    if (this.takes('*')) return [0, Number.POSITIVE_INFINITY]
    if (this.takes('+')) return [1, Number.POSITIVE_INFINITY]
    if (this.takes('?')) return [0, 1]
    if (this.peek() !== '{') return undefined
    const ahead = this.ahead(maxBraced)
    if (/^\{[\d,]{39}$/.test(ahead)) throw this.unsupported('a repetition with bounds of so many digits')
    const [braced, min, comma, max] = /^\{(\d+)(?:(,)(\d*))?\}/.exec(ahead) ?? []
    // As in JavaScript without the flag u, a brace that bounds nothing is a character.
    if (braced === undefined) return undefined
    this.at += braced.length
    if (comma === undefined) return [Number(min), Number(min)]
    return [Number(min), max === '' ? Number.POSITIVE_INFINITY : Number(max)]
  }

  private characterClass(): Characters {
    const isNegated = this.takes('^')
    const sets: Characters[] = []
    while (!this.takes(']')) {
      const first = this.classMember()
      // A - at the end of the class is a character.
      if (this.peek() !== '-' || this.source[this.at + 1] === ']') {
        sets.push(first)
        continue
      }
      this.at++
      const last = this.classMember()
      const isRange = isSingle(first) && isSingle(last)
      if (!isRange) throw this.wrong('a range between what are no two characters')
      if (first[0]! > last[0]!) throw this.wrong('a range whose first character comes after its last one')
      sets.push(characters([first[0]!, last[0]!]))
    }
    const set = union(sets)
    return isNegated ? complement(set) : set
  }

  private classMember(): Characters {
    if (this.at >= this.source.length) throw this.wrong('a [ without its ]')
    const character = this.next()
    return character === '\\' ? this.escape(true) : single(character.codePointAt(0)!)
  }

  private escape(inClass: boolean): Characters {
    const character = this.next()
    const known = classEscapes[character]
    if (known) return known
    if (character in controlEscapes) return single(controlEscapes[character]!)
    if (inClass && character === 'b') return single(0x08)
    if (character === 'x') return single(this.hexadecimal(2))
    if (character === 'u') return single(this.unicodeEscape())
    if (character === 'b' || character === 'B') throw this.unsupported('a word boundary')
    if (/[1-9k]/.test(character)) throw this.unsupported('a back reference')
    if (character === 'p' || character === 'P') throw this.unsupported('a property of Unicode')
    if (/[a-zA-Z]/.test(character)) throw this.unsupported(`the escape \\${character}`)
    return single(character.codePointAt(0)!)
  }

  private unicodeEscape(): number {
    const [braced, digits] = /^\{([\da-fA-F]+)\}/.exec(this.ahead(maxBraced)) ?? []
    if (braced !== undefined) {
      const codePoint = Number.parseInt(digits!, 16)
      if (codePoint > 0x10ffff) throw this.noCharacter()
      this.at += braced.length
      return codePoint
    }
    if (this.peek() === '{') throw this.noCharacter()
    const unit = this.hexadecimal(4)
    // Two escapes of the halves of a pair are one character.
    const [pair, low] = /^\\u(d[c-f][\da-f]{2})/i.exec(this.ahead(6)) ?? []
    if (unit < 0xd800 || unit > 0xdbff || pair === undefined) return unit
    this.at += pair.length
    return String.fromCharCode(unit, Number.parseInt(low!, 16)).codePointAt(0)!
  }

  private hexadecimal(length: number): number {
    const text = this.ahead(length)
    if (!/^[\da-fA-F]+$/.test(text) || text.length < length)
      throw this.wrong(`an escape without its ${length} hexadecimal digits`)
    this.at += length
    return Number.parseInt(text, 16)
  }

  /** The next characters, at most so many. */
  private ahead(count: number): string {
    return this.source.slice(this.at, this.at + count).join('')
  }

  private peek(): string | undefined {
    return this.source[this.at]
  }

  private next(): string {
    const character = this.source[this.at]
    if (character === undefined) throw this.wrong('an end where more must follow')
    this.at++
    return character
  }

  private takes(character: string): boolean {
    if (this.peek() !== character) return false
    this.at++
    return true
  }

  private misplaced(): MtLlamaError {
    return this.unsupported(
      `${this.peek()} but at the ${this.peek() === '^' ? 'beginning' : 'end'} of the whole`,
    )
  }

  private noCharacter(): MtLlamaError {
    return this.wrong('an escape \\u{...} of no character')
  }

  private unsupported(what: string): MtLlamaError {
    return this.wrong(`${what}, which is not supported`)
  }

  private wrong(what: string): MtLlamaError {
    const pattern = shown(this.source.join(''))
    return new MtLlamaError(
      'INVALID_ARGUMENT',
      message`${this.name} is ${pattern}: at character ${this.at} it has ${what}`,
    )
  }
}

function single(codePoint: number): Characters {
  return characters([codePoint, codePoint])
}

function isSingle(set: Characters): boolean {
  return set.length === 2 && set[0] === set[1]
}
