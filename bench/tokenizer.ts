// Measures how fast text becomes tokens, on one thread, and how long a tokenizer takes to load.
//
//   node --import tsx bench/tokenizer.ts
//
// Prompts are those of protocol `card` on SQuAD. 'first' meets every word for the first time, 'again' has the cache warm.
import { readFileSync } from 'node:fs'
import type { TokenizerSource } from '../src/checkpoint/checkpoint.ts'
import { loadTokenizer } from '../src/tokenizer/load.ts'
import { shared } from '../test/shared.ts'
import { machine, median, table } from './report.ts'

const rounds = 5
const sources: [name: string, source: TokenizerSource][] = [
  [
    'SmolLM2',
    { kind: 'tokenizer.json', file: shared('models/smollm2-135m/tokenizer.json'), configFile: undefined },
  ],
  [
    'LLaMA 3',
    { kind: 'tokenizer.json', file: shared('tokenizers/llama3/tokenizer.json'), configFile: undefined },
  ],
  [
    'LLaMA',
    { kind: 'tokenizer.json', file: shared('tokenizers/llama/tokenizer.json'), configFile: undefined },
  ],
  [
    'LLaMA .model',
    { kind: 'tokenizer.model', file: shared('tokenizers/llama/tokenizer.model'), configFile: undefined },
  ],
]

const prompts = readPrompts()
const characters = prompts.reduce((sum, prompt) => sum + prompt.length, 0)
console.log(machine())
console.log(`${prompts.length} prompts, ${(characters / 1e6).toFixed(1)} million characters\n`)

const rows: string[][] = []
for (const [name, source] of sources) {
  const loads: number[] = []
  const first: number[] = []
  const again: number[] = []
  let tokens = 0
  for (let round = 0; round < rounds; round++) {
    const start = performance.now()
    const tokenizer = await loadTokenizer(source)
    loads.push(performance.now() - start)
    const timed = () => {
      const begin = performance.now()
      tokens = 0
      for (const prompt of prompts) tokens += tokenizer.encode(prompt).length
      return tokens / (performance.now() - begin)
    }
    first.push(timed())
    again.push(timed())
  }
  const perSecond = (rates: number[]) => `${(median(rates) / 1000).toFixed(2)} M`
  rows.push([name, `${tokens}`, perSecond(first), perSecond(again), `${median(loads).toFixed(0)} ms`])
}
console.log(table(['tokenizer', 'tokens', 'tokens/s, first', 'tokens/s, again', 'load'], rows))

function readPrompts(): string[] {
  const squad = JSON.parse(readFileSync(shared('data/eval/squad/dev-v1.1.json'), 'utf8')) as {
    data: { paragraphs: { context: string; qas: { question: string }[] }[] }[]
  }
  const paragraphs = squad.data.flatMap(article => article.paragraphs)
  return paragraphs.flatMap(({ context, qas }) =>
    qas.map(
      ({ question }) =>
        `Answer the question according to the context. Question: ${question}. Context: ${context}. Answer:`,
    ),
  )
}
