// What the options --regex and --json-schema let answers be.
import { type Command, InvalidArgumentError, Option } from 'commander'
import { notReadable, openData } from '../data/lines.ts'
import { MtLlamaError } from '../errors.ts'
import { type Constraint, readConstraint } from '../generation/constraint/option.ts'

export interface ConstraintOptions {
  regex?: string
  jsonSchema?: string
}

export function addConstraintOptions(command: Command): Command {
  return command
    .addOption(
      new Option('--regex <pattern>', 'answers match this regular expression as a whole').argParser(regex),
    )
    .addOption(
      new Option(
        '--json-schema <file>',
        'answers are JSON that is valid for the schema in the file',
      ).conflicts('regex'),
    )
}

function regex(pattern: string): string {
  try {
    readConstraint({ regex: pattern })
    return pattern
  } catch (error) {
    if (!(error instanceof MtLlamaError)) throw error
    throw new InvalidArgumentError(
      `${error.reworded(term => (term.kind === 'option' ? '--regex' : undefined)).message}.`,
    )
  }
}

/**
 * The constraint that the options ask for; none without them.
 * @throws DATA_NOT_FOUND; DATA_INVALID naming the file and what is wrong in it
 */
export async function constraintOf({
  regex,
  jsonSchema,
}: ConstraintOptions): Promise<{ constraint?: Constraint }> {
  if (regex !== undefined) return { constraint: { regex } }
  return jsonSchema === undefined ? {} : { constraint: { jsonSchema: await readSchema(jsonSchema) } }
}

async function readSchema(file: string): Promise<object | boolean> {
  const invalid = (message: string, cause: unknown) =>
    new MtLlamaError('DATA_INVALID', `${file}: ${message}.`, { cause })
  let schema: object | boolean
  try {
    await using handle = await openData(file)
    schema = JSON.parse(await handle.readFile('utf8')) as object | boolean
  } catch (error) {
    if (error instanceof SyntaxError) throw invalid(`is not JSON (${error.message})`, error)
    throw notReadable(file, error)
  }
  try {
    readConstraint({ jsonSchema: schema })
    return schema
  } catch (error) {
    if (!(error instanceof MtLlamaError)) throw error
    throw invalid(error.reworded(term => (term.kind === 'option' ? 'the schema' : undefined)).message, error)
  }
}
