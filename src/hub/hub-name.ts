// Reads what people call a checkpoint of the hub: its repository, and of several GGUF models the file.
import type { ModelName } from './pull-model.ts'
import { isRepoId } from './repo.ts'

/** ORG/NAME or ORG/NAME/FILE.gguf; undefined for any other text. */
export function hubName(text: string, revision = 'main'): ModelName | undefined {
  const [org, name, ...rest] = text.split('/')
  const id = `${org}/${name}`
  const gguf = rest.length > 0 ? rest.join('/') : undefined
  if (name === undefined || !isRepoId(id)) return undefined
  if (gguf !== undefined && (!/\.gguf$/i.test(gguf) || rest.includes('') || rest.includes('..')))
    return undefined
  return { repo: { type: 'model', id, revision }, gguf }
}
