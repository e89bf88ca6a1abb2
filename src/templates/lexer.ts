// Cuts a template into texts and tokens, and settles which white space around a tag is printed.
import { pythonSpace } from '../data/white-space.ts'
import { strip } from './text.ts'
import type { ExceptionName } from './values.ts'

export interface Token {
  kind:
    | 'text'
    | 'begin {{'
    | 'end }}'
    | 'begin {%'
    | 'end %}'
    | 'name'
    | 'string'
    | 'int'
    | 'float'
    | 'operator'
    | 'eof'
  /** The characters of the token: a text, a name, a number or an operator. */
  value: string
  line: number
}

export interface WhiteSpace {
  /** Whether the line break after a block or comment is dropped. */
  trimBlocks: boolean
  /** Whether the indent before a block or comment is dropped. */
  lstripBlocks: boolean
  /** Whether the line break that ends the source is printed. */
  keepTrailingNewline: boolean
}

/** The error for a source that is no template. */
export class SyntaxProblem extends Error {
  readonly line: number
  readonly exception: ExceptionName

  constructor(message: string, line: number, exception: ExceptionName = 'TemplateSyntaxError') {
    super(message)
    this.line = line
    this.exception = exception
  }
}

/** Maximum characters of a source: ten times as many as the longest known chat template has. */
const maxSource = 2 ** 19

const opening = /\{\{[-+]?|\{%[-+]?|\{#[-+]?/g
const rawTag = new RegExp(
  `\\{%[-+]?[${pythonSpace}]*raw[${pythonSpace}]*(?:-%\\}[${pythonSpace}]*|%\\})`,
  'uy',
)
const rawEnd = new RegExp(`\\{%([-+]?)[${pythonSpace}]*endraw[${pythonSpace}]*([-+]?)%\\}`, 'gu')
const space = new RegExp(`[${pythonSpace}]*`, 'uy')
const blank = new RegExp(`^[${pythonSpace}]*$`, 'u')
const float = /(?<!\.)\d+(?:_\d+)*(?:(?:\.\d+(?:_\d+)*)?e[+-]?\d+(?:_\d+)*|\.\d+(?:_\d+)*)/iy
const int = /0b(?:_?[01])+|0o(?:_?[0-7])+|0x(?:_?[\da-f])+|[1-9](?:_?\d)*|0(?:_?0)*/iy
const word = /[\p{L}\p{N}_]+/uy
const words = [
  ['float', float],
  ['int', int],
  ['name', word],
] as const
const isWord = /\w/
const identifier = /^[\p{L}\p{Nl}_][\p{L}\p{Nl}\p{Nd}_]*$/u
const operator = /\/\/|\*\*|==|!=|>=|<=|[+\-/*%~[\](){}><=.:|,;]/y
const closing: Record<string, string> = { '(': ')', '[': ']', '{': '}' }

/** Cuts a source into its tokens. @throws SyntaxProblem */
export function tokenize(source: string, whiteSpace: WhiteSpace): Token[] {
  return new Lexer(source, whiteSpace).tokens()
}

class Lexer {
  private readonly source: string
  private readonly whiteSpace: WhiteSpace
  private readonly found: Token[] = []
  private at = 0
  /** The place up to which line ends have been counted. */
  private counted = 0
  private line = 1
  /** Whether the last tag took the line break behind it, so that the text begins a line. */
  private startsLine = true

  constructor(source: string, whiteSpace: WhiteSpace) {
    if (source.length > maxSource)
      throw new SyntaxProblem(`it has ${source.length} characters; at most ${maxSource} are read`, 1)
    const lines = source.replace(/\r\n?/g, '\n')
    this.source = whiteSpace.keepTrailingNewline ? lines : lines.replace(/\n$/, '')
    this.whiteSpace = whiteSpace
  }

  tokens(): Token[] {
    const { source } = this
    for (;;) {
      opening.lastIndex = this.at
      const tag = opening.exec(source)
      if (!tag) break
      rawTag.lastIndex = tag.index
      const raw = rawTag.exec(source)
      this.text(tag.index, tag[0][2], tag[0].startsWith('{{'))
      this.at = tag.index + (raw ?? tag)[0].length
      if (raw) this.raw(raw[0].endsWith('\n'))
      else if (tag[0].startsWith('{#')) this.comment()
      else if (tag[0].startsWith('{{')) this.code('begin {{', 'end }}')
      else this.code('begin {%', 'end %}')
    }
    this.push('text', source.slice(this.at), this.at)
    this.at = source.length
    this.push('eof', '', this.at)
    return this.found
  }

  private lineAt(place: number): number {
    for (; this.counted < place; this.counted++) if (this.source[this.counted] === '\n') this.line++
    return this.line
  }

  private push(kind: Token['kind'], value: string, place: number): void {
    if (kind !== 'text' || value !== '') this.found.push({ kind, value, line: this.lineAt(place) })
  }

  private fail(message: string, place = this.at): never {
    throw new SyntaxProblem(message, this.lineAt(place))
  }

  /** Adds the text up to a tag, without the white space that the tag takes. */
  private text(end: number, sign: string | undefined, isPrint: boolean): void {
    let text = this.source.slice(this.at, end)
    if (sign === '-') text = strip(text, 'right')
    else if (sign !== '+' && this.whiteSpace.lstripBlocks && !isPrint) {
      const line = text.lastIndexOf('\n') + 1
      if ((line > 0 || this.startsLine) && blank.test(text.slice(line))) text = text.slice(0, line)
    }
    this.push('text', text, this.at)
  }

  /** Skips what the end of a tag takes: `-` takes all white space, a block may take the line break. */
  private after(sign: string, isBlock: boolean): void {
    const start = this.at
    if (sign === '-') {
      space.lastIndex = this.at
      space.exec(this.source)
      this.at = space.lastIndex
    } else if (isBlock && sign !== '+' && this.whiteSpace.trimBlocks && this.source[this.at] === '\n')
      this.at++
    this.startsLine = this.at > start && this.source[this.at - 1] === '\n'
  }

  private comment(): void {
    const end = this.source.indexOf('#}', this.at)
    if (end < 0) {
      this.atEnd('Missing end of comment tag')
      return
    }
    const sign = end > this.at && /[-+]/.test(this.source[end - 1]!) ? this.source[end - 1]! : ''
    this.at = end + 2
    this.after(sign, true)
  }

  /** Accepts a tag that is open if nothing follows in the source, as Jinja does. @throws SyntaxProblem */
  private atEnd(message: string): void {
    if (this.at < this.source.length) this.fail(message)
  }

  private raw(startsLine: boolean): void {
    this.startsLine = startsLine
    rawEnd.lastIndex = this.at
    const end = rawEnd.exec(this.source)
    if (!end) {
      this.atEnd('Missing end of raw directive')
      return
    }
    this.text(end.index, end[1], false)
    this.at = end.index + end[0].length
    this.after(end[2]!, true)
  }

  private code(begin: 'begin {{' | 'begin {%', end: 'end }}' | 'end %}'): void {
    const { source } = this
    this.push(begin, '', this.at)
    const open: string[] = []
    for (;;) {
      space.lastIndex = this.at
      space.exec(source)
      this.at = space.lastIndex
      if (this.at >= source.length) return
      const close = source.slice(this.at, this.at + 3).match(end === 'end }}' ? /^(-?)\}\}/ : /^([-+]?)%\}/)
      if (close && open.length === 0) {
        this.push(end, '', this.at)
        this.at += close[0].length
        this.after(close[1]!, end === 'end %}')
        return
      }
      this.token(open)
    }
  }

  private token(open: string[]): void {
    const start = this.at
    const read = (pattern: RegExp): string | undefined => {
      pattern.lastIndex = start
      const text = pattern.exec(this.source)?.[0]
      if (text !== undefined) this.at += text.length
      return text
    }
    const c = this.source[start]!
    if (c === '"' || c === "'") {
      this.string(c)
      return
    }
    for (const [kind, pattern] of isWord.test(c) || c > '\x7f' || c === '.' ? words : []) {
      const text = read(pattern)
      if (text === undefined) continue
      if (kind === 'name' && !identifier.test(text)) this.fail('Invalid character in identifier', start)
      this.push(kind, kind === 'name' ? text : text.replaceAll('_', ''), start)
      return
    }
    const text = read(operator)
    if (text === undefined)
      this.fail(`unexpected char '${String.fromCodePoint(this.source.codePointAt(start)!)}'`)
    if (text in closing) open.push(closing[text]!)
    else if (/[)\]}]/.test(text)) {
      const expected = open.pop()
      if (expected !== text)
        this.fail(`unexpected '${text}'${expected === undefined ? '' : `, expected '${expected}'`}`, start)
    }
    this.push('operator', text, start)
  }

  private string(quote: string): void {
    const start = this.at
    let end = start + 1
    while (end < this.source.length && this.source[end] !== quote) end += this.source[end] === '\\' ? 2 : 1
    if (end >= this.source.length) this.fail(`unexpected char ${quote === "'" ? `"'"` : `'"'`}`)
    this.at = end + 1
    this.push(
      'string',
      unescaped(this.source.slice(start + 1, end), message => this.fail(message, start)),
      start,
    )
  }
}

const simple: Record<string, string> = {
  ...{ '\n': '', '\\': '\\', "'": "'", '"': '"', a: '\x07', b: '\b' },
  ...{ f: '\f', n: '\n', r: '\r', t: '\t', v: '\v' },
}

/** Replaces the escapes of a Python string; unknown ones stay as they are. */
function unescaped(text: string, fail: (message: string) => never): string {
  if (!text.includes('\\')) return text
  const sequence = /\\(?:x([\da-fA-F]{2})|u([\da-fA-F]{4})|U([\da-fA-F]{8})|([0-7]{1,3})|(.))/gsu
  return text.replace(sequence, (whole, x, u, U, octal, other) => {
    if (octal !== undefined) return String.fromCodePoint(Number.parseInt(octal, 8))
    const hex: string | undefined = x ?? u ?? U
    if (hex !== undefined) {
      const code = Number.parseInt(hex, 16)
      return code > 0x10ffff ? fail('illegal Unicode character') : String.fromCodePoint(code)
    }
    if (/[xuU]/.test(other)) return fail(`truncated \\${other} escape`)
    if (other === 'N') return fail('names of characters (\\N{...}) are not known; write \\u and the number')
    return simple[other] ?? whole
  })
}
