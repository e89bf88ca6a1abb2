// The tokens that a constraint allows, held to what the tokenizer decodes: over all kinds of vocabularies, a token is allowed
// if what the text is with it is the beginning of a text that matches, and no other.
import { strict as assert } from 'node:assert'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { drain } from '../src/calls/slices.ts'
import { findTokenizer } from '../src/checkpoint/huggingface/huggingface.ts'
import { Constraints } from '../src/generation/constraint/constraints.ts'
import { readConstraint } from '../src/generation/constraint/option.ts'
import { hasBit, type TextState, type TokenMasks } from '../src/generation/constraint/token-masks.ts'
import { loadTokenizer } from '../src/tokenizer/load.ts'
import type { Tokenizer } from '../src/tokenizer/tokenizer.ts'
import { randomNumbers } from './attention-oracle.ts'
import { withFolder } from './checkpoint-files.ts'
import { carried, shared, sharedMissing } from './shared.ts'
import { skip } from './skip.ts'
import { byteJson, type Json, loadJson } from './tokenizer-files.ts'

/** The language of the constraint: few texts, so that it is plain which beginnings they have. */
const texts = [
  ...[
    '',
    ' ',
    'a',
    ' a',
    '  a',
    'a b',
    'a  b',
    'hello',
    ' hello world',
    'hello\n',
    'The mill, the river',
    '12 345',
  ],
  ...[
    'é',
    'éé',
    ' été',
    '世界',
    '世 界',
    '😀',
    '😀😁',
    'x\ty',
    'aaaaaaaaaaaa',
    '</',
    '<0x41>',
    'A',
    '▁',
    'a▁b',
  ],
]
const regex = texts.map(text => text.replaceAll(/[.*+?^${}()|[\]\\/]/g, '\\$&')).join('|')

function masksFor(tokenizer: Tokenizer, vocabSize: number): TokenMasks {
  const constraints = new Constraints(tokenizer, vocabSize)
  return drain(constraints.masksOf(constraints.automaton(readConstraint({ regex }))))
}

/** What a text certainly has of the tokens: bytes at the end that are no whole character yet are left out. */
function certainText(tokenizer: Tokenizer, ids: readonly number[]): { text: string; isWhole: boolean } {
  const text = tokenizer.decode(ids)
  const certain = text.replace(/\ufffd+$/, '')
  return { text: certain, isWhole: certain === text }
}

const isBeginning = (text: string) => texts.some(whole => whole.startsWith(text))

/** Checks the mask after `ids` for the tokens to look at; returns those that are allowed. */
function checkMask(
  tokenizer: Tokenizer,
  mask: Int32Array,
  ids: readonly number[],
  looked: readonly number[],
): number[] {
  const special = new Set(tokenizer.specialTokens.values())
  const before = tokenizer.decode(ids)
  return looked.filter(id => {
    const allowed = hasBit(mask, id)
    const { text, isWhole } = certainText(tokenizer, [...ids, id])
    const where = `${JSON.stringify(tokenizer.tokenText(id))} (${id}) after ${JSON.stringify(before)}`
    if (special.has(id)) assert.ok(!allowed, `special ${where}`)
    else if (allowed) assert.ok(isBeginning(text), `${where}: allowed`)
    // A token that adds no text may be none, or a space that is lost at the front.
    else if (isWhole && text !== before && !losesMore(tokenizer, ids, id))
      assert.ok(!isBeginning(text), `${where}: not allowed`)
    return allowed
  })
}

/** Tokens whose spaces are lost at the front in ways of their own may be left out there; others begin the same text. */
function losesMore(tokenizer: Tokenizer, ids: readonly number[], id: number): boolean {
  const { of, leadingSpaces, losesMore } = tokenizer.tokenBytes()
  const isSpaceByte = tokenizer.tokenText(id) === '<0x20>' && leadingSpaces > 0
  return isSpaceByte || (tokenizer.decode(ids) === '' && of(id) !== undefined && losesMore(id))
}

/** Walks at random through what is allowed, from the start of a text to one that is complete. */
function walk(
  tokenizer: Tokenizer,
  masks: TokenMasks,
  looked: readonly number[],
  random: () => number,
): void {
  const ids: number[] = []
  let at: TextState = masks.start()
  for (;;) {
    const allowed = checkMask(tokenizer, drain(masks.of(at)), ids, looked)
    if (masks.isComplete(at)) {
      assert.ok(texts.includes(tokenizer.decode(ids)), `complete: ${JSON.stringify(tokenizer.decode(ids))}`)
      if (allowed.length === 0 || random() < 0.2) return
    }
    if (allowed.length === 0) return
    const id = allowed[Math.floor(random() * allowed.length)]!
    ids.push(id)
    at = masks.after(at, id)!
  }
}

/** Checks that the tokens of each text are allowed in turn, where they give the text again. */
function checkEncodings(tokenizer: Tokenizer, masks: TokenMasks): number {
  let followed = 0
  for (const text of texts) {
    const ids = tokenizer.encode(text, { parseSpecial: false })
    if (tokenizer.decode(ids) !== text || ids.some((id, i) => losesMore(tokenizer, ids.slice(0, i), id)))
      continue
    let at = masks.start()
    for (const [i, id] of ids.entries()) {
      const where = `${JSON.stringify(text)}: ${JSON.stringify(tokenizer.tokenText(id))} (${id}), token ${i}`
      assert.ok(hasBit(drain(masks.of(at)), id), where)
      at = masks.after(at, id)!
    }
    assert.ok(masks.isComplete(at), text)
    followed++
  }
  return followed
}

/** A tokenizer.json of bytes and so many words that they are read in slices. */
function manyTokens(): Json {
  const json = byteJson()
  const words = Array.from({ length: 40_000 }, (_, i) => [`w${i.toString(36)}`, 300 + i] as const)
  json.model.vocab = { ...json.model.vocab, ...Object.fromEntries(words) }
  return json
}

describe('masks of a constraint', () => {
  interface Folder {
    name: string
    files: Record<string, unknown>
  }
  const golden = JSON.parse(readFileSync(carried('tokenizers', 'matrix.json'), 'utf8')) as {
    vocabularies: Record<string, unknown>
    folders: Folder[]
  }

  for (const { name, files } of golden.folders)
    it(name, () =>
      withFolder(async dir => {
        for (const [file, value] of Object.entries(files)) {
          const content = typeof value === 'string' ? golden.vocabularies[value] : value
          const bytes = typeof content === 'string' ? Buffer.from(content, 'base64') : JSON.stringify(content)
          writeFileSync(join(dir, file), bytes)
        }
        const tokenizer = await loadTokenizer((await findTokenizer(dir))!)
        const masks = masksFor(tokenizer, tokenizer.vocabSize + 5)
        const all = Array.from({ length: tokenizer.vocabSize + 5 }, (_, id) => id)
        const random = randomNumbers(11)
        for (let i = 0; i < 4; i++) walk(tokenizer, masks, all, random)
        checkEncodings(tokenizer, masks)
      }),
    )

  it('of calls that begin together: the vocabulary is read once, by all of them', async () => {
    const constraints = new Constraints(await loadJson(manyTokens()), 50_000)
    const begin = (regex: string) => constraints.masksOf(constraints.automaton(readConstraint({ regex })))
    const [first, second, third] = [begin('a'), begin('b'), begin('c')]
    // The first call is left in the middle.
    assert.equal(first.next().done, false)
    let slices = 1
    let ended: TokenMasks[] = []
    for (let running = [second, third]; running.length > 0; slices++) {
      const steps = running.map(work => ({ work, step: work.next() }))
      ended = [...ended, ...steps.flatMap(({ step }) => (step.done ? [step.value] : []))]
      running = steps.filter(({ step }) => !step.done).map(({ work }) => work)
    }
    assert.equal(ended.length, 2)
    assert.equal(ended[0]!.trie, ended[1]!.trie)
    let alone = 0
    const fresh = new Constraints(await loadJson(manyTokens()), 50_000)
    const work = fresh.masksOf(fresh.automaton(readConstraint({ regex: 'a' })))
    while (!work.next().done) alone++
    assert.ok(slices < alone, `${slices} turns of two calls, ${alone} of one`)
  })

  it('are made anew once they take much memory, and texts go on where they are', async () => {
    const tokenizer = await loadJson(byteJson())
    // A mask over so many ids takes 5 MB.
    const constraints = new Constraints(tokenizer, 40_000_000)
    const masks = drain(constraints.masksOf(constraints.automaton(readConstraint({ regex: '(?:abc){9}|x' }))))
    const states = Array.from({ length: 3 }, () => masks.start())
    for (let i = 0; i < 27; i++)
      for (const [k, state] of states.entries()) {
        const mask = drain(masks.of(state))
        const allowed = Array.from({ length: 300 }, (_, id) => id).filter(id => hasBit(mask, id))
        const next = 'abc'.charCodeAt(i % 3)
        const nextId = tokenizer.encode(String.fromCharCode(next))[0]!
        assert.deepEqual(allowed, i === 0 ? [nextId, tokenizer.encode('x')[0]] : [nextId])
        states[k] = masks.after(state, nextId)!
      }
    for (const state of states) assert.ok(masks.isComplete(state) && !masks.goesOn(state))
  })

  it('too complex for one text: the error is its own, and others of the grammar go on', async () => {
    const tokenizer = await loadJson(manyTokens())
    const constraints = new Constraints(tokenizer, 50_000)
    // After so many letters most tokens lead to a state of their own, with thousands of places.
    const sets = ['a-m', 'ac-fn-q', 'abei-kr-t', 'acfilnru', 'abdgjmpsvy']
    const regex = `x*|[a-z0-9]*(?:${sets.map(set => `[${set}][a-z0-9]{1000}`).join('|')})`
    const masks = drain(constraints.masksOf(constraints.automaton(readConstraint({ regex }))))
    const [a, x] = ['a', 'x'].map(text => tokenizer.encode(text)[0]!)
    let heavy = masks.start()
    for (let i = 0; i < 1000; i++) heavy = masks.after(heavy, a!)!
    let light = masks.after(masks.start(), x!)!
    for (let i = 0; i < 2; i++) {
      assert.throws(() => drain(masks.of(heavy)), { code: 'INVALID_ARGUMENT' })
      assert.ok(masks.isComplete(masks.start()))
      light = masks.after(light, x!)!
      assert.ok(masks.isComplete(light))
    }
    assert.ok(hasBit(drain(masks.of(light)), x!))
  })

  it('of JSON in JSON: which calls are open is forgotten too, and texts go on where they are', async () => {
    const tokenizer = await loadJson(byteJson())
    const constraints = new Constraints(tokenizer, tokenizer.vocabSize)
    const masks = drain(constraints.masksOf(constraints.automaton(readConstraint({ jsonSchema: {} }))))
    const take = (from: TextState, text: string): TextState =>
      tokenizer.encode(text).reduce((at, id) => masks.after(at, id)!, from)
    const random = randomNumbers(13)
    const opener = () => (random() < 0.5 ? '[' : '{"":')
    const openers = Array.from({ length: 100 }, opener)
    const first = openers.reduce(take, masks.start())
    let forgotten = 0
    let { stacks } = first
    for (let i = 0; i < 60; i++) {
      let at = masks.start()
      for (let depth = 0; depth < 1000; depth++) at = take(at, opener())
      if (at.stacks !== stacks) forgotten++
      stacks = at.stacks
      assert.ok(stacks.count < 500_000)
    }
    assert.ok(forgotten > 0)
    const closers = openers.map(text => (text === '[' ? ']' : '}')).reverse()
    for (const [i, closer] of closers.entries()) {
      const wrong = closer === ']' ? '}' : ']'
      const at = i === 0 ? take(first, '0') : take(first, `0${closers.slice(0, i).join('')}`)
      assert.equal(masks.after(at, tokenizer.encode(wrong)[0]!), undefined)
    }
    const last = take(first, `0${closers.join('')}`)
    assert.ok(masks.isComplete(last) && !masks.goesOn(last))
  })

  const large: [name: string, ...path: string[]][] = [
    ['llama tokenizer.model', 'tokenizers', 'llama', 'tokenizer.model'],
    ['llama tokenizer.json', 'tokenizers', 'llama', 'tokenizer.json'],
    ['llama tokenizer.json, Metaspace', 'tokenizers', 'llama', 'tokenizer-metaspace.json'],
    ['llama3 tokenizer.json', 'tokenizers', 'llama3', 'tokenizer.json'],
    ['smollm2 tokenizer.json', 'models', 'smollm2-135m', 'tokenizer.json'],
  ]
  for (const [name, ...path] of large)
    it(`${name}, of which some tokens are looked at`, async function () {
      if (sharedMissing) skip(this, sharedMissing)
      const kind = path.at(-1)!.endsWith('.model') ? 'tokenizer.model' : 'tokenizer.json'
      const tokenizer = await loadTokenizer({ kind, file: shared(...path), configFile: undefined })
      const masks = masksFor(tokenizer, tokenizer.vocabSize)
      const mask = drain(masks.of(masks.start()))
      const looked = Array.from({ length: tokenizer.vocabSize }, (_, id) => id).filter(
        id => id % 101 === 0 || hasBit(mask, id) || id < 300,
      )
      const random = randomNumbers(12)
      for (let i = 0; i < 2; i++) walk(tokenizer, masks, looked, random)
      assert.ok(checkEncodings(tokenizer, masks) > texts.length / 2)
    })
})
