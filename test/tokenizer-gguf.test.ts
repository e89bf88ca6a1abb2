// Compares small GGUF tokenizers with llama.cpp (bench/peers/gguf-tokenizers.js): BOS, EOS, ids with special tokens or not.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { loadTokenizer } from '../src/tokenizer/load.ts'
import { carried } from './shared.ts'

interface Vocabulary {
  tokens: string[]
  token_type: number[]
  scores?: number[]
  merges?: string[]
}

interface Golden {
  texts: string[]
  vocabularies: Record<string, Vocabulary>
  tokenizers: {
    name: string
    keys: Record<string, unknown>
    /** The tokens that follow those of the vocabulary, with their types. */
    more: [text: string, type: number][]
    bos: number | null
    eos: number | null
    addsBos: boolean
    addsEos: boolean
    ids: [special: number[], plain: number[]][]
  }[]
}

const file = carried('tokenizers', 'gguf.json')

describe('GGUF tokenizers as llama.cpp reads them', () => {
  const golden: Golden = JSON.parse(readFileSync(file, 'utf8'))

  for (const { name, keys, more, bos, eos, addsBos, addsEos, ids } of golden.tokenizers) {
    it(name, async () => {
      const { tokens, token_type, scores, merges } = golden.vocabularies[keys.model as string]!
      const metadata = new Map<string, unknown>([
        ...Object.entries(keys),
        ['tokens', [...tokens, ...more.map(([text]) => text)]],
        ['token_type', Int32Array.from([...token_type, ...more.map(([, type]) => type)])],
        ['scores', scores && Float32Array.from([...scores, ...more.map(() => 0)])],
        ['merges', merges],
      ])
      const tokenizer = await loadTokenizer({ kind: 'gguf', file: 'm.gguf', metadata })
      const ends = [tokenizer.bosTokenId ?? null, tokenizer.eosTokenId ?? null]
      assert.deepEqual(ends, [bos, eos])
      const around = [...(addsBos ? [bos] : []), ...(addsEos ? [eos] : [])]
      assert.deepEqual(tokenizer.encode('', { addSpecialTokens: true }), around)
      for (const [i, text] of golden.texts.entries()) {
        const found = [tokenizer.encode(text), tokenizer.encode(text, { parseSpecial: false })]
        assert.deepEqual(found, ids[i], JSON.stringify(text))
      }
    })
  }
})
