// A template of promptsource (P3): what it makes of an example, to the letter of promptsource 0.2.3.
import { MtLlamaError } from '../errors.ts'
import type { Draw } from '../templates/runtime.ts'
import { type Names, readNames, Template, TemplateProblem } from '../templates/template.ts'
import { strip } from '../templates/text.ts'
import { List, TemplateError } from '../templates/values.ts'
import { promptEnvironment } from './environment.ts'
import { pythonRandom } from './python-random.ts'

/** An example of a data set by its fields: what JSON can hold. A whole number counts as Python's int. */
export type Example = Readonly<Record<string, unknown>>

/** What the template's authors say of it; false or empty where they say nothing. */
export interface PromptMetadata {
  /** Whether the template asks for the task that the data set was made for. */
  originalTask: boolean
  /** Whether the prompt names the answer choices. */
  choicesInPrompt: boolean
  /** The metrics that its authors name: 'Accuracy', 'Squad', 'ROUGE' and others. */
  metrics: readonly string[]
  /** The languages of the template's own words, as 'en'. */
  languages: readonly string[]
}

export interface ApplyOptions {
  /**
   * Whether each `{{ }}` is cut to 2,048 characters.
   * @default true
   */
  truncate?: boolean
  /**
   * Gives the numbers of the filters `choice` and `random`.
   * @default pythonRandom(0), anew for each example
   */
  draw?: Draw
  /** The place that begins the message of an error: 'validation.jsonl, line 3'. */
  where?: string
}

/** Maximum characters of what `{{ }}` prints, where it is cut (TEXT_VAR_LENGTH of promptsource). */
const maxPrinted = 2048

const separator = '|||'

/** What stands for a separator within an example's own texts while the template runs (pipe_protector of promptsource). */
const standIn = '3ed2dface8203c4c9dfb1a5dc58e41e0'

export class PromptTemplate {
  readonly id: string
  readonly name: string
  /** The template's text: the parts are separated by `|||`. */
  readonly jinja: string
  /** The template of the answer choices, separated by `|||`; undefined where answers are free. */
  readonly answerChoicesText: string | undefined
  readonly metadata: PromptMetadata
  /** The paper or author that the template goes back to; may be empty. */
  readonly reference: string
  /** The file and line of the template, for messages. */
  readonly where: string
  /** What the texts are compiled to, once they are needed. */
  private readonly compiled: { cut?: Template; whole?: Template; choices?: Template } = {}

  constructor(
    fields: Pick<
      PromptTemplate,
      'id' | 'name' | 'jinja' | 'answerChoicesText' | 'metadata' | 'reference' | 'where'
    >,
  ) {
    this.id = fields.id
    this.name = fields.name
    this.jinja = fields.jinja
    this.answerChoicesText = fields.answerChoicesText
    this.metadata = fields.metadata
    this.reference = fields.reference
    this.where = fields.where
  }

  /**
   * Renders an example (`Template.apply`). The parts are stripped of white space: the input, and the target where the
   * template has one for this example; one part that is '' where the template's own condition leaves the example out.
   * @throws PROMPT_TEMPLATE naming template and line, where the text is no Jinja, fails on the example or asks for too much
   */
  apply(example: Example, { truncate = true, draw = pythonRandom(0), where }: ApplyOptions = {}): string[] {
    return this.named(where, () => {
      const template = truncate ? this.cut() : this.whole()
      if (Object.hasOwn(example, 'answer_choices')) throw restricted()
      const names = namesOf(example)
      const choices = this.renderChoices(names, draw)
      const rendered = template.render(
        new Map([...names, ['answer_choices', choices ? new List(choices) : null]]),
        draw,
      )
      return rendered.split(separator).map(part => strip(unprotected(part), 'both'))
    })
  }

  /**
   * The answer choices of an example (`get_answer_choices_list`), never cut; undefined where answers are free.
   * @throws PROMPT_TEMPLATE as apply() does
   */
  answerChoices(
    example: Example,
    { draw = pythonRandom(0), where }: Omit<ApplyOptions, 'truncate'> = {},
  ): string[] | undefined {
    return this.named(where, () => this.renderChoices(namesOf(example), draw))
  }

  /**
   * The answer choices that are the same for every example (`get_fixed_answer_choices_list`); undefined where they name
   * a field, or answers are free.
   * @throws PROMPT_TEMPLATE as apply() does
   */
  fixedAnswerChoices(): string[] | undefined {
    return this.named(undefined, () => {
      const template = this.choices()
      if (!template || template.usesNames) return undefined
      return template
        .render(new Map(), pythonRandom(0))
        .split(separator)
        .map(choice => strip(choice, 'both'))
    })
  }

  private renderChoices(names: Names, draw: Draw): string[] | undefined {
    const choices = this.choices()?.render(names, draw).split(separator)
    return choices?.map(choice => unprotected(strip(choice, 'both')))
  }

  private cut(): Template {
    const text = () => this.jinja.replaceAll('}}', ` | string | truncate(${maxPrinted}) }}`)
    this.compiled.cut ??= new Template(text(), promptEnvironment)
    return this.compiled.cut
  }

  private whole(): Template {
    this.compiled.whole ??= new Template(this.jinja, promptEnvironment)
    return this.compiled.whole
  }

  private choices(): Template | undefined {
    if (this.answerChoicesText === undefined) return undefined
    this.compiled.choices ??= new Template(this.answerChoicesText, promptEnvironment)
    return this.compiled.choices
  }

  /** Puts the template's name and place before what goes wrong in it. */
  private named<T>(where: string | undefined, run: () => T): T {
    try {
      return run()
    } catch (error) {
      if (!(error instanceof TemplateProblem)) throw error
      const line = error.line === undefined ? '' : `, line ${error.line} of its text`
      const template = `${where === undefined ? '' : `${where}: `}the template "${this.name}" (${this.where}${line})`
      throw new MtLlamaError('PROMPT_TEMPLATE', `${template} ${describe(error)}.`, { cause: error })
    }
  }
}

function describe({ fault, exception, message }: TemplateProblem): string {
  switch (fault) {
    case 'syntax':
      return `is not valid Jinja: ${message}`
    case 'budget':
      return `is stopped: ${message}`
    case 'failed':
      return `does not render: ${exception}: ${message}`
  }
}

function restricted(): TemplateProblem {
  const error = new TemplateError("Example contains the restricted key 'answer_choices'.", 'ValueError')
  return new TemplateProblem('failed', error, error)
}

/** The example's fields as the template sees them: separators in the texts among them are stood for. */
function namesOf(example: Example): Names {
  return readNames(
    Object.entries(example)
      .filter(([, value]) => value !== undefined)
      .map(([name, value]) => [
        name,
        typeof value === 'string' ? value.replaceAll(separator, standIn) : value,
      ]),
  )
}

function unprotected(text: string): string {
  return text.replaceAll(standIn, separator)
}
