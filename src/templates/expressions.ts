// Parses expressions in Jinja's order of binding: if, or, and, not, comparisons, + -, ~, * / // %, **, signs, filters, tests.
import type { Environment } from './environment.ts'
import { SyntaxProblem, type Token } from './lexer.ts'
import type { BinaryOperator, CallArguments, Comparison, Expression } from './nodes.ts'
import { tests } from './tests.ts'

/** Maximum depth of expressions and statements within each other. Python's own parser stops at 200 parentheses. */
const maxDepth = 200

const constants = new Map<string, null | boolean>([
  ...(['true', 'True'] as const).map(name => [name, true] as const),
  ...(['false', 'False'] as const).map(name => [name, false] as const),
  ...(['none', 'None'] as const).map(name => [name, null] as const),
])

export class ExpressionParser {
  private readonly tokens: readonly Token[]
  private place = 0
  private depth = 0
  /** The names that expressions read since the innermost macro began. */
  protected reads = new Set<string>()
  /** Filters and tests that do not exist, but stand behind a condition: they fail only when the template comes to them. */
  protected readonly unknown: { kind: 'filter' | 'test'; name: string; line: number }[] = []
  protected readonly environment: Environment

  constructor(tokens: readonly Token[], environment: Environment) {
    this.tokens = tokens
    this.environment = environment
  }

  protected get current(): Token {
    return this.tokens[this.place]!
  }

  protected advance(): Token {
    const token = this.current
    if (this.place < this.tokens.length - 1) this.place++
    return token
  }

  protected fail(message: string, { line } = this.current): never {
    throw new SyntaxProblem(message, line)
  }

  /** Parses one level deeper. @throws SyntaxProblem beyond the maximum depth */
  protected nested<T>(parse: () => T): T {
    if (++this.depth > maxDepth) this.fail(`nested more than ${maxDepth} deep`)
    const result = parse()
    this.depth--
    return result
  }

  protected isOperator(...values: string[]): boolean {
    return this.current.kind === 'operator' && values.includes(this.current.value)
  }

  protected isName(...values: string[]): boolean {
    return this.current.kind === 'name' && values.includes(this.current.value)
  }

  protected skip(value: string): boolean {
    const found = this.isOperator(value) || this.isName(value)
    if (found) this.advance()
    return found
  }

  protected expect(value: string): void {
    if (!this.skip(value)) this.fail(`expected token '${value}', got '${describe(this.current)}'`)
  }

  protected expectKind(kind: Token['kind']): Token {
    if (this.current.kind !== kind) this.fail(`expected ${spoken(kind)}, got '${describe(this.current)}'`)
    return this.advance()
  }

  protected expression(): Expression {
    return this.nested(() => {
      const unknown = this.unknown.length
      let value = this.or()
      while (this.skip('if')) {
        const test = this.or()
        const otherwise = this.skip('else') ? this.expression() : undefined
        value = { kind: 'condition', test, value, otherwise }
        this.unknown.length = unknown
      }
      return value
    })
  }

  /** Parses one expression, or several with commas between them as a tuple. */
  protected tuple(isEnd: () => boolean, parse = () => this.expression(), mayBeEmpty = false): Expression {
    const items: Expression[] = []
    let isTuple = false
    while (!this.isTupleEnd() && !isEnd()) {
      items.push(parse())
      if (!this.skip(',')) break
      isTuple = true
    }
    if (!isTuple && items.length === 1) return items[0]!
    if (items.length === 0 && !mayBeEmpty)
      this.fail(`Expected an expression, got '${describe(this.current)}'`)
    return { kind: 'tuple', items }
  }

  protected callArguments(): CallArguments {
    const args: CallArguments = { positional: [], keyword: [] }
    const { line } = this.current
    const ensure = (isRight: boolean) => {
      if (!isRight) throw new SyntaxProblem('invalid syntax for function call expression', line)
    }
    this.expect('(')
    while (!this.isOperator(')')) {
      if (this.skip('*')) {
        ensure(!args.list && !args.dict)
        args.list = this.expression()
      } else if (this.skip('**')) {
        ensure(!args.dict)
        args.dict = this.expression()
      } else if (this.current.kind === 'name' && this.tokens[this.place + 1]?.value === '=') {
        ensure(!args.dict)
        const name = this.advance().value
        this.advance()
        if (args.keyword.some(([other]) => other === name)) this.fail(`keyword argument repeated: ${name}`)
        args.keyword.push([name, this.expression()])
      } else {
        ensure(!args.list && !args.dict && args.keyword.length === 0)
        args.positional.push(this.expression())
      }
      if (!this.skip(',')) break
    }
    this.expect(')')
    return args
  }

  /** Parses filters: `name(...)` behind a pipe, and further ones behind it. */
  protected filters(value: Expression, isFirst: boolean): Expression {
    let filtered = value
    for (let first = isFirst; first || this.skip('|'); first = false) {
      const { line } = this.current
      const name = this.dottedName()
      if (!this.environment.filters.has(name)) this.unknown.push({ kind: 'filter', name, line })
      const args: CallArguments = this.isOperator('(')
        ? this.callArguments()
        : { positional: [], keyword: [] }
      filtered = { kind: 'filter', value: filtered, name, args }
    }
    return filtered
  }

  private isTupleEnd(): boolean {
    const { kind } = this.current
    return kind === 'end }}' || kind === 'end %}' || this.isOperator(')')
  }

  protected or(): Expression {
    let left = this.and()
    while (this.skip('or')) left = { kind: 'or', left, right: this.and() }
    return left
  }

  private and(): Expression {
    let left = this.not()
    while (this.skip('and')) left = { kind: 'and', left, right: this.not() }
    return left
  }

  private not(): Expression {
    if (!this.skip('not')) return this.comparison()
    return this.nested(() => ({ kind: 'unary', operator: 'not', value: this.not() }))
  }

  private comparison(): Expression {
    const first = this.sum()
    const rest: { operator: Comparison; value: Expression }[] = []
    for (;;) {
      const operator = this.comparisonOperator()
      if (operator === undefined) break
      rest.push({ operator, value: this.sum() })
    }
    return rest.length === 0 ? first : { kind: 'compare', first, rest }
  }

  private comparisonOperator(): Comparison | undefined {
    if (this.isOperator('==', '!=', '<', '<=', '>', '>=')) return this.advance().value as Comparison
    if (this.skip('in')) return 'in'
    const next = this.tokens[this.place + 1]
    if (!this.isName('not') || next?.kind !== 'name' || next.value !== 'in') return undefined
    this.advance()
    this.advance()
    return 'not in'
  }

  private sum(): Expression {
    return this.binary(['+', '-'], () => this.concat())
  }

  private concat(): Expression {
    const items = [this.product()]
    while (this.skip('~')) items.push(this.product())
    return items.length === 1 ? items[0]! : { kind: 'concat', items }
  }

  private product(): Expression {
    return this.binary(['*', '/', '//', '%'], () => this.binary(['**'], () => this.unary(true)))
  }

  private binary(operators: readonly BinaryOperator[], operand: () => Expression): Expression {
    let left = operand()
    while (this.isOperator(...operators))
      left = {
        kind: 'binary',
        operator: this.advance().value as BinaryOperator,
        left,
        right: operand(),
      }
    return left
  }

  private unary(mayFilter: boolean): Expression {
    const isSign = this.isOperator('+', '-')
    const value: Expression = isSign
      ? this.nested(() => ({
          kind: 'unary',
          operator: this.advance().value as '+' | '-',
          value: this.unary(false),
        }))
      : this.primary()
    const behind = this.postfix(value)
    return mayFilter ? this.filtersAndTests(behind) : behind
  }

  private primary(): Expression {
    const token = this.current
    if (token.kind === 'name') {
      this.advance()
      const constant = constants.get(token.value)
      if (constant !== undefined) return { kind: 'constant', value: constant }
      this.reads.add(token.value)
      return { kind: 'name', name: token.value }
    }
    if (token.kind === 'string') {
      let value = ''
      while (this.current.kind === 'string') value += this.advance().value
      return { kind: 'constant', value }
    }
    if (token.kind === 'int' || token.kind === 'float') {
      this.advance()
      // Python limits the digits of a whole number too: the time to convert them grows with the square of their number.
      if (token.value.length > 4300) this.fail('a number has more than 4300 digits', token)
      return { kind: 'constant', value: token.kind === 'int' ? BigInt(token.value) : Number(token.value) }
    }
    if (this.skip('(')) {
      const value = this.nested(() => this.tuple(() => false, undefined, true))
      this.expect(')')
      return value
    }
    if (this.skip('[')) {
      const items = this.listed(']', () => this.expression())
      return { kind: 'list', items }
    }
    if (this.skip('{')) {
      const pairs = this.listed('}', (): [Expression, Expression] => {
        const key = this.expression()
        this.expect(':')
        return [key, this.expression()]
      })
      return { kind: 'dict', pairs }
    }
    return this.fail(`unexpected '${describe(token)}'`)
  }

  /** Parses items with commas between them and perhaps a comma at the end. */
  private listed<T>(end: string, parse: () => T): T[] {
    const items: T[] = []
    while (!this.isOperator(end)) {
      items.push(parse())
      if (!this.skip(',')) break
    }
    this.expect(end)
    return items
  }

  private postfix(value: Expression): Expression {
    let behind = value
    for (;;) {
      if (this.isOperator('.', '[')) behind = this.subscript(behind)
      else if (this.isOperator('(')) behind = { kind: 'call', called: behind, args: this.callArguments() }
      else return behind
    }
  }

  private filtersAndTests(value: Expression): Expression {
    let behind = value
    for (;;) {
      if (this.isOperator('|')) behind = this.filters(behind, false)
      else if (this.isName('is')) behind = this.test(behind)
      else if (this.isOperator('(')) behind = { kind: 'call', called: behind, args: this.callArguments() }
      else return behind
    }
  }

  private test(value: Expression): Expression {
    this.advance()
    const isNegated = this.skip('not')
    const { line } = this.current
    const name = this.dottedName()
    if (!tests.has(name)) this.unknown.push({ kind: 'test', name, line })
    const test: Expression = { kind: 'test', value, name, args: this.testArguments() }
    return isNegated ? { kind: 'unary', operator: 'not', value: test } : test
  }

  /** Parses a test's arguments: one alone may stand without parentheses. */
  private testArguments(): CallArguments {
    if (this.isOperator('(')) return this.callArguments()
    const { kind } = this.current
    const isArgument =
      kind === 'name' || kind === 'string' || kind === 'int' || kind === 'float' || this.isOperator('[', '{')
    if (!isArgument || this.isName('else', 'or', 'and')) return { positional: [], keyword: [] }
    if (this.isName('is')) this.fail('You cannot chain multiple tests with is')
    return { positional: [this.postfix(this.primary())], keyword: [] }
  }

  private dottedName(): string {
    let name = this.expectKind('name').value
    while (this.skip('.')) name += `.${this.expectKind('name').value}`
    return name
  }

  private subscript(object: Expression): Expression {
    if (this.skip('.')) {
      const { kind, value } = this.advance()
      if (kind === 'name') return { kind: 'attribute', object, name: value }
      if (kind !== 'int') this.fail('expected name or number')
      return { kind: 'item', object, index: { kind: 'constant', value: BigInt(value) } }
    }
    this.expect('[')
    const items = this.listed(']', () => this.index())
    return { kind: 'item', object, index: items.length === 1 ? items[0]! : { kind: 'tuple', items } }
  }

  private index(): Expression {
    const part = () => (this.isOperator(':', ']', ',') ? undefined : this.expression())
    const start = part()
    if (!this.isOperator(':')) return start ?? this.fail(`unexpected '${describe(this.current)}'`)
    const parts = [start]
    while (parts.length < 3 && this.skip(':')) parts.push(part())
    return { kind: 'slice', parts }
  }
}

export function describe(token: Token): string {
  return token.kind === 'name' || token.kind === 'operator' ? token.value : spoken(token.kind)
}

function spoken(kind: Token['kind']): string {
  const words: Partial<Record<Token['kind'], string>> = {
    'end }}': 'end of print statement',
    'end %}': 'end of statement block',
    eof: 'end of template',
  }
  return words[kind] ?? kind
}
