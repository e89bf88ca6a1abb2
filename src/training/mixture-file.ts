// Reads a mixture from a YAML file (docs/mixtures.md); what is unknown is refused by name and line.
import { basename } from 'node:path'
import { checkNested } from '../tasks/yaml/keys.ts'
import { readYaml, type YamlValue } from '../tasks/yaml/yaml-value.ts'
import { type Mixture, maxExamplesOfSet, type TrainingSet } from './mixture.ts'
import { foldersOf, t0Mixture, t0Sets } from './t0-mixture.ts'

const keysOfFile = ['mixture', 'max_examples', 'sets']
const keysOfSet = ['set', 'templates', 'folder', 'split', 'size', 'weight', 'aliases', 'defaults']

/**
 * The mixture of a name or a file.
 * @param name 't0', or the path of a YAML file
 * @throws TRAINING naming file and line
 */
export async function loadMixture(name: string): Promise<Mixture> {
  return name === t0Mixture.name ? t0Mixture : readMixture(await readYaml(name, 'TRAINING'))
}

export function readMixture(root: YamlValue): Mixture {
  const entries = root.entries('a mixture')
  checkNested(entries, 'a mixture', keysOfFile)
  const list = entries.get('sets')
  if (!list?.isList) throw (list ?? root).error('no "sets"; a mixture lists its sets, as "- set: trec"')
  const sets = list.items().map(readSet)
  if (sets.length === 0) throw list.error('"sets" is empty; a mixture has at least one')
  return {
    name: entries.get('mixture')?.text('mixture') ?? basename(root.file).replace(/\.ya?ml$/, ''),
    maxExamples: entries.get('max_examples')?.integer('max_examples', 1) ?? maxExamplesOfSet,
    sets,
  }
}

function readSet(value: YamlValue): TrainingSet {
  if (value.isText) return setNamed(value.text('a set'), value)
  const entries = value.entries('a set')
  checkNested(entries, 'a set', keysOfSet)
  const nameValue = entries.get('set')
  if (!nameValue)
    throw value.error('no "set"; expected the name of a set of promptsource, as trec or glue/mrpc')
  const known = setNamed(nameValue.text('set'), nameValue)
  const size = entries.get('size')?.integer('size', 1)
  const split = entries.get('split')?.text('split')
  return {
    ...known,
    ...(size !== undefined && { size }),
    ...(split !== undefined && { split }),
    folders: entries.get('folder')?.texts('folder') ?? known.folders,
    templates: readTemplates(entries.get('templates')) ?? known.templates,
    weight: entries.get('weight')?.positive('weight') ?? 1,
    aliases: readAliases(entries.get('aliases')) ?? known.aliases,
    defaults: readDefaults(entries.get('defaults')) ?? known.defaults,
  }
}

/** A set by its name alone: rows at hand count for its cap, and what T0 knows of it beside. */
function setNamed(name: string, value: YamlValue): TrainingSet {
  if (/[\0\\]/.test(name) || name.split('/').some(part => part === '' || part === '.' || part === '..'))
    throw value.error(`${JSON.stringify(name)} is no name of a set; expected one like trec or glue/mrpc`)
  const known = t0Sets.get(name)
  if (known) {
    const { size, ...rest } = known
    return { ...rest, templates: 'all' }
  }
  return {
    name,
    folders: foldersOf(name),
    templates: 'all',
    weight: 1,
    fields: [],
    aliases: {},
    defaults: {},
  }
}

function readTemplates(value: YamlValue | undefined): TrainingSet['templates'] | undefined {
  if (!value) return undefined
  if (!value.isText) {
    const names = value.texts('templates')
    if (names.length === 0) throw value.error('templates is empty; expected all, original or a list of names')
    return names
  }
  const text = value.text('templates')
  if (text === 'all' || text === 'original') return text
  throw value.error(`templates is ${JSON.stringify(text)}; expected all, original or a list of names`)
}

function readAliases(value: YamlValue | undefined): TrainingSet['aliases'] | undefined {
  if (!value) return undefined
  return Object.fromEntries(
    Array.from(value.entries('aliases'), ([field, alias]) => [field, alias.text(`the alias of ${field}`)]),
  )
}

function readDefaults(value: YamlValue | undefined): TrainingSet['defaults'] | undefined {
  if (!value) return undefined
  return Object.fromEntries(Array.from(value.entries('defaults'), ([field, one]) => [field, one.plain()]))
}
