// Makes rows {context, question, answers}, which the templates of adversarial_qa can ask of, from sets whose own templates do not
// ask for an answer from a short passage: conversations of dream without their list of choices, of duorc the part of
// a film's plot in which the answer stands, and sentences of summaries and of encyclopedias with a name or a number
// asked for in its place. Writes them below the folder, beside links to all sets of the data root:
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

const sentencesOf = text => text.split(/(?<=[.!?]["”]?)\s+/)
const words = text => new Set(text.toLowerCase().match(/[\p{L}\p{N}]+/gu))

/** Whole sentences of a text, in parts of about as many letters as a passage has. */
function passages(text) {
  const parts = ['']
  for (const sentence of sentencesOf(text)) {
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

const name =
  /(?:\p{Lu}[\p{L}\p{N}'’.-]*\p{L})(?: (?:(?:of|the|de|van|von|and) )?\p{Lu}[\p{L}\p{N}'’.-]*\p{L}| \p{N}+)*/gu
const months = 'January|February|March|April|May|June|July|August|September|October|November|December'
const date = new RegExp(
  `(?:\\d{1,2} )?(?:${months})(?: \\d{1,2})?(?:,? \\d{4})?|\\b(?:1[5-9]|20)\\d\\d\\b`,
  'gu',
)
const amount = /[£$€]?\b\d[\d,.]*\d?(?:%| per cent| percent| million| billion| years| miles| metres| km)?/gu

/** The word that asks for a name, by what stands before it. */
function askedAfter(before) {
  if (before === '') return 'who'
  if (/\b(?:in|at|near|from)$/i.test(before)) return 'where'
  return /\bby$/.test(before) ? 'whom' : 'what'
}

/** What can be asked for in a sentence: where it stands, and the words that ask. */
function askable(sentence) {
  const found = []
  const free = ({ index, 0: text }) =>
    !found.some(other => index < other.end && other.start < index + text.length)
  const add = (match, asks) => {
    if (free(match)) found.push({ start: match.index, end: match.index + match[0].length, asks })
  }
  for (const match of sentence.matchAll(date)) add(match, /^\d{4}$/.test(match[0]) ? 'what year' : 'when')
  for (const match of sentence.matchAll(name)) {
    const before = sentence.slice(0, match.index).trim()
    // The first word is a capital's whatever it is; a name of two words is taken to be one there too.
    if (before !== '' || match[0].includes(' ')) add(match, askedAfter(before))
  }
  for (const match of sentence.matchAll(amount))
    add(match, /[£$€%]|cent|illion/.test(match[0]) ? 'how much' : 'how many')
  return found
}

const clauseWords = 14

/**
 * The sentence with the words that ask where the answer stood, without what is far from it: a cloze question, of the kind
 * that Lewis, Denoyer and Riedel 2019 train on ("Unsupervised Question Answering by Cloze Translation").
 */
function question(sentence, { start, end, asks }) {
  const near = text => text.split(' ').slice(0, clauseWords).join(' ')
  const far = text => text.split(' ').slice(-clauseWords).join(' ')
  const asked = `${far(sentence.slice(0, start))}${asks}${near(sentence.slice(end))}`.replace(
    /[\s.!?;:,"”]+$/u,
    '',
  )
  return `${asked[0].toUpperCase()}${asked.slice(1)}?`
}

/** Of the sentences of a text, at most a number of questions, spread over them, whose answers stand in the source. */
function* clozes(sentences, source, most) {
  const all = sentences.flatMap(sentence => askable(sentence).map(place => ({ sentence, place })))
  const every = Math.max(1, all.length / most)
  for (let at = 0; at < all.length; at += every) {
    const { sentence, place } = all[Math.floor(at)]
    const answer = sentence.slice(place.start, place.end)
    const asked = question(sentence, place)
    const context = passageOf({ plot: source, question: asked, answers: [answer] })
    if (context !== undefined && context.length > 150 && words(asked).size > 4)
      yield { context, question: asked, answers: { text: [answer] } }
  }
}

function* askedInPlace() {
  for (const { document, summary } of rows('xsum/sample.jsonl')) yield* clozes([summary], document, 3)
  for (const { article, highlights } of rows('cnn_dailymail/sample.jsonl'))
    yield* clozes(highlights.split(/\n| \. /), article, 8)
  for (const { dialogue, summary } of rows('samsum/all.jsonl'))
    yield* clozes(sentencesOf(summary), dialogue, 1)
  const abstracts = rows('dbpedia_14/sample.jsonl').map(({ content }) =>
    content.trim().replace(/\.(?=\p{Lu})/gu, '. '),
  )
  for (let at = 0; at + 2 < abstracts.length; at += 3) {
    const three = abstracts.slice(at, at + 3)
    yield* clozes(three.flatMap(sentencesOf), three.join(' '), 3)
  }
  const documents = new Map()
  for (const { question_id: id, answer } of rows('wiki_qa/test.jsonl'))
    documents.set(id, [...(documents.get(id) ?? []), answer])
  for (const sentences of documents.values()) yield* clozes(sentences, sentences.join(' '), 5)
}

rmSync(folder, { recursive: true, force: true })
mkdirSync(folder, { recursive: true })
for (const set of readdirSync(dataRoot)) symlinkSync(resolve(dataRoot, set), join(folder, set))
for (const [set, made] of Object.entries({
  passages: passagesOfSets(),
  conversations: conversations(),
  'asked-in-place': askedInPlace(),
})) {
  const lines = [...made].map(row => `${JSON.stringify(row)}\n`)
  mkdirSync(join(folder, set))
  writeFileSync(join(folder, set, 'train.jsonl'), lines.join(''))
  console.log(`${set}: ${lines.length} rows`)
}
