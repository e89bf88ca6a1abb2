// The template engine: what Jinja prints in transformers' settings, errors that say where, and a budget for what asks too much.
import { strict as assert } from 'node:assert'
import { readFileSync } from 'node:fs'
import { type ChatTemplateValues, renderChatTemplate } from '../src/chat/chat-template.ts'
import { chatEnvironment } from '../src/templates/environment.ts'
import { strftime } from '../src/templates/strftime.ts'
import { readNames, Template, TemplateProblem } from '../src/templates/template.ts'
import { type Arguments, Callable } from '../src/templates/values.ts'
import { carried, shared, sharedMissing } from './shared.ts'
import { skip } from './skip.ts'

const namedTokens = new Map([
  ['bos_token', '<s>'],
  ['eos_token', '</s>'],
])
const values: ChatTemplateValues = { namedTokens, addGenerationPrompt: true }
const hello = [{ role: 'user', content: 'Hello' }]

const render = (template: string, more: Partial<ChatTemplateValues> = {}) =>
  renderChatTemplate(template, hello, { ...values, ...more })

describe('templates', () => {
  // Made by bench/peers/chat_templates.py; a row without a text fails there.
  it('print what transformers prints, and fail where it fails', () => {
    const { names, rows }: Golden = JSON.parse(readFileSync(carried('chat', 'templates.json'), 'utf8'))
    const context = readNames([
      ...Object.entries(names),
      ['raise_exception', new Callable('raise_exception', raise)],
      ['strftime_now', new Callable('strftime_now', ({ positional }) => dated(positional[0]))],
    ])
    const found = rows.map(({ template }) => {
      try {
        return { template, text: new Template(template, chatEnvironment).render(context) }
      } catch (error) {
        return { template, error: error instanceof TemplateProblem ? error.exception : 'TemplateError' }
      }
    })
    assert.ok(rows.length > 200)
    const wanted = rows.map(({ template, text, error }) =>
      text === undefined ? { template, error: error!.split(':')[0] } : { template, text },
    )
    assert.deepEqual(found, wanted)
  })

  it('render the public cases', function () {
    if (sharedMissing) skip(this, sharedMissing)
    const cases: [string, string, typeof hello, string][] = JSON.parse(
      readFileSync(shared('cases', 'chat-templates', 'templates.json'), 'utf8'),
    )
    for (const [name, template, messages, wanted] of cases)
      assert.equal(renderChatTemplate(template, messages, values), wanted, name)
  })

  it('see a message without what is null or not there', () => {
    const message = { role: 'user', content: 'Hello', tool_calls: null, name: undefined, extra: [1, null] }
    assert.equal(
      renderChatTemplate('{{ messages[0] }} {{ tools }} {{ documents }}', [message], values),
      "{'role': 'user', 'content': 'Hello', 'extra': [1, None]} None None",
    )
  })

  it("have '' for a token that the tokenizer has not", () => {
    assert.equal(
      render("{{ bos_token + 'x' }}{{ eos_token }}", { namedTokens: new Map([['eos_token', '</s>']]) }),
      'x</s>',
    )
  })

  const errors: [title: string, template: string, message: string][] = [
    [
      'raise_exception, as it is',
      "{{ raise_exception('Roles must alternate: 100%') }}",
      "the checkpoint's chat template does not render these messages: Roles must alternate: 100%",
    ],
    [
      'a name that is not there, with its line',
      '{% if true %}\n\n{{ nobody.x }}{% endif %}',
      "the checkpoint's chat template (t.jinja, line 3) does not render these messages: 'nobody' is undefined",
    ],
    [
      'an attribute of what is not there',
      '{{ messages[0].name.first }}',
      "the checkpoint's chat template (t.jinja, line 1) does not render these messages: 'dict object' has no attribute 'name'",
    ],
    [
      'a type that has no such operator',
      "\n{{ 'a' + 1 }}",
      'the checkpoint\'s chat template (t.jinja, line 2) does not render these messages: can only concatenate str (not "int") to str',
    ],
    [
      'a block that does not end',
      '{% for m in messages %}\n{{ m }}',
      "the checkpoint's chat template (t.jinja, line 2) is not valid Jinja: Unexpected end of template. Jinja was looking for the following tags: 'endfor' or 'else'.",
    ],
    [
      'an unknown tag',
      '\n\n{% nonsense %}',
      "the checkpoint's chat template (t.jinja, line 3) is not valid Jinja: Encountered unknown tag 'nonsense'.",
    ],
    [
      'an unknown filter',
      '\n{{ 1 | nonsense }}',
      "the checkpoint's chat template (t.jinja, line 2) is not valid Jinja: No filter named 'nonsense'.",
    ],
    [
      'a tag that needs other templates',
      "{% include 'x' %}",
      "the checkpoint's chat template (t.jinja, line 1) is not valid Jinja: the tag 'include' is not supported",
    ],
  ]
  for (const [title, template, message] of errors)
    it(`name what is wrong: ${title}`, () => {
      assert.throws(() => render(template, { file: 't.jinja' }), { code: 'CHAT_TEMPLATE', message })
    })

  const steps = /is stopped: it takes more than 4000000 steps/
  const text = /is stopped: it makes more than 33554432 characters of text/
  const either = /is stopped: it (makes|takes) more than/
  const depth = /is stopped: (its values or expressions are nested too deep|macros or loops call each other)/
  const grow = (set: string) =>
    `{% set ns = namespace(x=['a']) %}{% for i in range(70000) %}{% set ns.x = ${set} %}{% endfor %}`
  const times = (body: string) =>
    `{% for i in range(99999) %}{% for j in range(99999) %}${body}{% endfor %}{% endfor %}`
  const greedy: [template: string, message: RegExp][] = [
    ['{% for i in range(40000000) %}{% endfor %}', /Range too big/],
    [times(''), steps],
    [times('{{ "x" }}'), steps],
    [times('{% set x = messages | map(attribute="role") | list %}'), steps],
    [times('{% if "a" in "b" * 10000 %}{% endif %}'), either],
    [`{% set t = "a" * 1000000 %}${times('{{ t[0] }}')}`, steps],
    [`{% set t = " " * 1000000 %}${times('{% set x = t | trim %}')}`, text],
    [`{% set l = range(99999) | list %}${times('{% set x = l + l %}')}`, steps],
    [`{% set l = range(99999) | list %}${times('{% set x = l == l[:] %}')}`, steps],
    [`{% set l = range(99999) | list %}${times('{% set x = -1 in l %}')}`, steps],
    ["{{ 'x' * 10 ** 9 }}", text],
    ["{{ ('x' * 1000000000) | length }}", text],
    ['{{ [1] * 10 ** 9 }}', steps],
    ["{{ 'x' | center(1000000000) }}", text],
    ["{{ 'x'.ljust(1000000000) }}", text],
    ["{{ '1'.zfill(1000000000) }}", text],
    ["{{ 'a\\tb'.expandtabs(1000000000) }}", text],
    ["{{ 'a\\nb' | indent(1000000000) }}", text],
    ['{{ [1] | tojson(indent=1000000000) }}', text],
    ["{{ '%1000000000d' | format(1) }}", text],
    ["{{ '{:1000000000}'.format(1) }}", text],
    ["{{ '%.1000000000f' % 1 }}", /precision 1000000000 is above 1100/],
    ["{{ ('a' * 10000000).replace('a', 'b' * 10000000) }}", either],
    ["{{ (['a' * 100000] * 100000) | join }}", text],
    ["{{ ('a' * 9999).join('b' * 9999) }}", text],
    ['{{ range(9) | batch(1000000000, 1) | list }}', steps],
    ['{{ range(9) | slice(1000000000) | list }}', steps],
    ['{{ 10 ** (10 ** 9) }}', /whole number of more than 16384 bits/],
    [`{% set ns = namespace(x=3) %}{% for i in range(60) %}{% set ns.x = ns.x * ns.x %}{% endfor %}`, /bits/],
    [
      `{% set ns = namespace(x='ab') %}{% for i in range(60) %}{% set ns.x = ns.x + ns.x %}{% endfor %}`,
      text,
    ],
    [
      `{% set ns = namespace(x='ab') %}{% for i in range(60) %}{% set ns.x = ns.x ~ ns.x %}{% endfor %}`,
      text,
    ],
    [`${grow('[ns.x]')}{{ ns.x }}`, depth],
    [`${grow('[ns.x]')}{{ ns.x | tojson }}`, depth],
    [`${grow('[ns.x]')}{{ ns.x == [ns.x] }}`, depth],
    [
      `{% set ns = namespace(x=[]) %}{% for i in range(60) %}{% set ns.x = [ns.x, ns.x] %}{% endfor %}{{ ns.x }}`,
      text,
    ],
    [
      `{% set ns = namespace(x=()) %}{% for i in range(60) %}{% set ns.x = (ns.x, ns.x) %}{% endfor %}{{ {ns.x: 1} }}`,
      either,
    ],
    ['{% set ns = namespace() %}{% set ns.x = ns %}{{ ns }}', depth],
    ['{% macro f(n) %}{{ f(n) }}{% endmacro %}{{ f(1) }}', depth],
    [
      '{% macro f(n) %}{{ g(n) }}{% endmacro %}{% macro g(n) %}{{ f(n) }}{{ f(n) }}{% endmacro %}{{ f(1) }}',
      depth,
    ],
    ['{% macro f(n) %}{% if n %}{{ f(n - 1) }}{{ f(n - 1) }}{% endif %}{% endmacro %}{{ f(100) }}', steps],
    ['{% for x in [1] recursive %}{{ loop([x]) }}{% endfor %}', depth],
    [`{{ ${'('.repeat(300)}1${')'.repeat(300)} }}`, /nested more than 200 deep/],
    [`{{ ${'-'.repeat(300)}1 }}`, /nested more than 200 deep/],
    [`{{ ${'not '.repeat(300)}1 }}`, /nested more than 200 deep/],
    [`${'{% if true %}'.repeat(300)}`, /nested more than 200 deep/],
    [`{{ 1${' + 1'.repeat(90_000)} }}`, depth],
    [`{{ 1${' | abs'.repeat(70_000)} }}`, depth],
    [`{{ ${'1'.repeat(5000)} }}`, /more than 4300 digits/],
    ['x'.repeat(600_000), /it has 600000 characters; at most 524288 are read/],
    ['{{ lipsum(n=1000000000) }}', /'lipsum' is undefined/],
    // The engine's own search would compare every unit with every other.
    ["{{ ('a' * 9000000).find('a' * 4000000 ~ 'b' ~ 'a' * 400000) }}{{ 'x' * 10 ** 9 }}", text],
  ]
  for (const [template, message] of greedy)
    it(`stop ${template.length > 90 ? `${template.slice(0, 90)}...` : template}`, () => {
      assert.throws(() => render(template), { code: 'CHAT_TEMPLATE', message })
    })

  it('have room for a conversation as long as any context', () => {
    const turns = Array.from({ length: 4000 }, (_, i) => ({
      role: i % 2 === 0 ? 'user' : 'assistant',
      content: `${i} ${'word '.repeat(200)}`,
    }))
    const template =
      "{% set ns = namespace(all='') %}{% for m in messages %}{% if (m.role == 'user') != (loop.index0 % 2 == 0) %}" +
      "{{ raise_exception('no') }}{% endif %}{{ '<|' + m['role'] + '|>' + m.content | trim + eos_token }}" +
      '{% set ns.all = ns.all ~ m.role %}{% endfor %}{{ ns.all | length }}'
    const wanted = turns.map(({ role, content }) => `<|${role}|>${content.trim()}</s>`).join('')
    assert.equal(renderChatTemplate(template, turns, values), `${wanted}${2000 * 13}`)
  })
})

interface Golden {
  names: Record<string, unknown>
  rows: { template: string; text?: string; error?: string }[]
}

function raise(): never {
  throw new Error('raised')
}

/** The time that the golden rows were made at. */
function dated(format: Arguments['positional'][number] | undefined): string {
  return strftime(String(format), new Date(2022, 0, 1, 9, 5, 7))
}
