// Defines the values of a template: Python's types where JavaScript has none that behaves alike.
import { WholeFloat } from '../data/exact-numbers.ts'
import type { Budget } from './budget.ts'
import type { Runtime } from './runtime.ts'

/**
 * A float is a number, an int a bigint, None is null.
 */
export type Value = null | boolean | bigint | number | string | TemplateObject

/** The exceptions of Python and Jinja that a template may end in. */
export type ExceptionName =
  | 'AssertionError'
  | 'TypeError'
  | 'ValueError'
  | 'IndexError'
  | 'KeyError'
  | 'OverflowError'
  | 'ZeroDivisionError'
  | 'UndefinedError'
  | 'SecurityError'
  | 'FilterArgumentError'
  | 'TemplateRuntimeError'
  | 'TemplateAssertionError'
  | 'TemplateSyntaxError'
  | 'SyntaxError'

/** The error for a template that fails where Python would fail. The statement that runs sets `line`. */
export class TemplateError extends Error {
  readonly exception: ExceptionName
  line: number | undefined

  constructor(message: string, exception: ExceptionName = 'TypeError') {
    super(message)
    this.exception = exception
  }
}

export abstract class TemplateObject {
  /** Python's name of the type, for messages. */
  abstract readonly typeName: string
}

/** A name, attribute or item that is not there: prints nothing, and fails with its message when something is made of it. */
export class Undefined extends TemplateObject {
  readonly typeName = 'Undefined'
  readonly message: string
  /** Whether it may only be asked whether it is there. An environment decides this of what its expressions give. */
  isStrict = false
  private readonly exception: ExceptionName

  constructor(message: string, exception: ExceptionName = 'UndefinedError') {
    super()
    this.message = message
    this.exception = exception
  }

  /** @throws TemplateError where the environment is strict: any use that prints, compares or iterates calls this first */
  use(): void {
    if (this.isStrict) throw this.error()
  }

  /** The error for making something of what is not there. */
  error(): TemplateError {
    return new TemplateError(this.message, this.exception)
  }
}

export class List extends TemplateObject {
  readonly typeName = 'list'
  /** The list's own: methods of the list change them. */
  readonly items: Value[]

  constructor(items: Value[]) {
    super()
    this.items = items
  }
}

export class Tuple extends TemplateObject {
  readonly typeName = 'tuple'
  readonly items: readonly Value[]
  /** The names of the items; a group that the filter groupby makes has some. */
  readonly names: readonly string[]

  constructor(items: readonly Value[], names: readonly string[] = []) {
    super()
    this.items = items
    this.names = names
  }
}

/** The value that keys(), values() and items() of a dict give. */
export class DictView extends TemplateObject {
  readonly typeName: 'dict_keys' | 'dict_values' | 'dict_items'
  readonly items: readonly Value[]

  constructor(kind: DictView['typeName'], items: readonly Value[]) {
    super()
    this.typeName = kind
    this.items = items
  }
}

/** The value that map, select and other filters give: it can be iterated once, has no length and is always true. */
export class Generator extends TemplateObject {
  readonly typeName: string
  private readonly rest: Iterator<Value>

  constructor(items: Iterable<Value>, typeName = 'generator') {
    super()
    this.rest = items[Symbol.iterator]()
    this.typeName = typeName
  }

  next(): IteratorResult<Value> {
    return this.rest.next()
  }

  [Symbol.iterator](): Iterator<Value> {
    return { next: () => this.next() }
  }
}

export class Range extends TemplateObject {
  readonly typeName = 'range'
  readonly start: bigint
  readonly stop: bigint
  readonly step: bigint
  readonly length: number

  constructor(start: bigint, stop: bigint, step: bigint) {
    super()
    const span = step > 0n ? stop - start + step - 1n : start - stop - step - 1n
    const length = span / (step > 0n ? step : -step)
    this.start = start
    this.stop = stop
    this.step = step
    this.length = length > 0n ? Number(length) : 0
  }

  at(index: number): bigint {
    return this.start + BigInt(index) * this.step
  }
}

interface Entry {
  key: Value
  value: Value
}

/** A dict, which keeps the order in which keys came first. */
export class Dict extends TemplateObject {
  readonly typeName = 'dict'
  private readonly entries = new Map<string, Entry>()

  get size(): number {
    return this.entries.size
  }

  /** Sets a key. @throws TemplateError for a value that cannot be a key */
  set(key: Value, value: Value, budget: Budget): this {
    const hash = hashOf(key, budget)
    this.entries.set(hash, { key: orElse(this.entries.get(hash)?.key, () => key), value })
    return this
  }

  get(key: Value, budget: Budget): Value | undefined {
    return this.entries.get(hashOf(key, budget))?.value
  }

  delete(key: Value, budget: Budget): void {
    this.entries.delete(hashOf(key, budget))
  }

  clear(): void {
    this.entries.clear()
  }

  copy(): Dict {
    const copy = new Dict()
    for (const [hash, { key, value }] of this.entries) copy.entries.set(hash, { key, value })
    return copy
  }

  keys(): Value[] {
    return Array.from(this.entries.values(), entry => entry.key)
  }

  values(): Value[] {
    return Array.from(this.entries.values(), entry => entry.value)
  }

  items(): Tuple[] {
    return Array.from(this.entries.values(), ({ key, value }) => new Tuple([key, value]))
  }

  /** The entries whose keys are texts, as keyword arguments. */
  texts(): [name: string, value: Value][] {
    return Array.from(this.entries.values(), ({ key, value }) => {
      if (typeof key !== 'string') throw new TemplateError('keywords must be strings')
      return [key, value]
    })
  }
}

/** The value of namespace(), whose attributes a template may set. */
export class Namespace extends TemplateObject {
  readonly typeName = 'Namespace'
  readonly attributes = new Map<string, Value>()

  /** Sets an attribute. @throws TemplateError for a name that begins with an underscore, as transformers does */
  set(name: string, value: Value, isSandboxed: boolean): void {
    if (isSandboxed && name.startsWith('_'))
      throw new TemplateError(
        `Chat templates cannot store underscore-prefixed attributes on a namespace, but got '${name}'`,
      )
    this.attributes.set(name, value)
  }
}

/** An object with attributes of its own: `loop`, cycler() and joiner(). */
export abstract class AttributeObject extends TemplateObject {
  abstract attribute(name: string): Value | undefined
}

/** The arguments of a call. */
export class Arguments {
  readonly positional: readonly Value[]
  readonly keyword: ReadonlyMap<string, Value>

  constructor(positional: readonly Value[], keyword: ReadonlyMap<string, Value> = new Map()) {
    this.positional = positional
    this.keyword = keyword
  }

  /**
   * Gives the arguments in the order of their names; undefined where one is not given.
   * @param required how many must be given
   * @throws TemplateError
   */
  bind(called: string, names: readonly string[], required = 0): (Value | undefined)[] {
    const { positional, keyword } = this
    if (positional.length > names.length)
      throw new TemplateError(
        `${called}() takes at most ${names.length} arguments (${positional.length} given)`,
      )
    const bound: (Value | undefined)[] = names.map((_, i) => positional[i])
    for (const [name, value] of keyword) {
      const place = names.indexOf(name)
      if (place < 0) throw new TemplateError(`${called}() got an unexpected keyword argument '${name}'`)
      if (place < positional.length)
        throw new TemplateError(`${called}() got multiple values for argument '${name}'`)
      bound[place] = value
    }
    for (let i = 0; i < required; i++)
      if (bound[i] === undefined)
        throw new TemplateError(`${called}() missing a required argument: '${names[i]}'`)
    return bound
  }
}

export class Callable extends TemplateObject {
  readonly typeName: string
  readonly name: string
  readonly call: (args: Arguments, runtime: Runtime) => Value

  constructor(name: string, call: Callable['call'], typeName = 'builtin_function_or_method') {
    super()
    this.name = name
    this.call = call
    this.typeName = typeName
  }
}

/** A macro of the template, or the body of a call block. */
export class Macro extends Callable {
  readonly parameters: readonly string[]
  readonly usesCaller: boolean

  constructor(
    name: string,
    call: Callable['call'],
    { parameters, usesCaller }: { parameters: readonly string[]; usesCaller: boolean },
  ) {
    super(name, call, 'Macro')
    this.parameters = parameters
    this.usesCaller = usesCaller
  }
}

export function typeName(value: Value): string {
  switch (typeof value) {
    case 'string':
      return 'str'
    case 'boolean':
      return 'bool'
    case 'bigint':
      return 'int'
    case 'number':
      return 'float'
    default:
      return value === null ? 'NoneType' : value.typeName
  }
}

export function isSequence(value: Value): value is List | Tuple {
  return value instanceof List || value instanceof Tuple
}

export function isTruthy(value: Value): boolean {
  if (typeof value !== 'object' || value === null) return Boolean(value)
  if (isSequence(value) || value instanceof DictView) return value.items.length > 0
  if (value instanceof Dict) return value.size > 0
  if (value instanceof Range) return value.length > 0
  if (!(value instanceof Undefined)) return true
  value.use()
  return false
}

/** Gives a value that is there, even None, or else another. */
export function orElse(value: Value | undefined, otherwise: () => Value): Value {
  return value === undefined ? otherwise() : value
}

/** Gives equal keys the same hash: 1, 1.0 and True are one key. @throws TemplateError for what cannot be a key */
function hashOf(key: Value, budget: Budget): string {
  switch (typeof key) {
    case 'string':
      budget.make(key.length)
      return `s${key}`
    case 'boolean':
      return key ? 'n1' : 'n0'
    case 'bigint':
      return `n${key}`
    case 'number':
      return Number.isInteger(key) ? `n${BigInt(key)}` : `n${key}`
    default:
      if (key === null) return 'N'
      if (key instanceof Undefined) {
        key.use()
        return 'U'
      }
      if (key instanceof Tuple) return joinedHash(key.items, budget)
      if (isSequence(key) || key instanceof Dict)
        throw new TemplateError(`unhashable type: '${typeName(key)}'`)
      throw new TemplateError(`a ${typeName(key)} is no key of a dict here`)
  }
}

function joinedHash(items: readonly Value[], budget: Budget): string {
  const hashes = items.map(item => hashOf(item, budget))
  budget.make(hashes.reduce((sum, hash) => sum + hash.length + 1, 0))
  return `(${hashes.join('\0')})`
}

/** Converts a value of JavaScript: what JSON can hold, and WholeFloat. Members that are undefined are left out. */
export function fromJs(value: unknown, budget: Budget): Value {
  budget.spend(1)
  switch (typeof value) {
    case 'string':
    case 'boolean':
    case 'bigint':
      return value
    case 'number':
      return Number.isSafeInteger(value) && !Object.is(value, -0) ? BigInt(value) : value
    case 'object': {
      if (value === null || value instanceof TemplateObject) return value
      if (value instanceof WholeFloat) return value.value
      if (Array.isArray(value)) return new List(value.map(item => fromJs(item, budget)))
      const dict = new Dict()
      for (const [key, member] of Object.entries(value))
        if (member !== undefined) dict.set(key, fromJs(member, budget), budget)
      return dict
    }
    default:
      return null
  }
}
