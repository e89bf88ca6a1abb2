// Tests protocol release's tokens: with LLaMA's vocabulary, with others, and where a vocabulary has not what it needs.
import assert from 'node:assert/strict'
import type { GenerateForm } from '../src/protocols/protocol.ts'
import { release } from '../src/protocols/release/release.ts'
import { encodeReleasePrompt, releaseTokens, tokenNotes } from '../src/protocols/release/tokens.ts'
import { builtInTasks } from '../src/tasks/built-in/registry.ts'
import type { Tokenizer } from '../src/tokenizer/tokenizer.ts'
import {
  byteJson,
  bytePieces,
  isTokenizerError,
  loadJson,
  loadModelFile,
  sentencePieceModel,
  type TestPiece,
  template,
} from './tokenizer-files.ts'

const words: TestPiece[] = [
  ['▁', -1],
  ['▁a', -2],
  ['a', -3],
]

/** SentencePiece's setting byte_fallback: characters without a piece become their bytes. */
const byteFallback: [number, boolean] = [35, true]

/** Has `</s>` as 2 and the newline's byte as 13, as LLaMA's vocabulary does. */
const likeLlama = () => loadModelFile(sentencePieceModel([...bytePieces, ...words], [byteFallback]))

function formOf(task: string): GenerateForm {
  return release.form(builtInTasks.get(task)!) as GenerateForm
}

describe('tokens of protocol release', () => {
  it("LLaMA's vocabulary: prompts begin with 2 and texts end at 13", async () => {
    const tokenizer = await likeLlama()
    assert.deepEqual(releaseTokens(tokenizer), { first: 2, stop: 13, isLlama: true })
    assert.deepEqual(tokenNotes(tokenizer), [
      'Each prompt begins with token 2 (</s>) in the place of BOS; a text ends at token 13 (<0x0A>) alone, or after 64 tokens.',
    ])
    assert.deepEqual(formOf('copa').stopIds!(tokenizer), [13])
  })

  const others: [name: string, load: () => Promise<Tokenizer>, first: number, stop: number][] = [
    [
      'pieces in another order',
      () => loadModelFile(sentencePieceModel([...words, ...bytePieces], [byteFallback])),
      2,
      16,
    ],
    [
      'bytes, whose 2 and 13 are other characters',
      () => loadJson(byteJson(), { eos_token: '</s>' }),
      263,
      10,
    ],
    [
      'bytes, with a BOS that the tokenizer adds by itself',
      () =>
        loadJson(
          { ...byteJson(), post_processor: template([['<s>', 262]], []) },
          { bos_token: '<s>', eos_token: '</s>' },
        ),
      263,
      10,
    ],
  ]
  for (const [name, load, first, stop] of others) {
    it(`${name}: its own EOS and newline stand in, and a note says so`, async () => {
      const tokenizer = await load()
      assert.deepEqual(releaseTokens(tokenizer), { first, stop, isLlama: false })
      assert.equal(tokenizer.decode([stop]), '\n')
      assert.deepEqual(encodeReleasePrompt('a', tokenizer), {
        ids: [first, ...tokenizer.encode('a')],
        truncatedTokens: 0,
      })
      assert.match(
        tokenNotes(tokenizer)[1]!,
        /^The tokenizer is not LLaMA's: its own EOS and newline stand in for .* 2 \(<\/s>\) and 13 \(<0x0A>\)\.$/,
      )
    })
  }

  it('a tokenizer without EOS is refused', async () => {
    const tokenizer = await loadJson({ ...byteJson(), added_tokens: [] })
    assert.equal(tokenizer.eosTokenId, undefined)
    assert.throws(
      () => tokenNotes(tokenizer),
      isTokenizerError(/has no EOS token; protocol release begins each prompt with it .* Protocol card/),
    )
  })

  it('a tokenizer without a token of the newline alone is refused', async () => {
    // Without byte pieces a newline is the unknown token.
    const tokenizer = await loadModelFile(sentencePieceModel(words))
    assert.throws(
      () => releaseTokens(tokenizer),
      isTokenizerError(/has no token for a newline alone; protocol release ends texts at it/),
    )
  })

  it('prompts of questions are cut on the right to 1,024 tokens, the first among them; others are not', async () => {
    const tokenizer = await likeLlama()
    const cases: [task: string, pieces: number, kept: number][] = [
      ['squad', 1023, 1024],
      ['squad', 1024, 1024],
      ['mlqa_zh', 1500, 1024],
      ['copa', 1500, 1501],
      ['xnli_sw', 1500, 1501],
    ]
    for (const [task, pieces, kept] of cases) {
      const prompt = ' a'.repeat(pieces).slice(1)
      const all = tokenizer.encode(prompt)
      assert.equal(all.length, pieces)
      const { ids, truncatedTokens } = formOf(task).encode!(prompt, tokenizer)!
      assert.deepEqual(ids, [2, ...all].slice(0, kept), task)
      assert.equal(truncatedTokens, pieces + 1 - kept)
    }
  })

  it('an answer is what the output has beside the input', async () => {
    const tokenizer = await likeLlama()
    const { ids } = encodeReleasePrompt('a 北', tokenizer)
    const answer = [...tokenizer.encode('a a'), 2]
    assert.equal(formOf('copa').decode!(ids, answer, tokenizer), ' a a')
    assert.equal(formOf('squad').decode!(ids, answer, tokenizer), ' a a')
    // Control tokens and `<unk>` give no text, as transformers 4.28 decodes with the scripts' special tokens.
    assert.equal(formOf('wic').decode!(ids, [1, ...answer, 0], tokenizer), ' a a')
    // Where the prompt is cut inside a character, the input's text ends otherwise than the output's: the scripts then
    // leave the input in an answer, and take off a character that is not the input's before a class is looked for.
    const cut = ids.slice(0, -1)
    const rest = [ids.at(-1)!, ...answer]
    assert.equal(formOf('squad').decode!(cut, rest, tokenizer), 'a 北 a a')
  })
})
