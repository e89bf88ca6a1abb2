// Tests the tasks: prompts against golden hashes, every data format, and the errors for broken data.
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { parquetWriteFile } from 'hyparquet-writer'
import type { GenerateAsk, RankAsk } from '../src/protocols/protocol.ts'
import { extractiveQaPrompt } from '../src/protocols/wordings.ts'
import { cardTasks } from '../src/tasks/built-in/registry.ts'
import { cardAsks } from './card-work.ts'
import { shared, sharedMissing } from './shared.ts'
import { skip } from './skip.ts'

const sha256 = (text: string) => createHash('sha256').update(text).digest('hex')
const lines = (path: string) =>
  readFileSync(path, 'utf8')
    .trim()
    .split('\n')
    .map(line => JSON.parse(line))

describe('tasks', () => {
  describe('on the shared data', () => {
    before(function () {
      if (sharedMissing) skip(this, sharedMissing)
    })

    for (const name of ['sst2', 'openbookqa', 'copa', 'winogrande', 'wic', 'mnli', 'rte']) {
      it(`${name}: every prompt, choice and gold label is lm-evaluation-harness's`, async () => {
        const samples = (await cardAsks(name, shared('data', 'eval'))) as RankAsk[]
        const rows = lines(shared('golden', 'lm-eval', 'samples', `card_${name}.jsonl`))
        assert.ok(rows.length >= 40)
        for (const row of rows) {
          const sample = samples[row.doc]!
          assert.equal(sha256(sample.prompt), row.context_sha256, sample.prompt)
          if (row.context !== undefined) assert.equal(sample.prompt, row.context)
          const continuations = row.requests.map((request: { continuation: string }) => request.continuation)
          assert.deepEqual(
            sample.choices.map(choice => ` ${choice}`),
            continuations,
          )
          const scores = row.requests.map((request: { logLikelihood: number }) => request.logLikelihood)
          assert.equal(scores.indexOf(Math.max(...scores)) === sample.gold ? 1 : 0, row.acc)
        }
      })
    }

    it('every task reads its whole file', async () => {
      const counts: Record<string, number> = {}
      for (const { name } of cardTasks) {
        counts[name] = (await cardAsks(name, shared('data', 'eval'))).length
      }
      assert.deepEqual(counts, {
        ...{ xquad: 1190, tydiqa: 440, mlqa: 1, squad: 10570, sst2: 872, openbookqa: 500 },
        ...{ copa: 100, winogrande: 1267, wic: 638, mnli: 9815, rte: 277 },
      })
    })

    it('extractive QA: prompts of qa_greedy are the same', () => {
      const data = lines(shared('golden', 'lm-eval', 'data', 'qa.jsonl'))
      for (const row of lines(shared('golden', 'lm-eval', 'samples', 'qa_greedy.jsonl'))) {
        const { question, context } = data[row.doc]
        assert.equal(sha256(extractiveQaPrompt(question, context)), row.context_sha256)
      }
    })
  })

  describe('data files', () => {
    let folder: string
    beforeEach(() => {
      folder = mkdtempSync(join(tmpdir(), 'mt-llama-tasks-'))
    })
    afterEach(() => rmSync(folder, { recursive: true }))

    const write = (name: string, text: string | Uint8Array) => {
      mkdirSync(dirname(join(folder, name)), { recursive: true })
      writeFileSync(join(folder, name), text)
    }
    const load = (name: string) => cardAsks(name, folder)

    const copaRow = { premise: 'It rained.', choice1: 'A', choice2: 'B', question: 'effect', label: 1 }
    const copaSample: RankAsk = {
      kind: 'rank',
      id: '1',
      prompt: 'It rained. As a consequence... Help me pick the more plausible option: - A - B',
      choices: ['A', 'B'],
      gold: 1,
    }

    it('JSONL, JSON (with a byte order mark) and TSV hold the same rows; a U+2028 inside a text ends no line', async () => {
      const row = { ...copaRow, premise: 'It\u2028rained.' }
      const sample = { ...copaSample, prompt: copaSample.prompt.replace('It ', 'It\u2028') }
      const files = {
        'copa/validation.jsonl': `${JSON.stringify(row)}\r\n\n`,
        'copa/validation.json': `\ufeff${JSON.stringify([row])}`,
        'copa/validation.tsv': `${Object.keys(row).join('\t')}\n${Object.values(row).join('\t')}`,
      }
      for (const [name, text] of Object.entries(files)) {
        write(name, text)
        assert.deepEqual(await load('copa'), [sample], name)
        rmSync(join(folder, name))
      }
    })

    it('Parquet shards as on the Hub: 64-bit labels, nested columns, order by name', async () => {
      const shard = (i: number) => join(folder, 'copa', `validation-0000${i}-of-00002.parquet`)
      mkdirSync(join(folder, 'copa'))
      for (const i of [1, 0]) {
        const columnData = Object.entries({ ...copaRow, premise: `Shard ${i}.` }).map(([name, value]) => ({
          name,
          data: [name === 'label' ? BigInt(value) : value],
        }))
        parquetWriteFile({ filename: shard(i), columnData })
      }
      const samples = (await load('copa')) as RankAsk[]
      assert.deepEqual(
        samples.map(sample => [sample.prompt.slice(0, 8), sample.gold]),
        [
          ['Shard 0.', 1],
          ['Shard 1.', 1],
        ],
      )
      rmSync(shard(1))
      await assert.rejects(load('copa'), { code: 'DATA_NOT_FOUND', message: /1 of 2 shards/ })
    })

    it('Parquet of questions: answers is a struct of lists', async () => {
      mkdirSync(join(folder, 'squad'))
      const text = (name: string, data: string[]) => ({ name, data })
      parquetWriteFile({
        filename: join(folder, 'squad', 'validation-00000-of-00001.parquet'),
        columnData: [
          text('id', ['q1']),
          text('context', ['Ada met Bo.']),
          text('question', ['Who met Bo?']),
          { name: 'answers', data: [{ text: ['Ada', 'ada'], answer_start: [0, 0] }] },
        ],
        schema: [
          { name: 'root', num_children: 4 },
          { name: 'id', type: 'BYTE_ARRAY', converted_type: 'UTF8' },
          { name: 'context', type: 'BYTE_ARRAY', converted_type: 'UTF8' },
          { name: 'question', type: 'BYTE_ARRAY', converted_type: 'UTF8' },
          { name: 'answers', repetition_type: 'OPTIONAL', num_children: 2 },
          { name: 'text', repetition_type: 'OPTIONAL', num_children: 1, converted_type: 'LIST' },
          { name: 'list', repetition_type: 'REPEATED', num_children: 1 },
          { name: 'element', type: 'BYTE_ARRAY', converted_type: 'UTF8', repetition_type: 'OPTIONAL' },
          { name: 'answer_start', repetition_type: 'OPTIONAL', num_children: 1, converted_type: 'LIST' },
          { name: 'list', repetition_type: 'REPEATED', num_children: 1 },
          { name: 'element', type: 'INT32', repetition_type: 'OPTIONAL' },
        ],
      })
      const [sample] = (await load('squad')) as GenerateAsk[]
      assert.deepEqual(sample, {
        kind: 'generate',
        id: 'q1',
        prompt:
          'Answer the question according to the context. Question: Who met Bo?. Context: Ada met Bo.. Answer:',
        gold: ['Ada', 'ada'],
      })
    })

    it('labels by number, text and class name; the original layouts beside the Hub ones', async () => {
      const rte = { premise: 'p', hypothesis: 'h' }
      write(
        'rte/validation.jsonl',
        ['0', 1, 'not_entailment'].map(label => JSON.stringify({ ...rte, label })).join('\n'),
      )
      assert.deepEqual(
        ((await load('rte')) as RankAsk[]).map(sample => sample.gold),
        [0, 1, 1],
      )
      write('wic/val.jsonl', JSON.stringify({ word: 'w', sentence1: 'a', sentence2: 'b', label: true }))
      assert.equal(((await load('wic')) as RankAsk[])[0]?.gold, 1)
      write('mnli/dev_matched.tsv', 'index\tsentence1\tsentence2\tgold_label\n7\tIt "is\tIs it\tneutral\n')
      assert.deepEqual(await load('mnli'), [
        {
          kind: 'rank',
          id: '1',
          prompt: `It "is Question: Does this imply that Is it? Please response with 'Yes', 'No', or 'Maybe'.`,
          choices: ['Yes', 'Maybe', 'No'],
          gold: 1,
        },
      ])
      const choices = [...'ABCD'].map(label => ({ text: `t${label}`, label }))
      write(
        'openbookqa/dev.jsonl',
        JSON.stringify({ id: '7', question: { stem: 's', choices }, answerKey: 'C' }),
      )
      assert.deepEqual(await load('openbookqa'), [
        {
          kind: 'rank',
          id: '7',
          prompt: 's Which is the correct answer? - (A) tA - (B) tB - (C) tC - (D) tD',
          choices: ['tA', 'tB', 'tC', 'tD'],
          gold: 2,
        },
      ])
    })

    it('TyDiQA takes the English questions of a file of all languages', async () => {
      const qas = ['english-1', 'finnish-2'].map(id => ({ id, question: 'q', answers: [{ text: 'a' }] }))
      write(
        'tydiqa/tydiqa-goldp-v1.1-dev.json',
        JSON.stringify({ data: [{ paragraphs: [{ context: 'c', qas }] }] }),
      )
      assert.deepEqual(
        (await load('tydiqa')).map(sample => sample.id),
        ['english-1'],
      )
    })

    const copaLine = (fields: object) => JSON.stringify({ ...copaRow, ...fields })
    const obqa = { question_stem: 's', choices: { text: ['a'], label: ['A'] }, answerKey: 'A' }
    const bad: [title: string, file: string, text: string | Uint8Array, code: string, message: RegExp][] = [
      [
        'broken JSON',
        'copa/validation.jsonl',
        `${copaLine({})}\n{"pre`,
        'DATA_INVALID',
        /validation\.jsonl:2: not JSON \(.*\); expected one object a line/,
      ],
      [
        'a line that is no object',
        'copa/validation.jsonl',
        '[1]',
        'DATA_INVALID',
        /validation\.jsonl:1: expected an object, found a list/,
      ],
      [
        'a line that is not UTF-8',
        'copa/validation.jsonl',
        Buffer.from([0x7b, 0xff, 10]),
        'DATA_INVALID',
        /validation\.jsonl:1: the line is not UTF-8/,
      ],
      [
        'a missing field',
        'copa/validation.jsonl',
        copaLine({ choice2: undefined }),
        'DATA_INVALID',
        /copa\/validation\.jsonl, line 1: no field "choice2"; the row has premise, choice1, question, label/,
      ],
      [
        'a field of another type',
        'copa/validation.jsonl',
        copaLine({ premise: 3 }),
        'DATA_INVALID',
        /line 1: "premise" is 3; expected a text/,
      ],
      [
        'a label that is no choice',
        'copa/validation.jsonl',
        `${copaLine({})}\n${copaLine({ label: 2 })}`,
        'DATA_INVALID',
        /line 2: "label" is 2; expected one of 0, 1/,
      ],
      [
        'a label of a wrong type',
        'copa/validation.jsonl',
        copaLine({ label: [1] }),
        'DATA_INVALID',
        /line 1: "label" is \[1\]; expected one of 0, 1/,
      ],
      [
        'a row without label',
        'copa/validation.jsonl',
        copaLine({ label: -1 }),
        'DATA_INVALID',
        /line 1: "label" is -1, so the row has no gold label\. Test sets are published so; use a labelled split/,
      ],
      [
        'an unknown COPA question',
        'copa/validation.jsonl',
        copaLine({ question: 'why' }),
        'DATA_INVALID',
        /"question" is "why"; expected one of cause, effect/,
      ],
      [
        'an answer key that is no choice',
        'openbookqa/test.jsonl',
        JSON.stringify({
          ...obqa,
          choices: { text: ['a', 'b', 'c', 'd'], label: ['A', 'B', 'C', 'D'] },
          answerKey: 'E',
        }),
        'DATA_INVALID',
        /"answerKey" is "E"; expected one of A, B, C, D/,
      ],
      [
        'too few choices',
        'openbookqa/test.jsonl',
        JSON.stringify(obqa),
        'DATA_INVALID',
        /"choices" is \["a"\]; expected four texts with four labels/,
      ],
      [
        'no gold answer',
        'squad/validation.jsonl',
        JSON.stringify({ question: 'q', context: 'c', answers: { text: [] } }),
        'DATA_INVALID',
        /"answers" is \[\]; expected at least one gold answer/,
      ],
      [
        'an answer without text',
        'squad/dev-v1.1.json',
        JSON.stringify({
          data: [{ paragraphs: [{ context: 'c', qas: [{ question: 'q', answers: [{}] }] }] }],
        }),
        'DATA_INVALID',
        /question 1, "answers" 1: no field "text"/,
      ],
      [
        'JSON that is neither rows nor SQuAD',
        'squad/dev-v1.1.json',
        '{"rows": []}',
        'DATA_INVALID',
        /expected a list of rows, or an object whose "data" lists articles/,
      ],
      [
        'a short TSV line',
        'sst2/dev.tsv',
        'sentence\tlabel\nfine\n',
        'DATA_INVALID',
        /sst2\/dev\.tsv, line 2: 1 cells; the header has 2 \(sentence, label\)/,
      ],
      [
        'a file that is not Parquet',
        'rte/validation.parquet',
        'PAR',
        'DATA_INVALID',
        /rte\/validation\.parquet: not readable as Parquet/,
      ],
      ['an empty file', 'rte/validation.jsonl', '', 'DATA_INVALID', /rte\/validation\.jsonl: no row for RTE/],
      [
        'a folder without its file',
        'rte/notes.txt',
        '',
        'DATA_NOT_FOUND',
        /RTE: no data in .*rte: it has notes\.txt\. Looked for: validation, val, dev, test \(ending in \.jsonl, \.json, \.tsv, \.csv, \.parquet/,
      ],
    ]
    for (const [title, file, text, code, message] of bad) {
      it(`${title}: ${code}`, async () => {
        write(file, text)
        await assert.rejects(load(dirname(file)), { name: 'MtLlamaError', code, message })
      })
    }

    it('a data file that cannot be read: DATA_NOT_FOUND', async () => {
      for (const name of ['copa/validation.jsonl', 'rte/val.json', 'sst2/dev.tsv']) {
        mkdirSync(join(folder, name), { recursive: true })
        await assert.rejects(load(dirname(name)), {
          name: 'MtLlamaError',
          code: 'DATA_NOT_FOUND',
          message: new RegExp(`${name}: cannot be read \\(EISDIR: .*\\)`),
        })
      }
      write('wic', 'a file where the folder of a task should be')
      await assert.rejects(load('wic'), {
        code: 'DATA_NOT_FOUND',
        message: /wic: it is a file, not a folder/,
      })
    })

    it('a missing task folder and a missing data folder are told apart', async () => {
      await assert.rejects(load('wic'), { code: 'DATA_NOT_FOUND', message: /wic: there is no such folder/ })
      const nowhere = join(folder, 'nowhere')
      await assert.rejects(cardAsks('wic', nowhere), {
        code: 'DATA_NOT_FOUND',
        message: /the data folder .*nowhere does not exist/,
      })
    })

    it('a limit reads only the first rows', async () => {
      write('copa/validation.jsonl', `${copaLine({})}\nbroken`)
      const samples = await cardAsks('copa', folder, 1)
      assert.equal(samples.length, 1)
    })
  })
})
