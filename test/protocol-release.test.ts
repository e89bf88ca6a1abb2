// Holds protocol release to what the released scripts give: prompts, token ids, classes of answers, answers, scores, means.
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { readRows } from '../src/data/data-files.ts'
import type { AnswerMetric } from '../src/metrics/answer-scores.ts'
import { mlqaMetric } from '../src/metrics/mlqa.ts'
import { words } from '../src/metrics/python-text.ts'
import { quickRatio } from '../src/metrics/quick-ratio.ts'
import { squadMetric } from '../src/metrics/squad.ts'
import type { Classification } from '../src/protocols/release/classification.ts'
import * as sets from '../src/protocols/release/classification.ts'
import { maxQaTokens, releaseAnswer, releaseQaPrompt } from '../src/protocols/release/extractive-qa.ts'
import { extractClass, type LabelTable } from '../src/protocols/release/labels.ts'
import {
  averagedLanguages,
  languageAverage,
  languages,
  type MultilingualSet,
} from '../src/protocols/release/languages.ts'
import { printedPercent } from '../src/protocols/release/printed.ts'
import { releaseIds } from '../src/protocols/release/token-ids.ts'
import { loadTokenizer } from '../src/tokenizer/load.ts'
import { shared, sharedMissing } from './shared.ts'
import { skip } from './skip.ts'

// biome-ignore lint/suspicious/noExplicitAny: each set has rows of its own shape
type Item = any

interface Adapted {
  set: Classification<Item>
  /** The fields of a golden row's item. */
  fields: (item: Item) => object
}

function adapted<Fields extends object>(
  set: Classification<Fields>,
  fields: (item: Item) => Fields = item => item,
): Adapted {
  return { set, fields }
}

const nliCells = ([premise, hypothesis]: string[]) => ({ premise: premise!, hypothesis: hypothesis! })
const review = (item: Item) => ({ title: item.review_title, body: item.review_body })

/** The classification sets by their names in the golden files; items that are lists are the cells of a TSV line. */
const classification: Record<string, Adapted> = {
  'SST-2': adapted(sets.sst2, ([sentence]) => ({ sentence })),
  obqa: adapted(sets.openbookqa, item => ({ stem: item.question_stem, choices: item.choices.text })),
  copa: adapted(sets.copa),
  xcopa: adapted(sets.copa),
  winogrande: adapted(sets.winogrande),
  xwinograd: adapted(sets.winogrande),
  wic: adapted(sets.wic),
  rte: adapted(sets.rte),
  mnlim: adapted(sets.mnli),
  mnlimm: adapted(sets.mnli),
  xnli: adapted(sets.xnli, nliCells),
  pawsx: adapted(sets.pawsx, ([sentence1, sentence2]) => ({ sentence1, sentence2 })),
  'marc-2': adapted(sets.marc2, review),
  'marc-5': adapted(sets.marc5, review),
  xstorycloze: adapted(sets.xstorycloze, item => ({
    context: item.context,
    ending1: item.sentence_quiz1,
    ending2: item.sentence_quiz2,
  })),
}
const answerSets = ['SQuAD', 'XQuAD', 'MLQA', 'TyDiQA']

const sha256 = (text: string) => createHash('sha256').update(text).digest('hex')

function golden(name: string): Item[] {
  return readFileSync(shared('golden', name), 'utf8')
    .trim()
    .split('\n')
    .map(line => JSON.parse(line))
}

describe('protocol release', () => {
  describe('against the released scripts', () => {
    before(function () {
      if (sharedMissing) skip(this, sharedMissing)
    })

    it('prompts.jsonl: 89 prompts, with classes and label tables', () => {
      const rows = golden('prompts.jsonl')
      assert.equal(rows.length, 89)
      const seen = new Set<string>()
      for (const row of rows) {
        seen.add(row.task)
        if (answerSets.includes(row.task)) {
          assert.equal(releaseQaPrompt(row), row.prompt)
          assert.equal(maxQaTokens, row.tokenizer_kwargs.max_length)
          continue
        }
        const { set, fields } = classification[row.task]!
        const item = fields(row.item)
        assert.equal(set.prompt(item), row.prompt)
        assert.deepEqual(set.classes(item), row.labels)
        assert.ok(row.gold < row.labels.length)
        // The scripts write a table for every set; where options are compared they never read it.
        if (set.table) assert.deepEqual(set.table, row.label_dict)
      }
      assert.deepEqual([...seen].sort(), [...Object.keys(classification), ...answerSets].sort())
    })

    it('label_extraction.jsonl: 1,290 answers of fifteen sets become classes, or fail', () => {
      const rows = golden('label_extraction.jsonl')
      assert.equal(rows.length, 1290)
      for (const row of rows) {
        const { set } = classification[row.task]!
        assert.equal(set.table === undefined, row.mode === 'string_compare', row.task)
        if (set.table) assert.deepEqual(set.table, row.label_dict)
        const { pred: label, failed } = row
        assert.deepEqual(
          extractClass(row.generated, row.options ?? [], set.table),
          { label, failed },
          JSON.stringify(row),
        )
      }
      assert.deepEqual([...new Set(rows.map(row => row.task))].sort(), Object.keys(classification).sort())
    })

    it('difflib_quick_ratio.jsonl: 394 pairs of texts have the very same ratio', () => {
      const rows = golden('difflib_quick_ratio.jsonl')
      assert.equal(rows.length, 394)
      for (const { a, b, quick_ratio } of rows)
        assert.equal(quickRatio(a, b), quick_ratio, JSON.stringify([a, b]))
    })

    it('qa_postprocess.jsonl: 38 decoded outputs become answers', () => {
      const rows = golden('qa_postprocess.jsonl')
      assert.equal(rows.length, 38)
      for (const { decoded_input, decoded_full, prediction } of rows)
        assert.equal(releaseAnswer(decoded_input, decoded_full), prediction, JSON.stringify(decoded_full))
    })

    it('qa_end_to_end.json: 28 files of predictions have the scores of the official metrics', () => {
      const files: Item[] = JSON.parse(readFileSync(shared('golden', 'qa_end_to_end.json'), 'utf8'))
      assert.equal(files.length, 28)
      for (const { task, lang, data, predictions, scores } of files) {
        const questions = data.flatMap((article: Item) =>
          article.paragraphs.flatMap((paragraph: Item) => paragraph.qas),
        )
        const answers = questions.map((qa: Item) => ({
          prediction: predictions[qa.id],
          golds: qa.answers.map((answer: Item) => answer.text),
        }))
        assert.deepEqual(percent(answers, task === 'MLQA' ? mlqaMetric(lang) : squadMetric), scores)
      }
    })

    it('prompts_ids.jsonl: 89 prompts have the same token ids', async () => {
      const tokenizer = await loadTokenizer({
        kind: 'tokenizer.model',
        file: shared('tokenizers', 'llama', 'tokenizer.model'),
        configFile: undefined,
      })
      const rows = golden('prompts_ids.jsonl')
      assert.equal(rows.length, 89)
      for (const { task, prompt, input_ids } of rows) {
        const limit = answerSets.includes(task) ? maxQaTokens : undefined
        assert.deepEqual(releaseIds(tokenizer.encode(prompt), limit), input_ids, prompt)
      }
    })

    for (const language of ['en', 'de', 'zh']) {
      it(`xquad_e2e.json: the prompts of XQuAD-${language} have the same hash, made-up predictions the same scores`, async () => {
        const wanted = JSON.parse(readFileSync(shared('golden', 'xquad_e2e.json'), 'utf8'))[language]
        const file = shared('data', 'eval', 'xquad', `xquad.${language}.json`)
        assert.equal(sha256(readFileSync(file, 'utf8')), wanted.file_sha256)
        const prompts: string[] = []
        const answers: { prediction: string; golds: string[] }[] = []
        for await (const row of readRows([file])) {
          const context = row.text('context')
          const golds = row.list('answers').map(answer => answer.text('text'))
          const i = prompts.push(releaseQaPrompt({ question: row.text('question'), context })) - 1
          const predictions = [
            golds[0]!,
            `The ${golds[0]} ${words(context)[0]}`,
            words(context).slice(0, 3).join(' '),
            '',
          ]
          answers.push({ prediction: predictions[i % 4]!, golds })
        }
        assert.equal(prompts.length, wanted.n)
        assert.equal(sha256(prompts[0]!), wanted.first_prompt_sha256)
        assert.equal(sha256(prompts.join('\n')), wanted.prompts_sha256)
        assert.deepEqual(percent(answers, squadMetric), wanted.squad)
        assert.deepEqual(percent(answers, mlqaMetric(language)), wanted.mlqa)
      })
    }
  })

  it('token ids are cut on the right to the limit, which the first token counts to', () => {
    assert.deepEqual(releaseIds([5, 6, 7]), [2, 5, 6, 7])
    assert.deepEqual(releaseIds([5, 6, 7], 4), [2, 5, 6, 7])
    assert.deepEqual(releaseIds([5, 6, 7], 3), [2, 5, 6])
    assert.deepEqual(releaseIds([], 3), [2])
  })

  // The scripts read these sets line by line, and strip the lines.
  const stripped: [name: string, prompt: string, start: string][] = [
    ['SST-2', sets.sst2.prompt({ sentence: '\u3000 a\u3000 ' }), 'a\u3000  Based'],
    ['PAWS-X', sets.pawsx.prompt({ sentence1: ' a ', sentence2: ' b ' }), 'Sentence 1: a  Sentence 2:  b  Q'],
    [
      'XNLI',
      sets.xnli.prompt({ premise: '\x1ca ', hypothesis: ' b ' }),
      '### Human: a  Question: Does this imply that  b ?',
    ],
    ['MNLI', sets.mnli.prompt({ premise: ' a', hypothesis: 'b' }), '### Human:  a Question'],
  ]
  for (const [name, prompt, start] of stripped) {
    it(`${name}: ${name === 'MNLI' ? 'nothing is stripped' : 'white space before the first text is stripped, no other'}`, () => {
      assert.ok(prompt.includes(start), prompt)
    })
  }

  const answers: [generated: string, table: LabelTable | undefined, label: number, failed: boolean][] = [
    ['\x85\x1c No \u3000', [['no', 1]], 1, false],
    ['\ufeffyes', [['yes', 1]], 1, false],
    ['neither', sets.marc2.table, 0, true],
    ['not at all', sets.mnli.table, 2, false],
    ['3 stars', sets.marc2.table, 0, true],
    ['', undefined, 0, false],
    ['QRS', undefined, 1, false],
    ['\x1c', undefined, 0, false],
  ]
  for (const [generated, table, label, failed] of answers) {
    it(`${JSON.stringify(generated)} ${table ? 'in a table' : 'beside two options'} is class ${label}${failed ? ', failed' : ''}`, () => {
      assert.deepEqual(extractClass(generated, ['abc', '\x1cqrs'], table), { label, failed })
    })
  }

  it('an input that is not in the output, as one cut inside a character, is not taken out', () => {
    assert.equal(releaseAnswer('Question: \ufffd', 'Question: 北 north'), 'Question: 北 north')
    assert.equal(releaseAnswer('Q. ', 'Q. a Q. b Q. '), 'a b')
    assert.equal(releaseAnswer('', ' a '), 'a')
  })

  // Made by Python: Decimal(x).quantize(Decimal('0.1' or '0.01'), ROUND_HALF_UP).
  const rounded: [percent: number, accuracy: string, answer: string][] = [
    [0, '0.0', '0.00'],
    [0.05, '0.1', '0.05'],
    [0.15, '0.1', '0.15'],
    [0.25, '0.3', '0.25'],
    [0.35, '0.3', '0.35'],
    [12.5, '12.5', '12.50'],
    [2.675, '2.7', '2.67'],
    [12.345, '12.3', '12.35'],
    [47.185855937127116, '47.2', '47.19'],
    [99.95, '100.0', '99.95'],
    [99.995, '100.0', '100.00'],
    [100, '100.0', '100.00'],
    [0.125, '0.1', '0.13'],
    [0.375, '0.4', '0.38'],
  ]
  it('scores are rounded half up from the exact number', () => {
    for (const [percent, accuracy, answer] of rounded) {
      assert.equal(printedPercent(percent, 'accuracy'), accuracy)
      assert.equal(printedPercent(percent, 'f1'), answer)
      assert.equal(printedPercent(percent, 'exactMatch'), answer)
    }
  })

  it('each set has its number of languages, and so many count in its mean', () => {
    const counts = Object.keys(languages).map(set => [
      set,
      new Set(languages[set as MultilingualSet]).size,
      averagedLanguages(set as MultilingualSet).length,
    ])
    assert.deepEqual(counts, [
      ['xnli', 15, 15],
      ['pawsx', 7, 7],
      ['xcopa', 11, 11],
      ['xwinograd', 6, 6],
      ['xstorycloze', 11, 11],
      ['marc-2', 6, 6],
      ['marc-5', 6, 6],
      ['xquad', 12, 11],
      ['mlqa', 7, 7],
      ['tydiqa', 9, 9],
    ])
  })

  it('a mean leaves XQuAD-ro out, and is none where a language is missing', () => {
    const scores = new Map<string, number>(languages.xquad.map((language, i) => [language, i]))
    assert.equal(languageAverage('xquad', scores), 5)
    scores.delete('ro')
    assert.equal(languageAverage('xquad', scores), 5)
    scores.delete('zh')
    assert.equal(languageAverage('xquad', scores), undefined)
  })
})

/** The scores of predictions in percent, as the official scripts add them up. */
function percent(answers: { prediction: string; golds: string[] }[], metric: AnswerMetric) {
  const scores = answers.map(({ prediction, golds }) => metric(prediction, golds))
  const mean = (name: 'exactMatch' | 'f1') =>
    (100 * scores.reduce((sum, score) => sum + score[name], 0)) / answers.length
  return { exact_match: mean('exactMatch'), f1: mean('f1') }
}
