// What names a repository of the hub, checked: these names become parts of addresses and of folders' names.
import { shown } from '../data/shown.ts'
import { MtLlamaError } from '../errors.ts'

export interface Repo {
  type: 'model' | 'dataset'
  /** 'org/name', or the bare name of a repository of the hub's first days. */
  id: string
  /** A branch, a tag or a commit. */
  revision: string
}

/** @throws INVALID_ARGUMENT */
export function checkRepo(repo: Repo): Repo {
  if (!isRepoId(repo.id))
    throw new MtLlamaError(
      'INVALID_ARGUMENT',
      `${shown(repo.id)} is no name of a repository of the hub; expected ORG/NAME, such as HuggingFaceTB/SmolLM2-135M`,
    )
  // What git allows in the name of a branch, less what would leave the folder that refs are kept in.
  if (
    !/^[\w.@+-]+(\/[\w.@+-]+)*$/.test(repo.revision) ||
    repo.revision.split('/').some(part => /^\.+$/.test(part))
  )
    throw new MtLlamaError(
      'INVALID_ARGUMENT',
      `${shown(repo.revision)} is no revision; expected a branch, a tag or a commit, such as main`,
    )
  return repo
}

/** By the hub's rules: letters, digits, '-', '_' and '.', no '--' and no '..', no '-' or '.' at either end. */
export function isRepoId(text: string): boolean {
  return (
    /^(\w[\w.-]*\/)?\w[\w.-]*$/.test(text) &&
    text.length <= 96 &&
    text.split('/').every(part => !/--|\.\.|[.-]$|\.git$/.test(part))
  )
}

export const commitPattern = /^[0-9a-f]{40}$/

/** The name of a repository for messages: 'org/name' or 'the dataset org/name, at main'. */
export function repoName({ type, id, revision }: Repo): string {
  return `${type === 'dataset' ? 'the dataset ' : ''}${id}${revision === 'main' ? '' : ` at ${revision}`}`
}
