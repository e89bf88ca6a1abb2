// Parses a template into statements.

import type { Environment } from './environment.ts'
import { describe, ExpressionParser } from './expressions.ts'
import { SyntaxProblem, tokenize } from './lexer.ts'
import type { Expression, MacroNode, Signature, Statement, Target } from './nodes.ts'

/** @throws SyntaxProblem */
export function parseTemplate(source: string, environment: Environment): Statement[] {
  return new Parser(tokenize(source, environment.whiteSpace), environment).template()
}

/** Tags of Jinja that need other templates, or a setting that chat templates do not have. */
const unsupported = ['extends', 'include', 'import', 'from', 'block', 'autoescape']

class Parser extends ExpressionParser {
  /** The number of loops around the statement, within its macro: `break` needs one. */
  private loops = 0

  template(): Statement[] {
    const body = this.body([])
    const [unknown] = this.unknown
    if (unknown)
      throw new SyntaxProblem(
        `No ${unknown.kind} named '${unknown.name}'.`,
        unknown.line,
        'TemplateAssertionError',
      )
    return body
  }

  /** Parses statements up to one of the tags, whose name is the current token then; up to the end where none is given. */
  private body(ends: readonly string[]): Statement[] {
    return this.nested(() => {
      const statements: Statement[] = []
      for (;;) {
        const { kind, value, line } = this.advance()
        if (kind === 'text') statements.push({ kind: 'text', text: value, line })
        else if (kind === 'begin {{') {
          statements.push({ kind: 'print', value: this.tuple(() => false), line })
          this.expectKind('end }}')
        } else if (kind === 'begin {%') {
          if (this.isName(...ends)) return statements
          statements.push(...this.statement(ends, line))
          this.expectKind('end %}')
        } else if (ends.length > 0)
          this.fail(`Unexpected end of template. Jinja was looking for the following tags: ${listed(ends)}.`)
        else return statements
      }
    })
  }

  /** Parses the body behind a tag, and one of the ends. @returns the body and the end's name */
  private block(...ends: string[]): { body: Statement[]; end: string } {
    this.skip(':')
    this.expectKind('end %}')
    const body = this.body(ends)
    return { body, end: this.advance().value }
  }

  private statement(ends: readonly string[], line: number): Statement[] {
    if (this.current.kind !== 'name') this.fail('tag name expected')
    const { value: tag } = this.advance()
    switch (tag) {
      case 'if':
        return [{ ...this.if(), line }]
      case 'for':
        return [{ ...this.for(), line }]
      case 'set':
        return [{ ...this.set(), line }]
      case 'macro':
        return [{ kind: 'macro', macro: this.macro(this.expectKind('name').value, true, 'endmacro'), line }]
      case 'call':
        return [{ ...this.call(), line }]
      case 'filter': {
        const body: Statement[] = []
        const value = this.filters({ kind: 'body', statements: body }, true)
        body.push(...this.block('endfilter').body)
        return [{ kind: 'print', value, line }]
      }
      case 'with':
        return [{ ...this.with(), line }]
      case 'generation': {
        if (!this.environment.hasChatTags) break
        const { body } = this.block('endgeneration')
        return [{ kind: 'scope', names: [], body, line }]
      }
      case 'print':
        return this.printed(line)
      case 'break':
      case 'continue':
        if (!this.environment.hasChatTags) break
        if (this.loops === 0) throw new SyntaxProblem(`'${tag}' outside loop`, line, 'SyntaxError')
        return [{ kind: tag, line }]
    }
    if (unsupported.includes(tag)) this.fail(`the tag '${tag}' is not supported`)
    const looking = ends.length > 0 ? ` Jinja was looking for the following tags: ${listed(ends)}.` : ''
    return this.fail(`Encountered unknown tag '${tag}'.${looking}`)
  }

  private if() {
    const branches: { test: Expression; body: Statement[] }[] = []
    let otherwise: Statement[] = []
    const unknown = this.unknown.length
    for (let end = 'elif'; end === 'elif'; ) {
      const test = this.tuple(
        () => false,
        () => this.or(),
      )
      const block = this.block('elif', 'else', 'endif')
      branches.push({ test, body: block.body })
      end = block.end
      if (end === 'else') otherwise = this.block('endif').body
    }
    this.unknown.length = unknown
    return { kind: 'if', branches, otherwise } as const
  }

  private for() {
    const target = this.target()
    this.expect('in')
    const items = this.tuple(
      () => this.isName('recursive'),
      () => this.or(),
    )
    const filter = this.skip('if') ? this.expression() : undefined
    const isRecursive = this.skip('recursive')
    this.loops++
    const { body, end } = this.block('endfor', 'else')
    this.loops--
    const otherwise = end === 'else' ? this.block('endfor').body : []
    return { kind: 'for', target, items, filter, isRecursive, body, otherwise } as const
  }

  private set() {
    const target = this.target()
    if (this.skip('=')) return { kind: 'set', target, value: this.tuple(() => false) } as const
    const body: Statement[] = []
    const value: Expression = { kind: 'body', statements: body }
    const filtered = this.skip('|') ? this.filters(value, true) : value
    body.push(...this.block('endset').body)
    return { kind: 'set', target, value: filtered } as const
  }

  private with() {
    const names: [Target, Expression][] = []
    while (this.current.kind !== 'end %}') {
      if (names.length > 0) this.expect(',')
      const target = this.primaryTarget()
      this.expect('=')
      names.push([target, this.expression()])
    }
    return { kind: 'scope', names, body: this.block('endwith').body } as const
  }

  private call() {
    const macro = this.macro('caller', this.isOperator('('), 'endcall', () => {
      const call = this.expression()
      if (call.kind !== 'call') this.fail('expected call')
      return call
    })
    return { kind: 'callBlock', macro, call: macro.between } as const
  }

  private macro(name: string, hasSignature: boolean, end: string): MacroNode
  private macro<T>(
    name: string,
    hasSignature: boolean,
    end: string,
    between: () => T,
  ): MacroNode & { between: T }
  private macro<T>(
    name: string,
    hasSignature: boolean,
    end: string,
    between?: () => T,
  ): MacroNode & { between?: T } {
    const parameters = hasSignature ? this.signature() : []
    const parsed = between?.()
    const { reads, loops } = this
    this.reads = new Set()
    this.loops = 0
    const { body } = this.block(end)
    const special = new Set(['caller', 'varargs', 'kwargs'].filter(read => this.reads.has(read)))
    for (const read of this.reads) reads.add(read)
    this.reads = reads
    this.loops = loops
    return { name, parameters, body, reads: special, ...(parsed !== undefined && { between: parsed }) }
  }

  private signature(): Signature['parameters'] {
    const parameters: Signature['parameters'] = []
    this.expect('(')
    while (!this.isOperator(')')) {
      if (parameters.length > 0) this.expect(',')
      const name = this.expectKind('name').value
      const fallback = this.skip('=') ? this.expression() : undefined
      if (!fallback && parameters.at(-1)?.fallback) this.fail('non-default argument follows default argument')
      parameters.push({ name, fallback })
    }
    this.expect(')')
    return parameters
  }

  private printed(line: number): Statement[] {
    const values: Statement[] = []
    while (this.current.kind !== 'end %}') {
      if (values.length > 0) this.expect(',')
      values.push({ kind: 'print', value: this.expression(), line })
    }
    return values
  }

  private target(): Target {
    const items: Target[] = []
    let isTuple = false
    while (!this.isName('in') && !this.isOperator('=', ')', '|') && this.current.kind !== 'end %}') {
      items.push(this.primaryTarget())
      if (!this.skip(',')) break
      isTuple = true
    }
    if (items.length === 0) this.fail(`Expected an expression, got '${describe(this.current)}'`)
    return isTuple ? { kind: 'tuple', items } : items[0]!
  }

  private primaryTarget(): Target {
    if (this.skip('(')) {
      const target = this.nested(() => this.target())
      this.expect(')')
      return target
    }
    const { value: name } = this.expectKind('name')
    if (/^(true|false|none)$/i.test(name) && name !== name.toUpperCase())
      this.fail(`can't assign to '${name}'`)
    return this.skip('.')
      ? { kind: 'namespace', name, attribute: this.expectKind('name').value }
      : { kind: 'name', name }
  }
}

function listed(names: readonly string[]): string {
  return names.map(name => `'${name}'`).join(' or ')
}
