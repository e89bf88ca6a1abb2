// Reading prompt templates: files of promptsource as they are, errors that say where, and templates that ask for too much.
import { strict as assert } from 'node:assert'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { listTemplateSets, loadTemplates } from '../src/prompts/load-templates.ts'
import { parseTemplates } from '../src/prompts/templates-file.ts'

const file = (fields: string) => `dataset: d
subset: null
templates:
  1-a: !Template
${fields.replace(/^/gm, '    ')}
    metadata: !TemplateMetadata
      choices_in_prompt: true
      languages:
      - en
      metrics: &id001
      - Accuracy
      original_task: yes
    reference: ''
  2-b: !Template
    answer_choices: null
    id: 2-b
    jinja: "{{ premise }}\\
      \\ because ||| {{ label }}"
    metadata: !TemplateMetadata
      choices_in_prompt: null
      metrics: *id001
    name: y
    reference: nobody
`
const good = "id: 1-a\nanswer_choices: No ||| Yes\njinja: 'x\n\n  y: {{ label }} ||| z'\nname: b"
const one = (jinja: string, choices = 'null') =>
  parseTemplates(
    file(`id: 1-a\nanswer_choices: ${choices}\njinja: ${JSON.stringify(jinja)}\nname: b`),
    't.yaml',
  )[0]!

describe('templates.yaml', () => {
  it('is read as PyYAML reads it, in the order of the names', () => {
    const [b, y] = parseTemplates(file(good), 't.yaml')
    assert.deepEqual(
      { ...b, compiled: undefined },
      {
        id: '1-a',
        name: 'b',
        jinja: 'x\ny: {{ label }} ||| z',
        answerChoicesText: 'No ||| Yes',
        metadata: { originalTask: true, choicesInPrompt: true, metrics: ['Accuracy'], languages: ['en'] },
        reference: '',
        where: 't.yaml:4',
        compiled: undefined,
      },
    )
    assert.deepEqual(y!.metadata, {
      ...{ originalTask: false, choicesInPrompt: false },
      ...{ metrics: ['Accuracy'], languages: [] },
    })
    assert.deepEqual([y!.name, y!.answerChoicesText, y!.where], ['y', undefined, 't.yaml:19'])
    assert.deepEqual(y!.apply({ premise: ' a|||b ', label: 2 }), ['a|||b  because', '2'])
  })

  const broken: [title: string, source: string, message: RegExp][] = [
    ['no YAML', 'templates: [', /^t\.yaml:1: Flow sequence.*Is it a templates\.yaml of promptsource\?$/],
    ['another kind of file', '- a\n- b', /^t\.yaml:1: expected a mapping with "templates"/],
    ['templates in a list', 'templates:\n- a', /^t\.yaml:1: "templates" is no mapping/],
    ['an untagged template', 'templates:\n  a:\n    name: x', /^t\.yaml:2: expected a template: an id/],
    [
      'a key twice',
      'templates:\n  a: !Template {}\n  a: !Template {}',
      /^t\.yaml:3: Map keys must be unique/,
    ],
    ['a tag of Python', 'templates: !!python/object/apply:os.system [ls]', /^t\.yaml:1: Unresolved tag/],
    ['no text', file('id: 1-a\nname: b'), /^t\.yaml:4: no "jinja"; expected a text\.$/],
    ['no name', file('id: 1-a\njinja: x\nname: null'), /^t\.yaml:4: "name" is null; expected a text\.$/],
    [
      'a name twice',
      file(good.replace('name: b', 'name: y')),
      /^t\.yaml:19: the name "y" is also that of .*:4/,
    ],
    ['an id twice', file(good.replace('id: 1-a', 'id: 2-b')), /^t\.yaml:19: the id "2-b" is also that/],
    [
      'metrics that are no list',
      file(`${good}\nmetadata: !TemplateMetadata {metrics: x}`),
      /^t\.yaml:\d+: Map keys/,
    ],
    ['lists without end', `templates: ${'['.repeat(200_000)}`, /^t\.yaml:1: /],
    [
      'aliases that grow without end',
      `templates:\n  a: !Template\n    x: &a [1,1,1,1,1,1,1,1,1]\n${Array.from(
        'abcdefgh',
        (c, i) => `    y${i}: &${String.fromCharCode(c.charCodeAt(0) + 1)} [${Array(9).fill(`*${c}`)}]\n`,
      ).join('')}`,
      /^t\.yaml:1: Excessive alias count/,
    ],
  ]
  for (const [title, source, message] of broken)
    it(`with ${title} is refused by file and line`, () => {
      assert.throws(() => parseTemplates(source, 't.yaml'), { code: 'PROMPT_TEMPLATE', message })
    })
})

describe('a prompt template', () => {
  const failing: [jinja: string, message: string | RegExp][] = [
    [
      '{{ a }}\n{{ b.c }}',
      `row 3: the template "b" (t.yaml:4, line 2 of its text) does not render: UndefinedError: 'b' is undefined.`,
    ],
    [
      '{% if %}',
      /^row 3: the template "b" \(t\.yaml:4, line 1 of its text\) is not valid Jinja: Expected an expression/,
    ],
    ['{{ a | nofilter }}', /is not valid Jinja: No filter named 'nofilter'\.\.$/],
    ["{% include 'x' %}", /the tag 'include' is not supported/],
    ['{% for i in range(10 ** 12) %}{% endfor %}', /is stopped: it takes more than 4000000 steps/],
    ["{{ ('x' * 10 ** 9) }}", /is stopped: it makes more than/],
    ['{% set q = [1] %}{% for x in q %}{% set _ = q.append(x) %}{% endfor %}', /is stopped: it takes/],
    ['{% set q = [] %}{% set _ = q.append(q) %}{{ q }}', /is stopped: its values .* nested too deep/],
    ['{{ range(10 ** 12) | list }}', /is stopped: it takes/],
    ['{{ range(10 ** 12).index(-1) }}', /is stopped: it takes/],
    ['{{ zip(range(10 ** 12), range(10 ** 12)) | list }}', /is stopped: it takes/],
    [
      '{% set q = [1] %}{% for i in range(99) %}{% set _ = q.extend(q) %}{% endfor %}',
      /is stopped: it takes/,
    ],
  ]
  for (const [jinja, message] of failing)
    it(`that fails names itself, the line and the row: ${jinja}`, () => {
      assert.throws(() => one(jinja).apply({}, { where: 'row 3' }), { code: 'PROMPT_TEMPLATE', message })
    })

  it('changes no list of the example', () => {
    const example = { l: ['a'] }
    const template = one(
      '{% set _ = l.append("c") %}{{ l }}',
      `"{% set _ = l.append('b') %}{{ l | join('|||') }}"`,
    )
    assert.deepEqual(template.apply(example), ["['a', 'b', 'c']"])
    assert.deepEqual(example, { l: ['a'] })
  })

  it('draws the same for each example where it is given no draw', () => {
    const template = one('{{ l | choice }}{{ l | choice }}{{ l | choice }}')
    const example = { l: Array.from('abcdefgh') }
    assert.deepEqual(template.apply(example), template.apply(example))
  })
})

describe('loadTemplates()', () => {
  let folder: string
  before(async () => {
    folder = await mkdtemp(path.join(tmpdir(), 'templates-'))
    for (const name of ['trec', 'super_glue/copa', 'super_glue/rte', 'Zaid/coqa']) {
      await mkdir(path.join(folder, name), { recursive: true })
      await writeFile(path.join(folder, name, 'templates.yaml'), file(good))
    }
  })
  after(() => rm(folder, { recursive: true }))

  it('finds data sets and subsets by their names', async () => {
    assert.deepEqual(await listTemplateSets(folder), [
      'Zaid/coqa',
      'super_glue/copa',
      'super_glue/rte',
      'trec',
    ])
    const [template] = await loadTemplates(folder, 'super_glue/copa')
    assert.equal(template!.where, `${path.join(folder, 'super_glue', 'copa', 'templates.yaml')}:4`)
  })

  const missing: [name: string, code: string, message: RegExp][] = [
    [
      'super_glue',
      'DATA_NOT_FOUND',
      /^super_glue: no templates in .*; names like it: super_glue\/copa, super_glue\/rte\.$/,
    ],
    ['superglue/cop', 'DATA_NOT_FOUND', /names like it: super_glue\/copa, super_glue\/rte\.$/],
    ['nothing', 'DATA_NOT_FOUND', /there are Zaid\/coqa, super_glue\/copa, super_glue\/rte, trec\.$/],
    ['../trec', 'INVALID_ARGUMENT', /^"\.\.\/trec" is no name of a data set/],
    ['', 'INVALID_ARGUMENT', /^"" is no name/],
    ['a\0b', 'INVALID_ARGUMENT', /is no name/],
  ]
  for (const [name, code, message] of missing)
    it(`refuses ${JSON.stringify(name)} and says what there is`, async () => {
      await assert.rejects(loadTemplates(folder, name), { code, message })
    })

  it('says what folder it expects', async () => {
    await assert.rejects(loadTemplates(path.join(folder, 'none'), 'trec'), {
      code: 'DATA_NOT_FOUND',
      message: /cannot be read .* Expected the folder promptsource\/templates/,
    })
    await assert.rejects(loadTemplates(path.join(folder, 'trec'), 'trec'), {
      code: 'DATA_NOT_FOUND',
      message: /holds no templates\.yaml of a data set/,
    })
  })
})
