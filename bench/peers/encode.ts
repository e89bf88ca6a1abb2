// Answers each JSON line on stdin, a text, with a JSON line of its ids by our tokenizer: for tokenizer_parity.py.
//   node --import tsx bench/peers/encode.ts KIND FILE
import { createInterface } from 'node:readline'
import { loadTokenizer } from '../../src/index.ts'

const [kind, file] = process.argv.slice(2) as ['tokenizer.json' | 'tokenizer.model', string]
const tokenizer = await loadTokenizer({ kind, file })
for await (const line of createInterface({ input: process.stdin }))
  console.log(JSON.stringify([...tokenizer.encode(JSON.parse(line))]))
