// Reranking: which passage makes the question likeliest? (Sachan et al. 2022, "Improving passage retrieval with zero-shot
// question generation")
//   npx tsx examples/rerank.ts MODEL "Who wrote Faust?" "Goethe finished Faust in 1831." "Faust is a city in Oklahoma."
import { loadModel } from '../src/index.ts' // 'mt-llama' in your own program

const [path, question, ...passages] = process.argv.slice(2)
if (!path || !question || passages.length < 2) throw new Error('usage: MODEL QUESTION PASSAGE PASSAGE ...')

await using model = await loadModel(path)
for (const { score, document } of await model.rank(question, passages))
  console.log(`${score.toFixed(2)} ${document}`)
