// Finds the rows of a task file's splits: files named in it, or a local copy of a data set in a folder.
import { extname, isAbsolute, join } from 'node:path'
import { endings, findDataFiles } from '../../data/data-files.ts'
import { MtLlamaError, oneOf } from '../../errors.ts'
import type { TaskDefinition } from './definition.ts'
import type { YamlValue } from './yaml-value.ts'

/** The readers of Hugging Face's datasets that take files. */
const readers = ['json', 'parquet', 'csv']

/** What files of a split may be called, as Hugging Face's datasets finds them. */
const fileNames: ReadonlyMap<string, readonly string[]> = new Map([
  ['train', ['train', 'training']],
  ['validation', ['validation', 'valid', 'dev', 'val']],
  ['test', ['test', 'testing', 'eval']],
])

/** The split that is evaluated: test, else validation. @throws TASK where there is neither */
export function evaluatedSplit({ splits, value, name }: TaskDefinition): YamlValue {
  const split = splits.test ?? splits.validation
  if (split) return split
  throw value.error(`${name} has neither test_split nor validation_split`)
}

/** The split that shots are taken from: fewshot_split, else training, validation, test. */
export function fewShotSplit({ splits, fewShot }: TaskDefinition): YamlValue | undefined {
  return fewShot.split ?? splits.training ?? splits.validation ?? splits.test
}

/**
 * The files of a split.
 * @param dataRoot what paths in task files are relative to
 * @throws TASK for a split that the file does not name files of, DATA_NOT_FOUND
 */
export async function filesOfSplit(
  { data, title }: TaskDefinition,
  split: YamlValue,
  dataRoot: string,
): Promise<string[]> {
  const name = split.text('a split')
  const path = data.path.text('dataset_path')
  const inRoot = (file: string) => (isAbsolute(file) ? file : join(dataRoot, file))
  if (data.files) {
    if (!readers.includes(path))
      throw data.path.error(
        `dataset_path ${JSON.stringify(path)} with data_files; expected ${readers.join(', ')}`,
      )
    const files = data.files.get(name)
    if (files) return files.texts(`data_files of ${name}`).map(file => checked(inRoot(file), files))
    throw split.error(
      `no data_files for the split ${JSON.stringify(name)}; there are some for ${[...data.files.keys()].join(', ') || 'none'}`,
    )
  }
  if (readers.includes(path))
    throw data.path.error(`dataset_path ${path} without data_files in dataset_kwargs`)
  const folder = join(inRoot(path), data.name ?? '')
  try {
    return await findDataFiles(title, folder, fileNames.get(name) ?? [name])
  } catch (error) {
    if (!(error instanceof MtLlamaError) || error.code !== 'DATA_NOT_FOUND') throw error
    throw new MtLlamaError(
      'DATA_NOT_FOUND',
      `${split.where}: no data of the split ${JSON.stringify(name)}. ${error.message} A dataset_path is a folder inside ${dataRoot}, or json with data_files.`,
    )
  }
}

function checked(file: string, value: YamlValue): string {
  if (/[*?[\]]/.test(file))
    throw value.error(`${JSON.stringify(file)} is a pattern; expected the name of a file`)
  if (endings.includes(extname(file))) return file
  throw value.error(`${JSON.stringify(file)} is no file of rows; expected one that ends in ${oneOf(endings)}`)
}
