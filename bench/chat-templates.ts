// How many chat templates render as transformers renders them: ours, and template engines of others where they are installed.
//
//   (cd bench/peers && .venv/bin/python chat_templates.py render FOLDER > expected.jsonl && npm install)
//   node --import tsx bench/chat-templates.ts FOLDER bench/peers/expected.jsonl
//
// FOLDER holds *.jinja of one's own choice; none is kept here. Each is rendered with every conversation of
// peers/conversations.json, with and without the generation prompt. An error counts as right where transformers fails too.
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { renderChatTemplate } from '../src/chat/chat-template.ts'
import { table } from './report.ts'

interface Values {
  messages: { role: string; content: string }[]
  add_generation_prompt: boolean
}
type Engine = (source: string, values: Values) => string

interface Expected {
  template: string
  texts: ({ text: string } | { error: string })[]
}

const peers = new URL('peers/', import.meta.url)
const require = createRequire(new URL('package.json', peers))
const ends = { bos_token: '<s>', eos_token: '</s>' }
const tokens = { ...ends, tools: null, documents: null }

const ours: Engine = (source, { messages, add_generation_prompt: addGenerationPrompt }) =>
  renderChatTemplate(source, messages, { namedTokens: new Map(Object.entries(ends)), addGenerationPrompt })

const [folder, expectedFile] = process.argv.slice(2)
if (!folder || !expectedFile) throw new Error('give a folder of templates and the file of expected texts')
const conversations: Values['messages'][] = JSON.parse(
  readFileSync(new URL('conversations.json', peers), 'utf8'),
)
const expected: Expected[] = readFileSync(expectedFile, 'utf8')
  .split('\n')
  .filter(Boolean)
  .map(line => JSON.parse(line))

const rows: string[][] = []
for (const [name, engine] of engines()) {
  const counts = { templates: 0, right: 0, other: 0, failed: 0, passed: 0 }
  for (const { template, texts } of expected) {
    const source = readFileSync(join(folder, template), 'utf8')
    let isRight = true
    for (const [i, want] of texts.entries()) {
      const found = outcome(engine, source, {
        messages: conversations[i % conversations.length]!,
        add_generation_prompt: i < conversations.length,
      })
      const kind = compared(found, want)
      counts[kind]++
      if (kind !== 'right') {
        if (isRight && name === 'mt-llama')
          console.error(`${template}, text ${i}: ${kind}\n  ${show(found)}\n  ${show(want)}`)
        isRight = false
      }
    }
    if (isRight) counts.templates++
  }
  const { templates, right, other, failed, passed } = counts
  rows.push([name, `${templates} of ${expected.length}`, ...[right, other, failed, passed].map(String)])
}
console.log(
  table(['engine', 'templates right', 'texts right', 'another text', 'fails', 'renders what fails'], rows),
)

function* engines(): Generator<[name: string, engine: Engine]> {
  yield ['mt-llama', ours]
  const jinja = optional('@huggingface/jinja')
  if (jinja)
    yield [
      '@huggingface/jinja',
      (source, values) => new jinja.Template(source).render({ ...tokens, ...values }),
    ]
  const minijinja = optional('minijinja-js')
  if (minijinja) {
    yield [
      'minijinja-js',
      (source, values) => {
        const environment = new minijinja.Environment()
        environment.trimBlocks = true
        environment.lstripBlocks = true
        environment.enablePyCompat()
        // A function that throws ends the whole instance; without one a template that refuses fails as it should.
        environment.addGlobal('strftime_now', () => '')
        try {
          return environment.renderStr(source, { ...tokens, ...values })
        } finally {
          environment.free()
        }
      },
    ]
  }
}

// biome-ignore lint/suspicious/noExplicitAny: two packages of others that may not be there
function optional(name: string): any {
  try {
    return require(name)
  } catch {
    return undefined
  }
}

function outcome(engine: Engine, source: string, values: Values): { text: string } | { error: string } {
  try {
    return { text: engine(source, values) }
  } catch (error) {
    return { error: String(error) }
  }
}

function compared(found: object, want: object): 'right' | 'other' | 'failed' | 'passed' {
  if ('error' in want) return 'error' in found ? 'right' : 'passed'
  if ('error' in found) return 'failed'
  return 'text' in found && 'text' in want && found.text === want.text ? 'right' : 'other'
}

function show(outcome: object): string {
  return JSON.stringify(outcome).slice(0, 400)
}
