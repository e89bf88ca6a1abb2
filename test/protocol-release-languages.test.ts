// Runs protocol release over made-up data of its multilingual sets, each language once, in the layouts that the sets are
// published in: where files are found, how rows become questions, and the means over languages.
import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { parquetWriteFile } from 'hyparquet-writer'
import { report } from '../src/evaluation/report.ts'
import type { RunResults } from '../src/evaluation/results.ts'
import { runToEnd } from '../src/evaluation/run.ts'
import type { Scorer } from '../src/evaluation/scorer.ts'
import { loadWork, type Work } from '../src/evaluation/work.ts'
import type { GenerateOptions } from '../src/generation/options.ts'
import type { Ask, GenerateAsk } from '../src/protocols/protocol.ts'
import { release } from '../src/protocols/release/release.ts'
import { builtInTasks, languageSets, tasksNamed } from '../src/tasks/built-in/registry.ts'
import type { Tokenizer } from '../src/tokenizer/tokenizer.ts'
import { fakeModel, settings } from './fake-model.ts'
import { bytePieces, loadModelFile, sentencePieceModel } from './tokenizer-files.ts'

/** Every row of a set says which language it is of. */
interface Layout {
  /** The set's name on the command line. */
  set: string
  languages: string
  /** Writes the data of all languages into a folder. */
  write(folder: string, languages: string[]): void
  /** What a prompt must hold of its row. */
  prompt(language: string): string
}

const jsonl = (rows: object[]) => rows.map(row => JSON.stringify(row)).join('\n')

function put(folder: string, name: string, text: string): void {
  mkdirSync(dirname(join(folder, name)), { recursive: true })
  writeFileSync(join(folder, name), text)
}

/** Writes one file for each language. */
function each(name: (language: string) => string, row: (language: string) => object): Layout['write'] {
  return (folder, languages) => {
    for (const language of languages) put(folder, name(language), jsonl([row(language)]))
  }
}

function question(language: string, id: string): object {
  return { id, question: `Q ${language}?`, context: 'C', answers: { text: ['gold'], answer_start: [0] } }
}

const qaPrompt = (language: string) => `Question: Q ${language}?. Context: C. Answer:`
const tydiqaWords: Record<string, string> = {
  ...{ en: 'english', ar: 'arabic', bn: 'bengali', fi: 'finnish', id: 'indonesian' },
  ...{ ko: 'korean', ru: 'russian', sw: 'swahili', te: 'telugu' },
}

const layouts: Layout[] = [
  {
    set: 'xnli',
    languages: 'en zh es de ar ur ru bg el fr hi sw th tr vi',
    write(folder, languages) {
      const row = (language: string) => ({ premise: `P ${language}.`, hypothesis: 'H.', label: 0 })
      for (const language of languages.slice(1))
        put(folder, `xnli/${language}/test.jsonl`, jsonl([row(language)]))
      // A process decodes each Parquet file, so there is one.
      mkdirSync(join(folder, 'xnli', 'en'))
      parquetWriteFile({
        filename: join(folder, 'xnli', 'en', 'test-00000-of-00001.parquet'),
        columnData: Object.entries(row('en')).map(([name, value]) => ({
          name,
          data: [typeof value === 'number' ? BigInt(value) : value],
        })),
      })
    },
    prompt: language => `### Human: P ${language}. Question: Does this imply that H.?`,
  },
  {
    set: 'xcopa',
    languages: 'et ht id it qu sw ta th tr vi zh',
    write: each(
      language => `xcopa/${language}/test.${language}.jsonl`,
      language => ({
        ...{ premise: `P ${language}.`, choice1: 'A', choice2: 'yes', question: 'cause', label: 1 },
        ...{ idx: 0, changed: false },
      }),
    ),
    prompt: language => `### Human: P ${language}. This happened because... Help me pick`,
  },
  {
    set: 'xwinograd',
    languages: 'en fr jp pt ru zh',
    write: each(
      language => `xwinograd/test/${language}.jsonl`,
      language => ({ sentence: `S _ ${language}.`, option1: 'A', option2: 'yes', answer: '2' }),
    ),
    prompt: language => `### Human: S _ ${language}. In the previous sentence, does _ refer to A or yes?`,
  },
  {
    set: 'xstorycloze',
    languages: 'en ru zh es ar hi id te sw eu my',
    write: each(
      language => `xstorycloze/${language}/eval.jsonl`,
      language => ({
        ...{ story_id: 'b929f263', input_sentence_1: `One ${language}.`, input_sentence_2: 'Two.' },
        ...{ input_sentence_3: 'Three.', input_sentence_4: 'Four.' },
        ...{ sentence_quiz1: 'A', sentence_quiz2: 'yes', answer_right_ending: 2 },
      }),
    ),
    prompt: language => `### Human: One ${language}. Two. Three. Four. As a consequence... Help me`,
  },
  {
    set: 'pawsx',
    languages: 'en de es fr ja ko zh',
    write(folder, languages) {
      for (const language of languages)
        put(folder, `pawsx/test-${language}.tsv`, `sentence1\tsentence2\tlabel\nA ${language}\tB\t1\n`)
    },
    prompt: language => `Sentence 1: A ${language} Sentence 2: B Question:`,
  },
  ...(['marc-2', 'marc-5'] as const).map(set => ({
    set,
    languages: 'en es fr de ja zh',
    write: (folder: string, languages: string[]) => {
      // One file, as the hub's configuration of all languages.
      const rows = languages.flatMap(language =>
        [4, 3].map(stars => ({
          ...{ review_id: `${language}_${stars}`, stars, review_title: `T ${language}`, review_body: 'B' },
          language,
        })),
      )
      for (const language of languages) put(folder, `marc/${language}/test.jsonl`, jsonl(rows))
    },
    prompt: (language: string) => `Title: T ${language} Product Review: B Based on this review`,
  })),
  {
    set: 'xquad-all',
    languages: 'en ar de el es hi ru th tr vi zh ro',
    write(folder, languages) {
      for (const language of languages) {
        const { context, ...rest } = question(language, 'q1') as { context: string }
        const qas = [{ ...rest, answers: [{ text: 'gold', answer_start: 0 }] }]
        put(
          folder,
          `xquad/xquad.${language}.json`,
          JSON.stringify({ data: [{ paragraphs: [{ context, qas }] }] }),
        )
      }
    },
    prompt: qaPrompt,
  },
  {
    set: 'mlqa-all',
    languages: 'en es de ar hi vi zh',
    write: each(
      language => `mlqa/mlqa.${language}.${language}/test.jsonl`,
      language => question(language, 'q1'),
    ),
    prompt: qaPrompt,
  },
  {
    set: 'tydiqa-all',
    languages: 'en ar bn fi id ko ru sw te',
    write(folder, languages) {
      const rows = languages.map(language => question(language, `${tydiqaWords[language]}-1`))
      put(folder, 'tydiqa/secondary_task/validation.jsonl', jsonl(rows))
    },
    prompt: qaPrompt,
  },
]

const goldOf = (ask: Ask) => (ask.kind === 'roll' ? undefined : ask.gold)

describe('languages of protocol release', () => {
  let folder: string
  let tokenizer: Tokenizer
  before(async () => {
    tokenizer = await loadModelFile(sentencePieceModel([...bytePieces, ['▁', -1]], [[35, true]]))
  })
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'mt-llama-release-'))
  })
  afterEach(() => rmSync(folder, { recursive: true }))

  /** A model that answers every prompt alike, and notes how it is asked. */
  function answering(text: (prompt: string) => string, asked: GenerateOptions[] = []): Scorer {
    return {
      ...{ ...fakeModel(), tokenizer },
      async *generateEach(prompts, options) {
        asked.push(options)
        for (const prompt of prompts) {
          const ids = prompt as number[]
          assert.equal(ids[0], 2)
          const tokens = tokenizer.encode(text(tokenizer.decode(ids)))
          yield { text: '', tokens, finishReason: 'stop', logProbs: tokens.map(() => 0), truncatedTokens: 0 }
        }
      },
    }
  }

  const load = (names: string[]): Promise<Work[]> =>
    loadWork(names.flatMap(tasksNamed), release, { dataDir: folder, limit: null })

  for (const { set, languages, write, prompt } of layouts) {
    it(`${set}: each of its languages is found, asked about and judged; then their mean`, async () => {
      const names = languages.split(' ')
      const { tasks } = languageSets.find(({ name }) => name === set)!
      assert.deepEqual([...tasks.keys()], names)
      write(folder, names)
      const work = await load([set])
      for (const [i, { task, asks, form }] of work.entries()) {
        const language = names[i]!
        assert.ok(task.title.endsWith(`-${language}`), task.title)
        assert.ok(asks[0]!.prompt.includes(prompt(language)), asks[0]!.prompt)
        assert.equal(form.metrics.includes('f1'), set.endsWith('-all'))
      }
      // Every language but the second is answered rightly.
      const right = set.endsWith('-all') ? ' gold.' : ' Yes'
      const options: GenerateOptions[] = []
      const wrong = prompt(names[1]!)
      const model = answering(text => (text.includes(wrong) ? ' A' : right), options)
      const results = await runToEnd(model, { work, settings })
      for (const { maxTokens, stop, stopIds } of options)
        assert.deepEqual({ maxTokens, stop, stopIds }, { maxTokens: 64, stop: [], stopIds: [13] })
      const [metric] = work[0]!.form.headline
      const scores = work.map(({ task }) => results.tasks[task.name]!.metrics[metric!]!.value)
      if (set === 'marc-5')
        assert.deepEqual(
          scores,
          names.map((_, i) => (i === 1 ? 0 : 0.5)),
        )
      else
        assert.deepEqual(
          scores,
          names.map((_, i) => Number(i !== 1)),
        )
      const averaged = set === 'xquad-all' ? names.length - 1 : names.length
      const sum = (averaged - 1) * (set === 'marc-5' ? 0.5 : 1)
      const mean = results.languageMeans[set]!
      assert.equal(mean.languages.length, averaged)
      assert.equal(mean.metrics[metric!]!.value, sum / averaged)
    })
  }

  it('MLQA drops the articles of its language, XQuAD English ones in all', async () => {
    for (const set of ['mlqa-all', 'xquad-all'])
      layouts.find(layout => layout.set === set)!.write(folder, ['de'])
    const work = await load(['mlqa_de', 'xquad_de'])
    const { tasks } = await runToEnd(
      answering(() => ' die gold'),
      { work, settings },
    )
    assert.equal(tasks.mlqa_de!.metrics.exact_match!.value, 1)
    assert.equal(tasks.xquad_de!.metrics.exact_match!.value, 0)
  })

  it('prompts that were cut are counted; the answer is judged all the same', async () => {
    const rows = [100, 1500].map(words => ({
      ...question('de', `q${words}`),
      context: Array(words).fill('a').join(' '),
    }))
    put(folder, 'xquad/xquad.de.jsonl', jsonl(rows))
    const { tasks } = await runToEnd(
      answering(() => ' gold'),
      { work: await load(['xquad_de']), settings },
    )
    const { truncated, metrics } = tasks.xquad_de!
    assert.deepEqual([truncated, metrics.f1!.value], [1, 1])
  })

  it('MARC-2 has no reviews of three stars, MARC-5 has them', async () => {
    const { write } = layouts.find(({ set }) => set === 'marc-2')!
    write(folder, ['en'])
    const golds = (await load(['marc-2_en', 'marc-5_en'])).map(({ asks }) => asks.map(goldOf))
    assert.deepEqual(golds, [[1], [3, 2]])
  })

  it('XNLI: the original file of all languages', async () => {
    const rows = ['de', 'sw', 'de'].map((language, i) => `${language}\tP${i}\tH\tcontradiction`)
    put(folder, 'xnli/xnli.test.tsv', ['language\tsentence1\tsentence2\tgold_label', ...rows].join('\n'))
    const [{ asks }] = (await load(['xnli_de'])) as [Work]
    assert.deepEqual(
      asks.map(ask => [ask.id, goldOf(ask)]),
      [
        ['1', 2],
        ['3', 2],
      ],
    )
    await assert.rejects(load(['xnli_fr']), { code: 'DATA_INVALID', message: /no row for XNLI-fr/ })
  })

  it("the scripts' own names of files, and their stories in one field", async () => {
    const story = { context: 'A b. C d.', sentence_quiz1: 'x', sentence_quiz2: 'y', answer_right_ending: 1 }
    put(folder, 'xstorycloze/te-xstorycloze-test.json', JSON.stringify([story]))
    const [{ asks, files }] = (await load(['xstorycloze_te'])) as [Work]
    assert.match(asks[0]!.prompt, /### Human: A b\. C d\. As a consequence\.\.\. .*: - x - y###/)
    assert.deepEqual(files, [join(folder, 'xstorycloze', 'te-xstorycloze-test.json')])
  })

  it('a language without data is an error that names the places looked at', async () => {
    put(folder, 'pawsx/test-de.jsonl', jsonl([{ sentence1: 'a', sentence2: 'b', label: 0 }]))
    await assert.rejects(load(['pawsx']), {
      code: 'DATA_NOT_FOUND',
      message:
        /PAWS-X-en: no data in .*pawsx: it has test-de\.jsonl\. Looked for: en\/test, test\/en, test-en, /,
    })
    assert.equal((await load(['pawsx_de'])).length, 1)
  })

  it('a mean needs all its languages; the report has a table of them', async () => {
    const xquad = layouts.find(({ set }) => set === 'xquad-all')!
    const names = xquad.languages.split(' ')
    xquad.write(folder, names)
    const run = async (tasks: string[]): Promise<[RunResults, string]> => {
      const results = await runToEnd(
        answering(() => ' gold'),
        { work: await load(tasks), settings, tokenNotes: ['N.'] },
      )
      return [results, report(results, { card: false })]
    }
    const [all, text] = await run(['xquad-all'])
    assert.equal(all.languageMeans['xquad-all']!.metrics.f1!.value, 1)
    assert.match(text, /### XQuAD by language\n\n.* XQuAD-ro \(F1\/EM\) \| mean of 11 \(F1\/EM\) \|/)
    assert.match(text, /\| fake +\|( +100\.00\/100\.00 \|){13}\n/)
    assert.match(text, /- Protocol card, float32, fake\.\n- N\.\n/)
    const withoutRomanian = names.filter(name => name !== 'ro' && name !== 'en').map(name => `xquad_${name}`)
    assert.ok((await run([...withoutRomanian, 'xquad']))[0].languageMeans['xquad-all'])
    const [partial, partialText] = await run(withoutRomanian)
    assert.deepEqual(partial.languageMeans, {})
    assert.match(partialText, /mean of 11 \|/)
    const [, english] = await run(['xquad'])
    assert.doesNotMatch(english, /by language/)
  })

  it('every task has a form, and a name of its own', () => {
    for (const [name, task] of builtInTasks) {
      assert.equal(task.name, name)
      assert.ok(release.form(task), name)
    }
    const languages = languageSets.map(({ tasks }) => tasks.size)
    assert.deepEqual(languages, [12, 9, 7, 15, 11, 6, 11, 7, 6, 6])
    // The English tasks of the first three are the card's.
    const count = languages.reduce((sum, n) => sum + n, 0) - 3
    assert.equal(builtInTasks.size, 12 + count)
  })

  it('items of MNLI get the gold class of its words', async () => {
    for (const file of ['validation_matched', 'validation_mismatched'])
      put(
        folder,
        `mnli/${file}.jsonl`,
        jsonl([0, 1, 2].map(label => ({ premise: 'p', hypothesis: 'h', label }))),
      )
    for (const { asks } of await load(['mnli', 'mnli_mismatched'])) {
      const words = (asks as GenerateAsk[]).map(({ choices, gold }) => choices![gold as number])
      assert.deepEqual(words, ['yes.', 'maybe.', 'no.'])
    }
  })
})
