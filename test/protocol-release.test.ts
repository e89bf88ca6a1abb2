// Holds protocol release to what the released scripts give: prompts, token ids, classes of answers, answers, scores, means.
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { readRows } from '../src/data/data-files.ts'
import { Row } from '../src/data/row.ts'
import type { AnswerMetric } from '../src/metrics/answer-scores.ts'
import { mlqaMetric } from '../src/metrics/mlqa.ts'
import { printedPercent } from '../src/metrics/percent.ts'
import { words } from '../src/metrics/python-text.ts'
import { quickRatio } from '../src/metrics/quick-ratio.ts'
import { squadMetric } from '../src/metrics/squad.ts'
import type { GenerateAsk, GenerateForm } from '../src/protocols/protocol.ts'
import * as sets from '../src/protocols/release/classification.ts'
import { releaseAnswer, withoutInput } from '../src/protocols/release/extractive-qa.ts'
import { afterInput, extractClass, type LabelTable } from '../src/protocols/release/labels.ts'
import { release } from '../src/protocols/release/release.ts'
import { builtInTasks } from '../src/tasks/built-in/registry.ts'
import { loadTokenizer } from '../src/tokenizer/load.ts'
import { shared, sharedMissing } from './shared.ts'
import { skip } from './skip.ts'

// biome-ignore lint/suspicious/noExplicitAny: each set has rows of its own shape
type Item = any

interface Golden {
  /** The name of the task that reads the row. */
  task: string
  set: { table?: LabelTable }
  /** Makes a row of the data set of a golden row's item, which is the cells of a TSV line or its fields. */
  row?: (item: Item) => object
}

/** The classification sets by their names in the golden files; languages are any of theirs. */
const classification: Record<string, Golden> = {
  'SST-2': { task: 'sst2', set: sets.sst2, row: ([sentence, label]) => ({ sentence, label }) },
  obqa: { task: 'openbookqa', set: sets.openbookqa },
  copa: { task: 'copa', set: sets.copa },
  xcopa: { task: 'xcopa_et', set: sets.copa },
  winogrande: { task: 'winogrande', set: sets.winogrande },
  xwinograd: { task: 'xwinograd_jp', set: sets.winogrande },
  wic: { task: 'wic', set: sets.wic },
  rte: { task: 'rte', set: sets.rte },
  mnlim: { task: 'mnli', set: sets.mnli, row: hubLabel },
  mnlimm: { task: 'mnli_mismatched', set: sets.mnli, row: hubLabel },
  xnli: {
    ...{ task: 'xnli_ru', set: sets.xnli },
    row: ([premise, hypothesis, label]) => ({ premise, hypothesis, label }),
  },
  pawsx: {
    ...{ task: 'pawsx_ja', set: sets.pawsx },
    row: ([sentence1, sentence2, label]) => ({ sentence1, sentence2, label }),
  },
  'marc-2': { task: 'marc-2_de', set: sets.marc2 },
  'marc-5': { task: 'marc-5_de', set: sets.marc5 },
  xstorycloze: { task: 'xstorycloze_my', set: sets.xstorycloze },
}

/** The scripts' own files of MNLI number labels as the classes; the hub's are 0 entailment, 1 neutral, 2 contradiction. */
function hubLabel(item: Item): object {
  return { ...item, label: ['neutral', 'entailment', 'contradiction'][item.label] }
}

const answerTasks: Record<string, string> = { SQuAD: 'squad', XQuAD: 'xquad', MLQA: 'mlqa', TyDiQA: 'tydiqa' }

function formOf(task: string): GenerateForm {
  return release.form(builtInTasks.get(task)!) as GenerateForm
}

function asked(task: string, fields: object): GenerateAsk {
  const item = builtInTasks.get(task)!.item(new Row({ ...fields }, 'golden row', 1), 0)
  return formOf(task).asks(item)[0] as GenerateAsk
}

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
        const answerTask = answerTasks[row.task]
        if (answerTask) {
          const { question, context, answers } = row
          const ask = asked(answerTask, { question, context, answers: { text: answers } })
          assert.equal(ask.prompt, row.prompt)
          assert.deepEqual(ask.gold, row.answers)
          continue
        }
        const { task, set, row: fields = (item: Item) => item } = classification[row.task]!
        const { prompt, choices, gold } = asked(task, fields(row.item))
        assert.deepEqual(
          { prompt, choices, gold },
          { prompt: row.prompt, choices: row.labels, gold: row.gold },
        )
        // The scripts write a table for every set; where options are compared they never read it.
        if (set.table) assert.deepEqual(set.table, row.label_dict)
      }
      assert.deepEqual([...seen].sort(), [...Object.keys(classification), ...Object.keys(answerTasks)].sort())
    })

    it('label_extraction.jsonl: 1,290 answers of fifteen sets become classes, or fail', () => {
      const rows = golden('label_extraction.jsonl')
      assert.equal(rows.length, 1290)
      for (const row of rows) {
        const { task, set } = classification[row.task]!
        assert.equal(set.table === undefined, row.mode === 'string_compare', row.task)
        if (set.table) assert.deepEqual(set.table, row.label_dict)
        const ask: GenerateAsk = {
          kind: 'generate',
          id: '',
          prompt: '',
          choices: row.options,
          gold: row.pred,
        }
        assert.deepEqual(
          formOf(task).judge(ask, { generated: row.generated }),
          { prediction: row.pred, scores: { acc: 1 }, ...(row.failed && { failed: true }) },
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
        assert.equal(releaseAnswer(withoutInput(decoded_input, decoded_full)), prediction, decoded_full)
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
        const form = formOf(answerTasks[task] ?? classification[task]!.task)
        assert.deepEqual(form.encode!(prompt, tokenizer), { ids: input_ids, truncatedTokens: 0 }, prompt)
        assert.deepEqual(form.stopIds!(tokenizer), [13])
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
          const { prompt } = formOf('xquad').asks(builtInTasks.get('xquad')!.item(row, 0))[0] as GenerateAsk
          const i = prompts.push(prompt) - 1
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

  // The scripts read these sets line by line, and strip the lines.
  const stripped: [name: string, prompt: string, part: string][] = [
    ['SST-2', sets.sst2.prompt({ sentence: '\u3000 a\u3000 ', label: 0 }), 'a\u3000  Based'],
    [
      'PAWS-X',
      sets.pawsx.prompt({ sentence1: ' a ', sentence2: ' b ', label: 0 }),
      'Sentence 1: a  Sentence 2:  b  Q',
    ],
    [
      'XNLI',
      sets.xnli.prompt({ premise: '\x1ca ', hypothesis: ' b ', label: 0 }),
      '### Human: a  Question: Does this imply that  b ?',
    ],
    ['MNLI', sets.mnli.prompt({ premise: ' a', hypothesis: 'b', label: 0 }), '### Human:  a Question'],
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

  it('the input is taken out of an answer wherever it stands; one that is cut inside a character stays', () => {
    assert.equal(withoutInput('Q. ', 'Q. a Q. b Q. '), 'a b ')
    assert.equal(withoutInput('Question: \ufffd', 'Question: 北 north'), 'Question: 北 north')
  })

  it('before a class is looked for, as many code points are left out as the input has', () => {
    assert.equal(afterInput('a😀', 'a😀 yes'), ' yes')
    assert.equal(afterInput('a\ufffd', 'a😀 yes'), ' yes')
  })

  // Made by Python, as the scripts do it: Decimal(sum / n * 100).quantize(Decimal('0.1'), 'ROUND_HALF_UP'), and
  // Decimal(100.0 * sum / n).quantize(Decimal('0.01'), 'ROUND_HALF_UP').
  const rounded: [sum: number, n: number, accuracy: string, answer: string][] = [
    [0, 7, '0.0', '0.00'],
    [23, 160, '14.4', '14.38'],
    [41, 160, '25.6', '25.63'],
    [1, 16, '6.3', '6.25'],
    [1, 3, '33.3', '33.33'],
    [2, 3, '66.7', '66.67'],
    [383, 1190, '32.2', '32.18'],
    [1, 800, '0.1', '0.13'],
    [1, 2000, '0.1', '0.05'],
    [3, 2000, '0.1', '0.15'],
    [1149, 2000, '57.5', '57.45'],
    [719, 800, '89.9', '89.88'],
    [1999, 2000, '100.0', '99.95'],
    [7, 7, '100.0', '100.00'],
    [161, 368, '43.8', '43.75'],
  ]
  for (const [sum, n, accuracy, answer] of rounded) {
    it(`${sum} of ${n} are ${accuracy} with one decimal, and ${answer} with two`, () => {
      assert.equal(printedPercent(sum / n, 1), accuracy)
      assert.equal(printedPercent(sum / n, 2), answer)
    })
  }
})

/** The scores of predictions in percent, as the official scripts add them up. */
function percent(answers: { prediction: string; golds: string[] }[], metric: AnswerMetric) {
  const scores = answers.map(({ prediction, golds }) => metric(prediction, golds))
  const mean = (name: 'exactMatch' | 'f1') =>
    (100 * scores.reduce((sum, score) => sum + score[name], 0)) / answers.length
  return { exact_match: mean('exactMatch'), f1: mean('f1') }
}
