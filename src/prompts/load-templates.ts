// Finds the templates of a data set in a folder laid out as promptsource's own: DATASET/templates.yaml, DATASET/SUBSET/templates.yaml.
import { readdir, readFile } from 'node:fs/promises'
import path from 'node:path'
import { MtLlamaError } from '../errors.ts'
import type { PromptTemplate } from './prompt-template.ts'

const fileName = 'templates.yaml'

/**
 * Loads the templates of a data set in the order of their names.
 * @param folder the folder `promptsource/templates` of a copy of promptsource, or one like it
 * @param dataset the name of the data set, with the subset where it has some: 'trec', 'super_glue/copa'
 * @throws DATA_NOT_FOUND naming data sets like it; PROMPT_TEMPLATE naming file and line
 */
export async function loadTemplates(folder: string, dataset: string): Promise<PromptTemplate[]> {
  // The YAML library is loaded once it is needed: bundles of ES modules cannot hold it.
  const { parseTemplates } = await import('./templates-file.ts')
  const parts = dataset.split('/')
  if (/[\0\\]/.test(dataset) || parts.some(part => part === '' || part === '.' || part === '..'))
    throw new MtLlamaError(
      'INVALID_ARGUMENT',
      `${JSON.stringify(dataset)} is no name of a data set; expected one like trec or super_glue/copa.`,
    )
  const file = path.join(folder, ...parts, fileName)
  let source: string
  try {
    source = await readFile(file, 'utf8')
  } catch (error) {
    throw await notFound(folder, dataset, file, error as NodeJS.ErrnoException)
  }
  return parseTemplates(source, file)
}

/** Lists the data sets that a folder has templates for, in the order of their names. @throws DATA_NOT_FOUND */
export async function listTemplateSets(folder: string): Promise<string[]> {
  const files = await readdir(folder, { recursive: true }).catch((error: Error) => {
    throw new MtLlamaError('DATA_NOT_FOUND', `${folder}: cannot be read (${error.message}). ${expected}`)
  })
  return files
    .map(file => file.split(path.sep))
    .filter(parts => parts.length > 1 && parts.at(-1) === fileName)
    .map(parts => parts.slice(0, -1).join('/'))
    .sort()
}

const expected = 'Expected the folder promptsource/templates of a copy of promptsource, or one like it.'

async function notFound(
  folder: string,
  dataset: string,
  file: string,
  error: NodeJS.ErrnoException,
): Promise<MtLlamaError> {
  if (error.code !== 'ENOENT' && error.code !== 'ENOTDIR')
    return new MtLlamaError('DATA_NOT_FOUND', `${file}: cannot be read (${error.message}).`)
  const sets = await listTemplateSets(folder)
  if (sets.length === 0)
    return new MtLlamaError('DATA_NOT_FOUND', `${folder}: holds no ${fileName} of a data set. ${expected}`)
  const near = nearest(dataset, sets)
  const hint =
    near.length > 0
      ? `names like it: ${near.join(', ')}`
      : `there are ${sets.slice(0, 8).join(', ')}${sets.length > 8 ? ` and ${sets.length - 8} more` : ''}`
  return new MtLlamaError('DATA_NOT_FOUND', `${dataset}: no templates in ${folder}; ${hint}.`)
}

/** Maximum names that a message lists. */
const maxNear = 8

/** The names that share at least half of their pairs of letters with the wanted one, or begin with it; the nearest first. */
function nearest(wanted: string, names: readonly string[]): string[] {
  const pairs = pairsOf(wanted)
  return names
    .map(name => {
      const others = pairsOf(name)
      const common = [...pairs].filter(pair => others.has(pair)).length
      const likeness = (2 * common) / (pairs.size + others.size)
      return { name, likeness: name.startsWith(`${wanted}/`) ? 2 : likeness }
    })
    .filter(({ likeness }) => likeness >= 0.5)
    .sort((a, b) => b.likeness - a.likeness)
    .slice(0, maxNear)
    .map(({ name }) => name)
}

function pairsOf(name: string): Set<string> {
  const letters = name.toLowerCase().replace(/[^a-z0-9]/g, '')
  return new Set(Array.from(letters.slice(1), (letter, i) => letters[i]! + letter))
}
