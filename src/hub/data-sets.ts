// The evaluation sets that are fetched: where the hub has each, and under which name `eval --data-dir` looks for it.
import { MtLlamaError } from '../errors.ts'

/** One table of a data set of the hub. */
export interface DataSet {
  /** Its name, which is its task's: 'squad', 'xnli_de'. */
  name: string
  /** The repository's id. */
  repo: string
  /** What the hub calls the table, and the part of it: 'plain_text', 'validation'. Undefined: `file` says where it is. */
  table?: { config: string; split: string }
  /** The path of the one file, where the repository has no Parquet. */
  file?: string
  /** The folder of docs/data.md. */
  folder: string
  /** The file's path there, without its ending or the numbers of its shards. */
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

/** A set of one table a language, and the name that stands for all of them; `set` begins the names of the languages' tasks. */
interface Family {
  name: string
  set: string
  languages: string
  of: (language: string) => Omit<DataSet, 'name' | 'folder'>
}

/** The table that a repository has for each language, under the language's name. */
const byLanguage = (repo: string, split: string) => (language: string) => ({
  ...{ repo, table: { config: language, split } },
  stem: `${language}/${split}`,
})

/**
 * The sets in several languages. Seen in public programs: the files of xquad, mlqa, xnli, xwinograd and pawsx. That xcopa was
 * converted to Parquet is in its history on the hub. xstorycloze has TSV files with other fields, and Parquet only as the
 * hub converts it, which was not seen.
 */
const families: readonly Family[] = [
  {
    ...{ name: 'xquad-all', set: 'xquad', languages: 'en ar de el es hi ru th tr vi zh ro' },
    of: language => ({
      ...{ repo: 'google/xquad', table: { config: `xquad.${language}`, split: 'validation' } },
      stem: `xquad.${language}`,
    }),
  },
  {
    ...{ name: 'mlqa-all', set: 'mlqa', languages: 'en es de ar hi vi zh' },
    of: language => ({
      ...{ repo: 'google/xtreme', table: { config: `MLQA.${language}.${language}`, split: 'test' } },
      stem: `test-context-${language}-question-${language}`,
    }),
  },
  {
    ...{ name: 'xnli', set: 'xnli', languages: 'en zh es de ar ur ru bg el fr hi sw th tr vi' },
    of: byLanguage('facebook/xnli', 'test'),
  },
  {
    ...{ name: 'xcopa', set: 'xcopa', languages: 'et ht id it qu sw ta th tr vi zh' },
    of: byLanguage('cambridgeltl/xcopa', 'test'),
  },
  {
    ...{ name: 'xwinograd', set: 'xwinograd', languages: 'en fr jp pt ru zh' },
    of: language => ({
      ...{ repo: 'Muennighoff/xwinograd', file: `test/${language}.jsonl` },
      stem: `test/${language}`,
    }),
  },
  {
    ...{ name: 'xstorycloze', set: 'xstorycloze', languages: 'en ru zh es ar hi id te sw eu my' },
    of: byLanguage('juletxara/xstory_cloze', 'eval'),
  },
  {
    ...{ name: 'pawsx', set: 'pawsx', languages: 'en de es fr ja ko zh' },
    of: byLanguage('google-research-datasets/paws-x', 'test'),
  },
]

const goldp = card.find(({ name }) => name === 'tydiqa')!

/** By name, as tasks are named: 'squad', 'xnli_de'. */
const sets: ReadonlyMap<string, DataSet> = new Map(
  [
    ...card,
    {
      ...{ name: 'mnli_mismatched', repo: glue, table: { config: 'mnli', split: 'validation_mismatched' } },
      ...{ folder: 'mnli', stem: 'validation_mismatched' },
    },
    // One file has the rows of nine languages.
    ...'ar bn fi id ko ru sw te'.split(' ').map(language => ({ ...goldp, name: `tydiqa_${language}` })),
    ...families.flatMap(({ set, languages, of }) =>
      languages.split(' ').map(language => ({ name: `${set}_${language}`, folder: set, ...of(language) })),
    ),
  ].map(set => [set.name, set]),
)

/** Every name that stands for several sets. */
const groups: ReadonlyMap<string, readonly DataSet[]> = new Map([
  ['card', card],
  ['tydiqa-all', [goldp]],
  ...families.map(
    ({ name, set, languages }) =>
      [name, languages.split(' ').map(language => sets.get(`${set}_${language}`)!)] as const,
  ),
])

/** Every name that findDataSets() takes but those of single languages, for people. */
export const dataSetNames: readonly string[] = [
  'card',
  ...card.map(({ name }) => name),
  'mnli_mismatched',
  ...[...groups.keys()].filter(name => name !== 'card'),
]

/**
 * The sets that names stand for, each file once: those of tasks and of sets of tasks, and 'card' for the eleven of the card.
 * @throws INVALID_ARGUMENT naming what there is
 */
export function findDataSets(names: readonly string[]): DataSet[] {
  const found = names.flatMap(name => {
    const named = groups.get(name) ?? sets.get(name)
    if (named !== undefined) return named
    if (/^marc\b/.test(name))
      throw new MtLlamaError(
        'INVALID_ARGUMENT',
        `${name}: amazon_reviews_multi was withdrawn from the hub by its owner; bring a copy of your own (docs/data.md)`,
      )
    const family = families.find(({ set }) => name.startsWith(`${set}_`))
    const known = family
      ? `${family.set} is there in ${family.languages}; ${family.name} stands for all`
      : `expected ${dataSetNames.join(', ')}, or a language of a set, such as xnli_de`
    throw new MtLlamaError('INVALID_ARGUMENT', `${name}: no such set; ${known}`)
  })
  // xquad and xquad_en are one file.
  const byFile = new Map(found.map(set => [`${set.folder}/${set.stem}`, set]))
  return [...byFile.values()]
}
