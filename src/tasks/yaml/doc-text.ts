// What a task file makes of a row: a field by its name, or else a template.
import type { Row } from '../../data/row.ts'
import { shown } from '../../data/shown.ts'
import { MtLlamaError } from '../../errors.ts'
import { readNames, Template, TemplateProblem } from '../../templates/template.ts'
import { taskEnvironment } from './environment.ts'
import type { YamlValue } from './yaml-value.ts'

export class DocText {
  /** The key of the task file: 'doc_to_text'. */
  readonly key: string
  readonly value: YamlValue
  /** A field's name, or a template. */
  readonly text: string
  readonly #template: Template

  /** @throws TASK for what is no template */
  constructor(key: string, value: YamlValue) {
    this.key = key
    this.value = value
    this.text = value.text(key)
    try {
      this.#template = new Template(this.text, taskEnvironment)
    } catch (error) {
      if (!(error instanceof TemplateProblem)) throw error
      throw value.error(`${key} ${shown(this.text)} is not valid Jinja: ${error.message}`)
    }
  }

  /**
   * The field where the text is the name of one, else what the template prints. Rows of a file have the same fields, so
   * one that lacks a field of the first row is an error and not a template without braces.
   * @param features the names of the fields
   * @throws TASK naming row, file and template
   */
  of(row: Row, features: ReadonlySet<string>): { field: unknown } | { printed: string } {
    if (features.has(this.text)) {
      if (row.isAbsent(this.text)) throw this.#fails(row, `the row has no field "${this.text}"`)
      return { field: row.exact(this.text) }
    }
    try {
      const names = readNames(row.names().map(name => [name, row.exact(name)]))
      return { printed: this.#template.render(names) }
    } catch (error) {
      if (!(error instanceof TemplateProblem)) throw error
      throw this.#fails(
        row,
        `${error.exception === undefined ? '' : `${error.exception}: `}${error.message}; the row has ${row.names().join(', ')}`,
      )
    }
  }

  #fails(row: Row, why: string): MtLlamaError {
    return new MtLlamaError(
      'TASK',
      `${row.where}: ${this.key} ${shown(this.text)} (${this.value.where}) does not render: ${why}.`,
    )
  }
}
