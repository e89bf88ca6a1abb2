// The evaluation sets that are fetched: where the hub has each, and under which name `eval --data-dir` looks for it.
import { MtLlamaError } from '../errors.ts'

/** One table of a data set of the hub. */
export interface DataSet {
  /** Its name on the command line: 'squad', 'xnli.de'. */
  name: string
  /** The repository's id. */
  repo: string
  /** What the hub calls the table, and the part of it: 'plain_text', 'validation'. Undefined: `file` says where it is. */
  table?: { config: string; split: string }
  /** The path of the one file, where the repository has no Parquet. */
  file?: string
  /** The folder of docs/data.md. */
  folder: string
  /** The file's name there, without its ending or the numbers of its shards. */
  stem: string
}

const glue = 'nyu-mll/glue'
const superGlue = 'aps/super_glue'
const tydiqa = 'google-research-datasets/tydiqa'

/**
 * The tasks of the model card. The hub could not be asked when this table was made: each repository and folder was seen in
 * public programs that read these very files. facebook/mlqa has a loading script and no files of its own; google/xtreme has
 * its rows as Parquet.
 */
const card: readonly DataSet[] = (
  [
    ['squad', 'rajpurkar/squad', 'plain_text', 'validation', 'validation'],
    ['xquad', 'google/xquad', 'xquad.en', 'validation', 'xquad.en'],
    ['mlqa', 'google/xtreme', 'MLQA.en.en', 'test', 'test-context-en-question-en'],
    ['tydiqa', tydiqa, 'secondary_task', 'validation', 'validation'],
    ['sst2', glue, 'sst2', 'validation', 'validation'],
    ['openbookqa', 'allenai/openbookqa', 'main', 'test', 'test'],
    ['copa', superGlue, 'copa', 'validation', 'validation'],
    ['winogrande', 'allenai/winogrande', 'winogrande_xl', 'validation', 'validation'],
    ['wic', superGlue, 'wic', 'validation', 'validation'],
    ['mnli', glue, 'mnli', 'validation_matched', 'validation_matched'],
    ['rte', glue, 'rte', 'validation', 'validation'],
  ] as const
).map(([name, repo, config, split, stem]) => ({ name, repo, table: { config, split }, folder: name, stem }))

/** A set of one table a language. */
interface Family {
  name: string
  languages: string
  of: (language: string) => Omit<DataSet, 'name' | 'folder'>
}

/**
 * The sets in several languages. Seen in public programs: the files of xquad, mlqa, xnli, xwinograd and pawsx. That xcopa was
 * converted to Parquet is in its history on the hub. xstorycloze has TSV files with other fields, and Parquet only as the
 * hub converts it, which was not seen.
 */
const families: readonly Family[] = [
  {
    name: 'xquad',
    languages: 'ar de el en es hi ro ru th tr vi zh',
    of: language => ({
      repo: 'google/xquad',
      table: { config: `xquad.${language}`, split: 'validation' },
      stem: `xquad.${language}`,
    }),
  },
  {
    name: 'mlqa',
    languages: 'ar de en es hi vi zh',
    of: language => ({
      repo: 'google/xtreme',
      table: { config: `MLQA.${language}.${language}`, split: 'test' },
      stem: `test-context-${language}-question-${language}`,
    }),
  },
  {
    name: 'xnli',
    languages: 'ar bg de el en es fr hi ru sw th tr ur vi zh',
    of: language => ({
      repo: 'facebook/xnli',
      table: { config: language, split: 'test' },
      stem: `xnli.${language}`,
    }),
  },
  {
    name: 'xcopa',
    languages: 'et ht id it qu sw ta th tr vi zh',
    of: language => ({
      repo: 'cambridgeltl/xcopa',
      table: { config: language, split: 'test' },
      stem: `xcopa.${language}`,
    }),
  },
  {
    name: 'xstorycloze',
    languages: 'ar en es eu hi id my ru sw te zh',
    of: language => ({
      repo: 'juletxara/xstory_cloze',
      table: { config: language, split: 'eval' },
      stem: `xstorycloze.${language}`,
    }),
  },
  {
    name: 'xwinograd',
    languages: 'en fr jp pt ru zh',
    of: language => ({
      repo: 'Muennighoff/xwinograd',
      file: `test/${language}.jsonl`,
      stem: `xwinograd.${language}`,
    }),
  },
  {
    name: 'pawsx',
    languages: 'de en es fr ja ko zh',
    of: language => ({
      repo: 'google-research-datasets/paws-x',
      table: { config: language, split: 'test' },
      stem: `pawsx.${language}`,
    }),
  },
]

const mismatched: DataSet = {
  ...{ name: 'mnli_mismatched', repo: glue, table: { config: 'mnli', split: 'validation_mismatched' } },
  ...{ folder: 'mnli', stem: 'validation_mismatched' },
}

const sets: readonly DataSet[] = [
  ...card,
  mismatched,
  ...families.flatMap(({ name, languages, of }) =>
    languages.split(' ').map(language => ({ name: `${name}.${language}`, folder: name, ...of(language) })),
  ),
]

/** Sets of the evaluation that cannot be had, and why. */
const gone: Readonly<Record<string, string>> = {
  marc: 'amazon_reviews_multi was withdrawn from the hub by its owner; bring a copy of your own',
}

/** Every name that findDataSets() takes, for people. */
export const dataSetNames: readonly string[] = [
  'card',
  ...card.map(({ name }) => name),
  mismatched.name,
  ...families.flatMap(({ name }) => [`${name}.LANGUAGE`, `${name}.all`]),
]

/**
 * The sets that names stand for, each once: 'card' is the eleven of the card, 'xnli.de' one language of a set, 'xnli.all'
 * all of them.
 * @throws INVALID_ARGUMENT naming what there is
 */
export function findDataSets(names: readonly string[]): DataSet[] {
  const found = names.flatMap(name => {
    const withdrawn = gone[name.split(/[.-]/)[0]!]
    if (withdrawn !== undefined) throw new MtLlamaError('INVALID_ARGUMENT', `${name}: ${withdrawn}`)
    if (name === 'card') return card
    const family = name.endsWith('.all') ? name.slice(0, -'all'.length) : undefined
    const named = sets.filter(set => set.name === name || (family && set.name.startsWith(family)))
    if (named.length > 0) return named
    const languages = families.find(each => name.startsWith(`${each.name}.`))?.languages
    const known = languages
      ? `${name.split('.')[0]} is there in ${languages}, or all`
      : `expected ${dataSetNames.join(', ')}`
    throw new MtLlamaError('INVALID_ARGUMENT', `${name}: no such set; ${known}`)
  })
  // xquad and xquad.en are one file.
  const byFile = new Map(found.map(set => [`${set.folder}/${set.stem}`, set]))
  return [...byFile.values()]
}
