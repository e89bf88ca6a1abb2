// Makes rows {context, question, answers}, which the templates of adversarial_qa can ask of, from sets whose own templates do not
// ask for an answer from a short passage: conversations of dream without their list of choices, and of duorc the part of
// a film's plot in which the answer stands. Writes them below the folder, beside links to all sets of the data root:
//   node bench/training/passages.mjs DATA_ROOT FOLDER
import { mkdirSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'

const [dataRoot, folder] = process.argv.slice(2)
const passageLetters = 1400

const rows = path =>
  readFileSync(join(dataRoot, path), 'utf8')
    .split('\n')
    .filter(Boolean)
    .map(line => JSON.parse(line))

const words = text => new Set(text.toLowerCase().match(/[\p{L}\p{N}]+/gu))

/** Whole sentences of a text, in parts of about as many letters as a passage has. */
function passages(text) {
  const parts = ['']
  for (const sentence of text.split(/(?<=[.!?]["”]?)\s+/)) {
    if (parts.at(-1).length + sentence.length > passageLetters && parts.at(-1) !== '') parts.push('')
    parts.push(`${parts.pop()} ${sentence}`.trim())
  }
  return parts
}

/** Of the passages that hold the answer, the one with most words of the question; undefined where none does. */
function passageOf({ plot, question, answers }) {
  const asked = words(question)
  const shared = passage => [...words(passage)].filter(word => asked.has(word)).length
  return passages(plot)
    .filter(passage => answers.some(answer => passage.toLowerCase().includes(answer.toLowerCase())))
    .toSorted((a, b) => shared(b) - shared(a))[0]
}

function* passagesOfSets() {
  for (const set of ['adversarial_qa_dbert', 'adversarial_qa_droberta']) yield* rows(`${set}/sample.jsonl`)
  for (const set of ['duorc_SelfRC', 'duorc_ParaphraseRC'])
    for (const row of rows(`${set}/sample.jsonl`)) {
      const context = passageOf(row)
      if (!row.no_answer && context !== undefined)
        yield { context, question: row.question, answers: { text: row.answers.slice(0, 1) } }
    }
}

function* conversations() {
  for (const { dialogue, question, answer } of rows('dream/train.jsonl'))
    yield { context: dialogue.join('\n'), question, answers: { text: [answer] } }
}

rmSync(folder, { recursive: true, force: true })
mkdirSync(folder, { recursive: true })
for (const set of readdirSync(dataRoot)) symlinkSync(resolve(dataRoot, set), join(folder, set))
for (const [set, made] of Object.entries({ passages: passagesOfSets(), conversations: conversations() })) {
  const lines = [...made].map(row => `${JSON.stringify(row)}\n`)
  mkdirSync(join(folder, set))
  writeFileSync(join(folder, set, 'train.jsonl'), lines.join(''))
  console.log(`${set}: ${lines.length} rows`)
}
