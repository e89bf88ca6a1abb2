// Zero-shot classification: how well does each label fit the text?
//   npx tsx examples/zero-shot-classification.ts MODEL "The film was a delight." positive negative
import { loadModel } from '../src/index.ts' // 'mt-llama' in your own program

const [path, text, ...labels] = process.argv.slice(2)
if (!path || !text || labels.length < 2) throw new Error('usage: MODEL TEXT LABEL LABEL ...')

await using model = await loadModel(path)
const result = await model.classify(text, { labels })
for (const [i, label] of result.labels.entries()) console.log(`${result.scores[i]!.toFixed(3)} ${label}`)
