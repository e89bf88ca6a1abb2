// Reads a templates.yaml of promptsource: YAML as PyYAML reads it, with the tags !Template and !TemplateMetadata.
import { isMap, isScalar, LineCounter, parseDocument, type Tags, type YAMLMap } from 'yaml'
import { boolean, FieldReader, listOf, object, text } from '../data/fields.ts'
import { MtLlamaError } from '../errors.ts'
import { PromptTemplate } from './prompt-template.ts'

const nullTag = 'tag:yaml.org,2002:null'
const booleanTag = 'tag:yaml.org,2002:bool'

/**
 * The tags that promptsource writes. Every plain word but the empty ones and those of a truth is a text: PyYAML writes quotes
 * around texts that it would read as anything else.
 */
const customTags: Tags = [
  { tag: '!Template', collection: 'map', resolve: map => map },
  { tag: '!TemplateMetadata', collection: 'map', resolve: map => map },
  { tag: nullTag, default: true, test: /^(?:~|null|Null|NULL)?$/, resolve: () => null },
  {
    tag: booleanTag,
    default: true,
    test: /^(?:yes|Yes|YES|no|No|NO|true|True|TRUE|false|False|FALSE|on|On|ON|off|Off|OFF)$/,
    resolve: (word: string) => /^(?:y|t|on)/i.test(word),
  },
]

class Fields extends FieldReader {
  nested(name: string): Fields {
    return new Fields(this.read(name, object, {}), `${this.where}, "${name}"`)
  }

  protected error(message: string): MtLlamaError {
    return new MtLlamaError('PROMPT_TEMPLATE', `${message}.`)
  }
}

/**
 * Reads the templates of a file in the order of their names, as promptsource lists them.
 * @param source the file's text
 * @param file its name, for messages
 * @throws PROMPT_TEMPLATE naming file and line
 */
export function parseTemplates(source: string, file: string): PromptTemplate[] {
  const lines = new LineCounter()
  const broken = (what: string, place = 0) =>
    new MtLlamaError(
      'PROMPT_TEMPLATE',
      `${file}:${lines.linePos(place).line}: ${what}. Is it a templates.yaml of promptsource?`,
    )
  const found = templatesOf(source, lines, broken)
  const templates = found.map(({ key, values, line }) =>
    readTemplate(key, new Fields(values, `${file}:${line}`)),
  )
  for (const same of ['name', 'id'] as const) {
    const seen = new Map<string, PromptTemplate>()
    for (const template of templates) {
      const other = seen.get(template[same])
      if (other)
        throw new MtLlamaError(
          'PROMPT_TEMPLATE',
          `${template.where}: the ${same} "${template[same]}" is also that of the template at ${other.where}; expected one a template.`,
        )
      seen.set(template[same], template)
    }
  }
  return templates.sort((a, b) => (a.name < b.name ? -1 : 1))
}

interface Found {
  /** The template's key, its id. */
  key: string
  values: Record<string, unknown>
  line: number
}

function templatesOf(
  source: string,
  lines: LineCounter,
  broken: (what: string, place?: number) => MtLlamaError,
): Found[] {
  try {
    const document = parseDocument(source, {
      schema: 'failsafe',
      customTags,
      lineCounter: lines,
      prettyErrors: false,
    })
    const [problem] = [...document.errors, ...document.warnings]
    if (problem) throw broken(problem.message, problem.pos[0])
    const root = document.contents
    if (!isMap(root) || !root.has('templates')) throw broken('expected a mapping with "templates"')
    const templates = root.get('templates', true)
    if (isScalar(templates) && templates.value === null) return []
    if (!isMap(templates)) throw broken('"templates" is no mapping of ids to templates')
    return templates.items.map(({ key, value }) => {
      const place = (isScalar(key) && key.range?.[0]) || 0
      if (!isScalar(key) || !isMap(value) || value.tag !== '!Template')
        throw broken('expected a template: an id, and a mapping with the tag !Template', place)
      return {
        key: String(key.value),
        values: (value as YAMLMap).toJS(document, { maxAliasCount: 100 }),
        line: lines.linePos(place).line,
      }
    })
  } catch (error) {
    if (error instanceof MtLlamaError) throw error
    // The library gives up where nodes are nested too deep for the stack, and where aliases would grow without end.
    throw broken((error as Error).message)
  }
}

function readTemplate(key: string, fields: Fields): PromptTemplate {
  const metadata = fields.nested('metadata')
  const texts = (name: string) => metadata.read(name, listOf(text, 'texts'), [])
  return new PromptTemplate({
    id: fields.read('id', text, key),
    name: fields.read('name', text),
    jinja: fields.read('jinja', text),
    answerChoicesText: fields.isNull('answer_choices') ? undefined : fields.read('answer_choices', text),
    metadata: {
      originalTask: metadata.read('original_task', boolean, false),
      choicesInPrompt: metadata.read('choices_in_prompt', boolean, false),
      metrics: texts('metrics'),
      languages: texts('languages'),
    },
    reference: fields.read('reference', text, ''),
    where: fields.where,
  })
}
