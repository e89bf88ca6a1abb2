// Tokens and masks of examples: every row that the released training script made, and answers cut by hand.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { drain } from '../src/calls/slices.ts'
import { loadTokenizer } from '../src/tokenizer/load.ts'
import { type EncodeExampleOptions, encodeExample } from '../src/training/encode-example.ts'
import { jsonLines } from './cli-run.ts'
import { shared, sharedMissing } from './shared.ts'
import { skip } from './skip.ts'
import { byteJson, loadJson, template } from './tokenizer-files.ts'

interface GoldenRow {
  model_max_length: number
  inputs: string
  targets: string
  input_ids: number[]
  labels: number[]
  n_unmasked: number
}

describe('training: tokens and masks', () => {
  it('of mask release are those of the released script', async function () {
    if (sharedMissing) skip(this, sharedMissing)
    const tokenizer = await loadTokenizer({
      kind: 'tokenizer.model',
      file: shared('tokenizers', 'llama', 'tokenizer.model'),
    })
    const rows = jsonLines(readFileSync(shared('golden', 'train_mask.jsonl'), 'utf8')) as (
      | GoldenRow
      | { collate_of: number[] }
    )[]
    let tested = 0
    for (const [i, row] of rows.entries()) {
      if ('collate_of' in row) continue
      const texts = { input: row.inputs, target: row.targets }
      const options = {
        mask: 'release',
        maxLength: row.model_max_length,
        eos: false,
        tooLong: 'cut',
      } as const
      const { ids, weights } = drain(encodeExample(tokenizer, texts, options))!
      assert.deepEqual([...ids], row.input_ids, `row ${i}`)
      // The script's label of the first token is never predicted.
      const masked = row.labels.map((label, at) => (at > 0 && label !== -100 ? 1 : 0))
      assert.deepEqual([...weights], masked, `row ${i}`)
      tested++
    }
    assert.equal(tested, 27)
  })

  describe('of mask answer', () => {
    const [bos, eos, hello] = [262, 263, 260]
    const bytes = (text: string) => [...Buffer.from(text)]
    const settings = { bos_token: '<s>', eos_token: '</s>' }
    const answer = { mask: 'answer', maxLength: 100, eos: true, tooLong: 'cut' } as const
    const texts = { input: 'abcdef', target: 'hello' }

    const cases: [
      name: string,
      options: EncodeExampleOptions,
      addBos: boolean,
      expected: { before: number[]; scored: number[]; truncatedTokens?: number } | undefined,
    ][] = [
      ['with EOS', answer, false, { before: bytes('abcdef'), scored: [hello, eos] }],
      [
        'with BOS where the tokenizer adds it',
        answer,
        true,
        { before: [bos, ...bytes('abcdef')], scored: [hello, eos] },
      ],
      ['without EOS', { ...answer, eos: false }, false, { before: bytes('abcdef'), scored: [hello] }],
      [
        'that just fits',
        { ...answer, maxLength: 9 },
        true,
        { before: [bos, ...bytes('abcdef')], scored: [hello, eos] },
      ],
      [
        'whose input is cut',
        { ...answer, maxLength: 8 },
        true,
        { before: [bos, ...bytes('abcde')], scored: [hello, eos], truncatedTokens: 1 },
      ],
      [
        'whose input is cut to one token',
        { ...answer, maxLength: 4 },
        true,
        { before: [bos, ...bytes('a')], scored: [hello, eos], truncatedTokens: 5 },
      ],
      ['whose input would be cut to none', { ...answer, maxLength: 3 }, true, undefined],
      ['that is dropped for its length', { ...answer, maxLength: 8, tooLong: 'drop' }, true, undefined],
    ]
    for (const [name, options, addBos, expected] of cases)
      it(name, async () => {
        const json = { ...byteJson(), ...(addBos && { post_processor: template([['<s>', bos]], []) }) }
        const tokenizer = await loadJson(json, settings)
        const encoded = drain(encodeExample(tokenizer, texts, options))
        if (!expected) return assert.equal(encoded, undefined)
        const { before, scored, truncatedTokens = 0 } = expected
        assert.deepEqual([...encoded!.ids], [...before, ...scored])
        assert.deepEqual([...encoded!.weights], [...before.map(() => 0), ...scored.map(() => 1)])
        assert.equal(encoded!.truncatedTokens, truncatedTokens)
      })

    it('needs a tokenizer with EOS, where EOS is asked for', async () => {
      const json = byteJson()
      json.added_tokens.pop()
      const tokenizer = await loadJson(json)
      assert.throws(() => drain(encodeExample(tokenizer, texts, answer)), {
        code: 'TRAINING',
        message: /names no EOS token/,
      })
    })
  })
})
