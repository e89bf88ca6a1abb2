// Compares tokenizers with ids made by the tokenizers library, sentencepiece and llama.cpp: every row, both ways.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { drain } from '../src/calls/slices.ts'
import type { TokenizerSource } from '../src/checkpoint/checkpoint.ts'
import { readGguf } from '../src/checkpoint/gguf/gguf.ts'
import { splitContinuation } from '../src/tokenizer/boundary.ts'
import { loadTokenizer } from '../src/tokenizer/load.ts'
import type { Tokenizer } from '../src/tokenizer/tokenizer.ts'
import { shared, sharedMissing } from './shared.ts'
import { skip } from './skip.ts'

type Source = () => Promise<TokenizerSource>

const json = (folder: string, name: string, config = true): Source => {
  const configFile = config ? shared(folder, 'tokenizer_config.json') : undefined
  return async () => ({ kind: 'tokenizer.json', file: shared(folder, name), configFile })
}
const gguf = (path: string): Source => {
  return async () => {
    const prefix = 'tokenizer.ggml.'
    const { metadata } = await readGguf(shared(path))
    const own = [...metadata].filter(([key]) => key.startsWith(prefix))
    return {
      kind: 'gguf',
      file: shared(path),
      metadata: new Map(own.map(([key, value]) => [key.slice(prefix.length), value])),
    }
  }
}
const sentencePiece: Source = async () => ({
  kind: 'tokenizer.model',
  file: shared('tokenizers/llama/tokenizer.model'),
  configFile: shared('tokenizers/llama/tokenizer_config.json'),
})

/** BOS, EOS and other facts of each tokenizer. */
interface Facts {
  kind: string
  vocabSize: number
  bosTokenId: number
  eosTokenId: number
  addBos: boolean
  addsSpace: boolean
}

interface Row {
  name: string
  source: Source
  rows: string
  vectors: string | undefined
  /** The tokenizer's name in boundaries.jsonl. */
  boundaries: string | undefined
  facts: Facts
}

const llama: Omit<Facts, 'kind'> = {
  vocabSize: 32000,
  bosTokenId: 1,
  eosTokenId: 2,
  addBos: true,
  addsSpace: true,
}
const llama3 = { vocabSize: 128256, bosTokenId: 128000, eosTokenId: 128001, addsSpace: false }
const smollm2 = { vocabSize: 49152, bosTokenId: 1, eosTokenId: 2, addBos: false, addsSpace: false }

const table: Row[] = [
  {
    name: 'smollm2 tokenizer.json',
    source: json('models/smollm2-135m', 'tokenizer.json'),
    rows: 'smollm2/tokenizer_json',
    vectors: undefined,
    boundaries: 'smollm2',
    facts: { kind: 'tokenizer.json', ...smollm2 },
  },
  {
    name: 'smollm2 GGUF',
    source: gguf('models/smollm2-135m/model-q4_1.gguf'),
    rows: 'smollm2/tokenizer_json',
    vectors: undefined,
    boundaries: 'smollm2',
    facts: { kind: 'gguf', ...smollm2 },
  },
  {
    name: 'llama3 tokenizer.json',
    source: json('tokenizers/llama3', 'tokenizer.json', false),
    rows: 'llama3/tokenizer_json',
    vectors: 'llama3/vectors',
    boundaries: 'llama3',
    facts: { kind: 'tokenizer.json', ...llama3, addBos: true },
  },
  {
    name: 'llama3 GGUF',
    source: gguf('tokenizers/llama3/vocab.gguf'),
    rows: 'llama3/tokenizer_json',
    vectors: 'llama3/vectors',
    boundaries: 'llama3',
    facts: { kind: 'gguf', ...llama3, addBos: true },
  },
  {
    name: 'llama tokenizer.json',
    source: json('tokenizers/llama', 'tokenizer.json'),
    rows: 'llama/tokenizer_json',
    vectors: 'llama/vectors',
    boundaries: 'llama',
    facts: { kind: 'tokenizer.json', ...llama },
  },
  {
    name: 'llama tokenizer.json, Metaspace',
    source: json('tokenizers/llama', 'tokenizer-metaspace.json'),
    rows: 'llama/tokenizer_metaspace_json',
    vectors: undefined,
    boundaries: 'llama-metaspace',
    facts: { kind: 'tokenizer.json', ...llama },
  },
  {
    name: 'llama tokenizer.model',
    source: sentencePiece,
    rows: 'llama/sentencepiece',
    vectors: 'llama/vectors',
    boundaries: 'llama-sentencepiece',
    facts: { kind: 'tokenizer.model', ...llama },
  },
]

for (const { name, source, rows, vectors, boundaries, facts } of table) {
  describe(`golden ids of ${name}`, () => {
    let tokenizer: Tokenizer

    before(async function () {
      if (sharedMissing) skip(this, sharedMissing)
      tokenizer = await loadTokenizer(await source())
    })

    it('reads the vocabulary, BOS and EOS', () => {
      const { kind, vocabSize, bosTokenId, eosTokenId, addBos, addsSpace } = tokenizer
      assert.deepEqual({ kind, vocabSize, bosTokenId, eosTokenId, addBos, addsSpace }, facts)
      const bos = addBos ? [bosTokenId] : []
      assert.deepEqual(tokenizer.encode('', { addSpecialTokens: true }), bos)
    })

    it('encodes every row', () => {
      for (const { text, ids } of readRows(`tokenizers/${rows}.jsonl`)) {
        assert.deepEqual(tokenizer.encode(text), ids, JSON.stringify(text))
        assert.equal(tokenizer.count(text), ids.length)
      }
    })

    it('decodes every row, at once and as a stream', () => {
      const options = { skipSpecialTokens: false }
      for (const { ids, decoded } of readRows(`tokenizers/${rows}.jsonl`)) {
        assert.equal(tokenizer.decode(ids, options), decoded, JSON.stringify(ids))
        const stream = tokenizer.decodeStream(options)
        let text = ''
        for (const id of ids) {
          text += stream.push(id)
          assert.ok(
            decoded.startsWith(text),
            `${JSON.stringify(text)} is no beginning of ${JSON.stringify(decoded)}`,
          )
        }
        assert.equal(text + stream.pending(), decoded)
        assert.equal(text + stream.end(), decoded)
      }
    })

    if (vectors !== undefined) {
      it('encodes the vectors of llama.cpp', () => {
        const texts = readFileSync(shared(`tokenizers/${vectors}.inp`), 'utf8').split(
          '\n__ggml_vocab_test__\n',
        )
        const lines = readFileSync(shared(`tokenizers/${vectors}.out`), 'utf8').split('\n')
        assert.ok(texts.length > 40)
        for (const [i, text] of texts.entries()) {
          const want = lines[i]!.trim() === '' ? [] : lines[i]!.trim().split(' ').map(Number)
          assert.deepEqual(tokenizer.encode(text), want, JSON.stringify(text))
        }
      })
    }

    if (boundaries !== undefined) {
      it('finds where every continuation begins', () => {
        const own = readLines('golden/boundaries.jsonl').filter(row => row.tokenizer === boundaries)
        assert.equal(own.length, 54)
        for (const row of own) {
          for (const rule of ['joint', 'harness', 'separate'] as const) {
            const split = drain(splitContinuation(tokenizer, row.prompt, row.continuation, rule))
            assert.deepEqual(split, row[rule], JSON.stringify([rule, row.prompt, row.continuation]))
          }
        }
      })
    }
  })
}

interface GoldenRow {
  text: string
  ids: number[]
  decoded: string
}

function readRows(path: string): GoldenRow[] {
  const rows = readLines(path)
  assert.equal(rows.length, 374)
  return rows
}

function readLines(path: string) {
  return readFileSync(shared(path), 'utf8')
    .trimEnd()
    .split('\n')
    .map(line => JSON.parse(line))
}
