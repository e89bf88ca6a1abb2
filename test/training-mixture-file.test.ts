// Mixtures of YAML files, and the sets that they find: what is read, and what is said of what is wrong.
import assert from 'node:assert/strict'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { parquetWriteFile } from 'hyparquet-writer'
import { parseYaml } from '../src/tasks/yaml/yaml-value.ts'
import { dataFingerprint } from '../src/training/data-fingerprint.ts'
import { loadMixture, readMixture } from '../src/training/mixture-file.ts'
import { withFolder } from './checkpoint-files.ts'
import { openYaml, writeRows, writeTemplates } from './training-files.ts'

describe('training: mixtures of files', () => {
  const read = (yaml: string) => readMixture(parseYaml(yaml, 'mine.yaml', 'TRAINING'))

  it('have defaults, and what T0 knows of a set', () => {
    assert.deepEqual(read('sets: [adversarial_qa/dbert, own/part]'), {
      ...{ name: 'mine', maxExamples: 500_000 },
      sets: [
        {
          ...{ name: 'adversarial_qa/dbert', hub: 'UCLNLP/adversarial_qa', templates: 'all', weight: 1 },
          folders: ['adversarial_qa/dbert', 'adversarial_qa_dbert', 'UCLNLP/adversarial_qa/dbert'],
          fields: ['answers', 'context', 'metadata', 'question'],
          ...{ aliases: {}, defaults: { metadata: { split: 'train' } } },
        },
        {
          ...{ name: 'own/part', folders: ['own/part', 'own_part'], templates: 'all', weight: 1 },
          ...{ fields: [], aliases: {}, defaults: {} },
        },
      ],
    })
  })

  it('say all that a set can have', () => {
    const yaml = `
mixture: small
max_examples: 1000
sets:
  - set: trec
    templates: [trec1, trec2]
    folder: [here, there]
    split: dev
    size: 70
    weight: 0.5
    aliases: { text: question }
    defaults: { label: 0 }
  - set: imdb
    templates: original
`
    const { name, maxExamples, sets } = read(yaml)
    assert.deepEqual([name, maxExamples], ['small', 1000])
    assert.deepEqual(sets[0], {
      ...{ name: 'trec', hub: 'CogComp/trec', templates: ['trec1', 'trec2'], folders: ['here', 'there'] },
      ...{ split: 'dev', size: 70, weight: 0.5, fields: ['coarse_label', 'fine_label', 'text'] },
      ...{ aliases: { text: 'question' }, defaults: { label: 0 } },
      labels: { coarse: 'coarse_label', fine: 'fine_label', starts: [0, 2, 24, 28, 32, 37, 50] },
    })
    assert.equal(sets[1]!.templates, 'original')
  })

  for (const [yaml, message] of [
    ['set: [trec]', 'mine.yaml:1: unknown key "set" of a mixture; it has mixture, max_examples, sets.'],
    ['mixture: x', 'mine.yaml:1: no "sets"; a mixture lists its sets, as "- set: trec".'],
    ['sets: trec', 'mine.yaml:1: no "sets"; a mixture lists its sets, as "- set: trec".'],
    ['sets: []', 'mine.yaml:1: "sets" is empty; a mixture has at least one.'],
    [
      'max_examples: 0\nsets: [trec]',
      'mine.yaml:1: max_examples is 0; expected a whole number of at least 1.',
    ],
    ['sets:\n- trec\n- 5', 'mine.yaml:3: a set is 5; expected a mapping.'],
    [
      'sets:\n- {templates: all}',
      'mine.yaml:2: no "set"; expected the name of a set of promptsource, as trec or glue/mrpc.',
    ],
    ['sets:\n- ../trec', 'mine.yaml:2: "../trec" is no name of a set; expected one like trec or glue/mrpc.'],
    [
      'sets:\n- set: trec\n  weigth: 2',
      'mine.yaml:3: unknown key "weigth" of a set; it has set, templates, folder, split, size, weight, aliases, defaults.',
    ],
    ['sets:\n- set: trec\n  weight: -1', 'mine.yaml:3: weight is -1; expected a number above 0.'],
    ['sets:\n- set: trec\n  weight: .inf', 'mine.yaml:3: weight is Infinity; expected a number above 0.'],
    ['sets:\n- set: trec\n  size: 1.5', 'mine.yaml:3: size is 1.5; expected a whole number of at least 1.'],
    [
      'sets:\n- set: trec\n  templates: some',
      'mine.yaml:3: templates is "some"; expected all, original or a list of names.',
    ],
    [
      'sets:\n- set: trec\n  templates: []',
      'mine.yaml:3: templates is empty; expected all, original or a list of names.',
    ],
    ['sets:\n- set: trec\n  aliases: {text: 1}', 'mine.yaml:3: the alias of text is 1; expected a text.'],
    ['sets:\n- set: trec\n  defaults: x', 'mine.yaml:3: defaults is "x"; expected a mapping.'],
    ['sets: [trec', /^mine\.yaml:1: not valid YAML: /],
  ] as const)
    it(`refuse ${JSON.stringify(yaml)}`, () => assert.throws(() => read(yaml), { code: 'TRAINING', message }))

  it('are read from a file, by whose name they go', () =>
    withFolder(async folder => {
      writeFileSync(join(folder, 'own.yaml'), 'sets: [trec]\n')
      assert.equal((await loadMixture(join(folder, 'own.yaml'))).name, 'own')
      await assert.rejects(loadMixture(join(folder, 'none.yaml')), {
        code: 'TRAINING',
        message: /none\.yaml: cannot be read \(ENOENT/,
      })
    }))
})

describe('training: sets at hand', () => {
  const templates = { one: { jinja: '{{ text }} ||| y', original: true }, two: { jinja: '{{ text }} ||| n' } }

  async function inFolder(run: (folder: string) => Promise<void>): Promise<void> {
    await withFolder(async folder => {
      for (const set of ['s', 'g/a', 'trec']) writeTemplates(folder, set, templates)
      mkdirSync(join(folder, 'data'))
      await run(folder)
    })
  }
  const row = { text: 'a' }

  for (const [name, set, files, split] of [
    ['a folder of the name', 's', ['s/train.jsonl'], 'train'],
    ['the name and config in one', 'g/a', ['g_a/train.jsonl'], 'train'],
    ['the config inside', 'g/a', ['g/a/train.jsonl'], 'train'],
    ["the hub's repository", 'trec', ['CogComp/trec/data/train.jsonl'], 'train'],
    ['another split, where there is no train', 's', ['s/validation.jsonl', 's/test.jsonl'], 'validation'],
    [
      'the split that the file names',
      '{ set: s, split: en/test-a }',
      ['s/train.jsonl', 's/data/en/test-a.jsonl'],
      'en/test-a',
    ],
    ['train before others', 's', ['s/test.jsonl', 's/all.jsonl', 's/train.jsonl'], 'train'],
  ] as const)
    it(`are found in ${name}`, () =>
      inFolder(async folder => {
        for (const file of files) writeRows(folder, file, [{ ...row, coarse_label: 5, fine_label: 49 }])
        await using mixture = await openYaml(folder, `sets: [${set}]`)
        assert.deepEqual([mixture.sets[0]!.split, mixture.sets[0]!.table.rows], [split, 1])
      }))

  it('are found in tables that the hub has converted, all of their parts or none', () =>
    inFolder(async folder => {
      const place = join(folder, 'data', 's', 'train')
      mkdirSync(place, { recursive: true })
      for (const part of [0, 1])
        parquetWriteFile({
          filename: join(place, `000${part}.parquet`),
          columnData: [{ name: 'text', data: ['a', 'b', 'c'] }],
        })
      {
        await using mixture = await openYaml(folder, 'sets: [s]')
        assert.equal(mixture.sets[0]!.table.rows, 6)
      }
      parquetWriteFile({ filename: join(place, '0003.parquet'), columnData: [{ name: 'text', data: ['a'] }] })
      await assert.rejects(
        openYaml(folder, 'sets: [s]'),
        /0000\.parquet, 0001\.parquet, 0003\.parquet.*0002\.parquet is missing/,
      )
    }))

  it('are found in the first folder that has rows', () =>
    inFolder(async folder => {
      mkdirSync(join(folder, 'data', 'g', 'a'), { recursive: true })
      writeRows(folder, 'g_a/train.jsonl', [row])
      await using mixture = await openYaml(folder, 'sets: [g/a]')
      assert.match(mixture.sets[0]!.folder, /g_a$/)
    }))

  it('may not be so large that no order of them is to be had', () =>
    inFolder(async folder => {
      writeRows(folder, 's/train.jsonl', [row])
      for (const entry of ['size: 9000000000000000, weight: 5', 'weight: 1.0e+300'])
        await assert.rejects(
          openYaml(folder, `max_examples: 9000000000000000\nsets: [{ set: s, ${entry} }]`),
          {
            code: 'TRAINING',
            message: /^the mixture mixture has \S+ examples an epoch; expected at most 2\^52/,
          },
        )
    }))

  it('are told apart by their rows and templates', () =>
    inFolder(async folder => {
      const fingerprint = async () => {
        await using mixture = await openYaml(folder, 'sets: [s]')
        return await dataFingerprint(mixture)
      }
      writeRows(folder, 's/train.jsonl', [row, row])
      const first = await fingerprint()
      // printf '{"text":"a"}\n{"text":"a"}\n' | sha256sum
      assert.deepEqual(first.sets, {
        s: '15a7ce26cbba6edf2e4ffb13a1eed0b7354eb5039c9f9ed7ddd6a6ceef2ca50c',
      })
      assert.deepEqual(
        Object.entries(first.tasks).map(([name, { cap }]) => [name, cap]),
        [
          ['s_one', 2],
          ['s_two', 2],
        ],
      )
      assert.deepEqual(await fingerprint(), first)
      writeRows(folder, 's/train.jsonl', [row, { text: 'b' }])
      const second = await fingerprint()
      assert.notDeepEqual(second.sets, first.sets)
      assert.deepEqual(second.tasks, first.tasks)
      writeTemplates(folder, 's', { ...templates, two: { jinja: '{{ text }} ||| m' } })
      const third = await fingerprint()
      assert.deepEqual(third.sets, second.sets)
      assert.notDeepEqual(third.tasks.s_two, second.tasks.s_two)
      assert.deepEqual(third.tasks.s_one, second.tasks.s_one)
    }))

  it('have caps by their rows, or by the size that the file says', () =>
    inFolder(async folder => {
      writeRows(folder, 's/train.jsonl', [row, row, row])
      const caps = async (yaml: string) => {
        await using mixture = await openYaml(folder, yaml)
        return mixture.tasks.map(({ name, cap }) => [name, cap])
      }
      assert.deepEqual(await caps('sets: [s]'), [
        ['s_one', 3],
        ['s_two', 3],
      ])
      assert.deepEqual(await caps('sets: [{ set: s, size: 90, weight: 2 }]'), [
        ['s_one', 180],
        ['s_two', 180],
      ])
      assert.deepEqual(await caps('max_examples: 2\nsets: [s]'), [
        ['s_one', 1],
        ['s_two', 1],
      ])
      assert.deepEqual(await caps('sets: [{ set: s, templates: original }]'), [['s_one', 3]])
      assert.deepEqual(await caps('sets: [{ set: s, templates: [two] }]'), [['s_two', 3]])
    }))

  it('may have several entries, each for templates of its own', () =>
    inFolder(async folder => {
      writeRows(folder, 's/train.jsonl', [row, row, row])
      writeRows(folder, 'more/train.jsonl', [row])
      const entries = (more: string) =>
        `sets: [{ set: s, templates: original, weight: 2 }, { set: s, templates: [${more}], folder: more }]`
      await using mixture = await openYaml(folder, entries('two'))
      assert.deepEqual(
        mixture.tasks.map(({ name, cap }) => [name, cap]),
        [
          ['s_one', 6],
          ['s_two', 1],
        ],
      )
      const before = await dataFingerprint(mixture)
      writeRows(folder, 's/train.jsonl', [row, row, { ...row, text: 'other' }])
      const after = await dataFingerprint(mixture)
      assert.deepEqual(after.tasks, before.tasks)
      assert.notDeepEqual(after.sets, before.sets)
      await assert.rejects(openYaml(folder, entries('two, one')), {
        code: 'TRAINING',
        message: 'the mixture mixture has the template "one" of s twice; give it one entry, with a weight.',
      })
      await assert.rejects(openYaml(folder, 'sets: [s, s]'), { code: 'TRAINING' })
    }))

  it('that are missing are named and counted, and may be missing if that is allowed', () =>
    inFolder(async folder => {
      writeRows(folder, 's/train.jsonl', [row])
      writeRows(folder, 'g/a/train.jsonl', [])
      writeRows(folder, 'notemplates/train.jsonl', [row])
      mkdirSync(join(folder, 'data', 'empty'))
      const yaml = 'sets: [s, trec, g/a, notemplates, empty]'
      await assert.rejects(openYaml(folder, yaml), (error: Error & { code: string }) => {
        assert.equal(error.code, 'DATA_NOT_FOUND')
        const lines = error.message.replaceAll(folder, 'DIR').split('\n')
        assert.deepEqual(
          lines.map(line => line.replace(/(no data in \S+).*/, '$1')),
          [
            '4 of the 5 sets of the mixture mixture are missing or incomplete:',
            '  trec: DIR/data has none of the folders trec, CogComp/trec; CogComp/trec of the hub has it',
            '  g/a: DIR/data/g/a/train.jsonl: no rows',
            '  notemplates: no templates in DIR/templates; there are g/a, s, trec',
            '  empty: no data in DIR/data/empty:',
            'Bring them, or allow that sets are missing.',
          ],
        )
        return true
      })
      await using mixture = await openYaml(folder, yaml, true)
      assert.deepEqual(
        mixture.sets.map(({ set }) => set.name),
        ['s'],
      )
      assert.equal(mixture.missing.length, 4)
      await assert.rejects(
        openYaml(folder, 'sets: [trec]', true),
        /1 of the 1 sets .* is missing or incomplete:[\s\S]*At least one is needed\.$/,
      )
    }))

  it('must have the fields that the templates name', () =>
    inFolder(async folder => {
      writeRows(folder, 'trec/train.jsonl', [{ text: 'a', 'label-coarse': 1, fine_label: 23 }])
      await assert.rejects(openYaml(folder, 'sets: [trec]'), {
        code: 'DATA_INVALID',
        message:
          /trec\/train\.jsonl, line 1: no field "coarse_label"; templates of trec name coarse_label, fine_label, text, and the row has text, label-coarse, fine_label\.$/,
      })
      await using mixture = await openYaml(
        folder,
        'sets: [{ set: trec, aliases: { coarse_label: label-coarse } }]',
      )
      assert.equal(mixture.tasks.length, 2)
    }))

  it("leave out templates that take labels in another order than the set's", () =>
    inFolder(async folder => {
      writeTemplates(folder, 'trec', {
        coarse: { jinja: '{{ coarse_label }} ||| a' },
        fine: { jinja: '{{ fine_label }} ||| a' },
      })
      const rows = [24, 27, 4].map(fine_label => ({ text: 'a', coarse_label: 2, fine_label }))
      writeRows(folder, 'trec/train.jsonl', rows)
      await assert.rejects(
        openYaml(folder, 'sets: [trec]'),
        /trec: 1 of its 2 templates take fine_label in another order than the rows \(\S+train\.jsonl, line 3: fine_label is 4 beside coarse_label 2, where 24 to 27 belong\)/,
      )
      await using mixture = await openYaml(folder, 'sets: [trec]', true)
      assert.deepEqual(
        mixture.tasks.map(({ name }) => name),
        ['trec_coarse'],
      )
      writeRows(folder, 'trec/train.jsonl', rows.slice(0, 2))
      await using whole = await openYaml(folder, 'sets: [trec]')
      assert.equal(whole.tasks.length, 2)
    }))

  it('must have the templates that are asked for', () =>
    inFolder(async folder => {
      writeRows(folder, 's/train.jsonl', [row])
      await assert.rejects(openYaml(folder, 'sets: [{ set: s, templates: [three] }]'), {
        code: 'TRAINING',
        message:
          /^s: no template "three" in .*templates, which has "one", "two"\. Is it another version of promptsource\?$/,
      })
    }))

  it('may not be of a format that has to be read whole', () =>
    inFolder(async folder => {
      mkdirSync(join(folder, 'data', 's'))
      writeFileSync(join(folder, 'data', 's', 'train.csv'), 'text\na\n')
      await assert.rejects(openYaml(folder, 'sets: [s]'), {
        code: 'DATA_INVALID',
        message: /train\.csv: .*expected \.jsonl/,
      })
    }))
})
