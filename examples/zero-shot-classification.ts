// Zero-shot classification: which label is the likeliest answer?
//   npx tsx examples/zero-shot-classification.ts MODEL "The film was a delight." positive negative
import { loadModel } from '../src/index.ts' // 'mt-llama' in your own program

const [path, text, ...labels] = process.argv.slice(2)
if (!path || !text || labels.length < 2) throw new Error('usage: MODEL TEXT LABEL LABEL ...')

await using model = await loadModel(path)
const [result] = await model.score([
  { prompt: `Text: ${text}\nLabel:`, continuations: labels.map(label => ` ${label}`) },
])
const odds = result!.continuations.map(({ logLikelihood }) => Math.exp(logLikelihood))
const sum = odds.reduce((a, b) => a + b, 0)
for (const [i, label] of labels.entries()) console.log(`${(odds[i]! / sum).toFixed(3)} ${label}`)
