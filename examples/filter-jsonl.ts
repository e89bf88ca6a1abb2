// Filtering: keeps the lines of a JSONL file whose "text" the model finds likely enough per token, as web corpora are
// cleaned of gibberish (Wenzek et al. 2020, "CCNet"). The file may be of any length: it is read as the answers come.
//   npx tsx examples/filter-jsonl.ts MODEL -6 < in.jsonl > out.jsonl
import { createInterface } from 'node:readline'
import { loadModel } from '../src/index.ts' // 'mt-llama' in your own program

const [path, least] = process.argv.slice(2)
if (!path || !least) throw new Error('usage: MODEL LEAST_LOG_PROBABILITY_PER_TOKEN < in.jsonl > out.jsonl')

await using model = await loadModel(path)
const lines: string[] = []
async function* requests() {
  for await (const line of createInterface({ input: process.stdin })) {
    const { text } = JSON.parse(line) as { text: string }
    if (text === '') continue // there is nothing to score
    lines.push(line)
    yield { prompt: '', continuations: [text] }
  }
}
for await (const { continuations, skipped } of model.scoreStream(requests(), { tooLong: 'skip' })) {
  const line = lines.shift()
  if (skipped) continue
  const { logLikelihood, tokens } = continuations[0]!
  if (logLikelihood / tokens.length >= Number(least)) console.log(line)
}
