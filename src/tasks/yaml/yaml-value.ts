// Values of a YAML file with their places, so that what is wrong is told by file and line.
import { readFile } from 'node:fs/promises'
import {
  type Document,
  isAlias,
  isMap,
  isNode,
  isScalar,
  isSeq,
  LineCounter,
  type Node,
  parseDocument,
  visit,
} from 'yaml'
import { positiveNumber } from '../../data/fields.ts'
import { shown } from '../../data/shown.ts'
import { type ErrorCode, MtLlamaError } from '../../errors.ts'

interface Source {
  file: string
  lines: LineCounter
  document: Document
  /** The code of errors about the file. */
  code: ErrorCode
}

export class YamlValue {
  readonly #source: Source
  readonly #node: Node | null
  /** The place of its key, for a value of a mapping. */
  readonly #offset: number

  constructor(source: Source, node: Node | null, offset = node?.range?.[0] ?? 0) {
    this.#source = source
    this.#node = isAlias(node) ? (node.resolve(source.document) ?? null) : node
    this.#offset = offset
  }

  get file(): string {
    return this.#source.file
  }

  /** 'tasks/copa.yaml:12' */
  get where(): string {
    return `${this.file}:${this.#source.lines.linePos(this.#offset).line}`
  }

  /** @param message what is wrong, without a full stop */
  error(message: string): MtLlamaError {
    return new MtLlamaError(this.#source.code, `${this.where}: ${message}.`)
  }

  get isText(): boolean {
    return typeof this.plain() === 'string'
  }

  get isList(): boolean {
    return isSeq(this.#node)
  }

  get isMapping(): boolean {
    return isMap(this.#node)
  }

  get isNull(): boolean {
    return this.#node === null || (isScalar(this.#node) && this.#node.value === null)
  }

  /** The value as JSON would hold it. */
  plain(): unknown {
    try {
      return this.#node?.toJS(this.#source.document, { maxAliasCount: 100 }) ?? null
    } catch (error) {
      throw this.error((error as Error).message)
    }
  }

  /** @param name what holds the value, for the message: 'output_type' */
  text(name: string): string {
    const value = this.plain()
    if (typeof value === 'string') return value
    throw this.#expected(name, 'a text')
  }

  boolean(name: string): boolean {
    const value = this.plain()
    if (typeof value === 'boolean') return value
    throw this.#expected(name, 'true or false')
  }

  /** A whole number of at least `min`. */
  integer(name: string, min: number): number {
    const value = this.plain()
    if (Number.isSafeInteger(value) && (value as number) >= min) return value as number
    throw this.#expected(name, `a whole number of at least ${min}`)
  }

  /** A number above 0. */
  positive(name: string): number {
    const value = this.plain()
    if (positiveNumber.is(value)) return value
    throw this.#expected(name, positiveNumber.expected)
  }

  /** A list, or the value alone as a list of one. */
  items(): YamlValue[] {
    if (!isSeq(this.#node)) return [this]
    return this.#node.items.map(item => new YamlValue(this.#source, isNode(item) ? item : null))
  }

  /** One text, or a list of texts. */
  texts(name: string): string[] {
    return this.items().map(item => item.text(name))
  }

  entries(name: string): Map<string, YamlValue> {
    const node = this.#node
    if (!isMap(node)) throw this.#expected(name, 'a mapping')
    return new Map(
      node.items.map(({ key, value }) => {
        const offset = isNode(key) ? key.range?.[0] : undefined
        const name = isScalar(key) ? String(key.value) : shown(key)
        return [name, new YamlValue(this.#source, isNode(value) ? value : null, offset)]
      }),
    )
  }

  #expected(name: string, expected: string): MtLlamaError {
    return this.error(`${name} is ${shown(this.plain())}; expected ${expected}`)
  }
}

/**
 * Reads a file of YAML 1.1, as PyYAML reads it.
 * @param code that of errors, which name file and line
 */
export async function readYaml(file: string, code: ErrorCode = 'TASK'): Promise<YamlValue> {
  let text: string
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(await readFile(file))
  } catch (error) {
    throw new MtLlamaError(code, `${file}: cannot be read (${(error as Error).message}).`)
  }
  return parseYaml(text, file, code)
}

/** @param file the name of the text's file, for messages */
export function parseYaml(text: string, file: string, code: ErrorCode = 'TASK'): YamlValue {
  const lines = new LineCounter()
  const wrong = (offset: number, what: string) =>
    new MtLlamaError(code, `${file}:${lines.linePos(offset).line}: ${what}.`)
  let document: Document.Parsed
  try {
    document = parseDocument(text, { version: '1.1', lineCounter: lines, prettyErrors: false })
  } catch (error) {
    // The library gives up where nodes are nested too deep for the stack.
    throw new MtLlamaError(code, `${file}: not readable as YAML (${(error as Error).message}).`)
  }
  visit(document, {
    Node(_, node) {
      if (isNode(node) && node.tag === '!function')
        throw wrong(
          node.range?.[0] ?? 0,
          `"!function ${isScalar(node) ? String(node.source ?? node.value) : ''}" is Python code, which is not run; write it as a Jinja template, or define the task in TypeScript with defineTask()`,
        )
    },
  })
  const [problem] = [...document.errors, ...document.warnings]
  if (problem) throw wrong(problem.pos[0], `not valid YAML: ${problem.message}`)
  const value = new YamlValue({ file, lines, document, code }, document.contents, 0)
  if (!value.isMapping) throw value.error('expected a mapping of keys to values, as "key: value"')
  return value
}
