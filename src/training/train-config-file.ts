// Reads the configuration of a training run from a YAML file (docs/training.md); what is wrong is told by file and line.
import { Document, parseDocument } from 'yaml'
import { MtLlamaError } from '../errors.ts'
import { readYaml, type YamlValue } from '../tasks/yaml/yaml-value.ts'
import { settingsOf, type TrainKey, type TrainSettings, trainKeys } from './train-config.ts'

/** A setting that goes before the file's. */
export interface Override {
  /** 'learning_rate', or 'lora.rank' */
  name: string
  /** As YAML has it. */
  text: string
}

/** @throws TRAINING naming file and line, or the override */
export async function loadTrainConfig(
  file: string,
  overrides: readonly Override[] = [],
): Promise<TrainSettings> {
  return readTrainConfig(await readYaml(file, 'TRAINING'), overrides)
}

export function readTrainConfig(root: YamlValue, overrides: readonly Override[] = []): TrainSettings {
  const given: Partial<Record<TrainKey, unknown>> = {}
  const errors = new Map<TrainKey, (message: string) => MtLlamaError>()
  const take = (name: string, value: () => unknown, error: (message: string) => MtLlamaError) => {
    const key = trainKeys.find(key => fileName(key) === name)
    if (!key) throw error(`unknown key "${name}"; there are ${trainKeys.map(fileName).join(', ')}`)
    given[key] = value()
    errors.set(key, error)
  }
  for (const [name, value] of root.entries('a configuration'))
    take(
      name,
      () => value.plain(),
      message => value.error(message),
    )
  for (const { name, text } of overrides) {
    const [section, key] = name.startsWith('lora.') ? (['lora', name.slice('lora.'.length)] as const) : [name]
    take(
      section,
      () => (key === undefined ? yamlValue(text) : { ...(given.lora as object), [key]: yamlValue(text) }),
      message => new MtLlamaError('TRAINING', `--set ${name}=${text}: ${message}.`),
    )
  }
  return settingsOf(given, {
    name: fileName,
    error: (key, message) => {
      const at = key === undefined ? undefined : errors.get(key)
      return at ? at(message) : new MtLlamaError('TRAINING', `${root.file}: ${message}.`)
    },
  })
}

/** The file that says the same as these settings. */
export function trainConfigText(settings: TrainSettings): string {
  const entries = trainKeys.flatMap(key => {
    const value = key === 'preset' ? undefined : settings[key]
    return value === undefined ? [] : [[fileName(key), value] as const]
  })
  return new Document(Object.fromEntries(entries), { version: '1.1' }).toString()
}

/** The setting's name in a file: 'max_length'. */
export function fileName(key: TrainKey): string {
  return key.replace(/[A-Z]/g, letter => `_${letter.toLowerCase()}`)
}

function yamlValue(text: string): unknown {
  const document = parseDocument(text, { version: '1.1' })
  return document.errors.length > 0 ? text : document.toJS()
}
