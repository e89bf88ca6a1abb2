// Finds a Hugging Face directory's chat template, where transformers looks for it.
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { isRecord } from '../../data/record.ts'
import { shown } from '../../data/shown.ts'
import { MtLlamaError } from '../../errors.ts'
import { fileSize, folderEntries, pathKind } from '../files.ts'
import type { JsonObject } from '../json.ts'

export interface FoundTemplate {
  /** Jinja source. */
  chatTemplate: string | undefined
  /** The file that holds it, for messages. */
  chatTemplateFile: string | undefined
}

const FILE = 'chat_template.jinja'
const FOLDER = 'additional_chat_templates'
const CONFIG = 'tokenizer_config.json'

/** Ten times the longest template that is known. */
const MAX_BYTES = 2 ** 20

/**
 * The template that transformers takes without tools. Files go before tokenizer_config.json: chat_template.jinja, and
 * those of additional_chat_templates by their names; there it is a text, or named ones. Of named ones it is `default`.
 * @param warnings gets a line where there are templates, but none that is taken
 * @throws CHECKPOINT_CORRUPT for a file that is too large
 */
export async function findChatTemplate(
  path: string,
  tokenizerConfig: JsonObject | undefined,
  warnings: string[],
): Promise<FoundTemplate> {
  const files = await templateFiles(path)
  const file = files.get('default')
  if (file !== undefined) return { chatTemplate: await readTemplate(path, file), chatTemplateFile: file }
  const stated = files.size > 0 ? undefined : tokenizerConfig?.chat_template
  if (typeof stated === 'string') return { chatTemplate: stated, chatTemplateFile: CONFIG }
  const named = namedTemplates(stated)
  const template = named.get('default')
  if (typeof template === 'string') return { chatTemplate: template, chatTemplateFile: CONFIG }
  const names = [...files.keys(), ...named.keys()]
  if (names.length > 0)
    warnings.push(
      `${files.size > 0 ? FOLDER : CONFIG}: no chat template is named "default", so none is used: ${shown(names)}`,
    )
  else if (stated !== undefined && stated !== null)
    warnings.push(
      `${CONFIG}: "chat_template" is ${shown(stated)}, which is no template; expected a text, or a list of { name, template }`,
    )
  return { chatTemplate: undefined, chatTemplateFile: undefined }
}

/** Names of templates that are files, and the files. */
async function templateFiles(path: string): Promise<Map<string, string>> {
  const files = new Map<string, string>()
  if ((await pathKind(join(path, FILE))) === 'file') files.set('default', FILE)
  if ((await pathKind(join(path, FOLDER))) === 'folder')
    for (const name of (await folderEntries(join(path, FOLDER))).sort())
      if (name.endsWith('.jinja')) files.set(name.slice(0, -'.jinja'.length), join(FOLDER, name))
  return files
}

async function readTemplate(path: string, file: string): Promise<string> {
  const bytes = await fileSize(join(path, file))
  if (bytes > MAX_BYTES)
    throw new MtLlamaError(
      'CHECKPOINT_CORRUPT',
      `${file}: ${bytes} bytes; at most ${MAX_BYTES} are read of a chat template`,
    )
  return readFile(join(path, file), 'utf8')
}

/** A list of { name, template }, or an object of them. */
function namedTemplates(stated: unknown): Map<string, unknown> {
  if (isRecord(stated)) return new Map(Object.entries(stated))
  const named = new Map<string, unknown>()
  for (const entry of Array.isArray(stated) ? stated : [])
    if (isRecord(entry) && typeof entry.name === 'string') named.set(entry.name, entry.template)
  return named
}
