// Checks a GGUF file that `mt-llama convert` wrote against llama.cpp: does it load, and choose the same tokens?
//
//   npx tsx bench/peers/check_convert.js SOURCE FILE.gguf [IDS.json]        needs node-llama-cpp (setup.sh)
//
// Both continue the same tokens greedily, this package from SOURCE, llama.cpp from FILE.gguf: prompts of texts where the
// model has a tokenizer (whose ids of them are compared too), else those of IDS.json, a list of { prompt: ids } as
// greedy.json of the golden checkpoints has it. node-llama-cpp ends where a file has no tokenizer.
import { readFileSync } from 'node:fs'
import { getLlama, LlamaLogLevel } from 'node-llama-cpp'
import { loadModel } from '../../src/index.ts'

const texts = [
  'The capital of France is',
  'Once upon a time',
  "It's 12345 degrees\n\n\tin  naïve 日本語",
  'def f(x):\n    return',
]
const maxTokens = 24

const [source, file, idsFile] = process.argv.slice(2)
const ours = await loadModel(source, { dtype: 'float32', device: 'cpu' })
const llama = await getLlama({
  ...{ gpu: false, build: 'never', skipDownload: true },
  logLevel: LlamaLogLevel.error,
})
const theirs = await llama.loadModel({ modelPath: file })
const prompts = idsFile
  ? JSON.parse(readFileSync(idsFile, 'utf8')).map(({ prompt }) => prompt)
  : texts.map(text => {
      const ids = [...ours.tokenizer.encode(text)]
      const found = [...theirs.tokenize(text)]
      if (ids.join() !== found.join()) throw new Error(`${text}: ${ids}; llama.cpp has ${found}`)
      return ours.tokenizer.addBos ? [ours.tokenizer.bosTokenId, ...ids] : ids
    })
const context = await theirs.createContext({ contextSize: 256 })
let same = 0
for (const prompt of prompts) {
  const [{ tokens: ids }] = await ours.generate([prompt], { maxTokens, stopIds: [] })
  const sequence = context.getSequence()
  const found = []
  for await (const id of sequence.evaluate(prompt, { temperature: 0 })) {
    found.push(id)
    if (found.length === ids.length) break
  }
  sequence.dispose()
  const equal = [...ids].join() === found.join()
  if (equal) same++
  else console.log(`differs: ${[...ids].join()} from ${found.join()}`)
}
console.log(`${file}: ${same} of ${prompts.length} continuations are the same`)
process.exit(same === prompts.length ? 0 : 1)
