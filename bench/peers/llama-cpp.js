// Serves node-llama-cpp as a rival: it prefills a prompt of random ids, one JSON object a line in and out (see serve.py).
//
//   node llama-cpp.js FILE.gguf THREADS
//
// In:  {"tokens": 512}
// Out: {"seconds": prefill without generation}
import { createInterface } from 'node:readline'
import { getLlama, LlamaLogLevel } from 'node-llama-cpp'

const [file, threads] = process.argv.slice(2)
const llama = await getLlama({
  gpu: false,
  build: 'never',
  skipDownload: true,
  maxThreads: Number(threads),
  logLevel: LlamaLogLevel.error,
})
const model = await llama.loadModel({ modelPath: file })
const context = await model.createContext({ contextSize: 2048, batchSize: 2048, threads: Number(threads) })
const sequence = context.getSequence()

const say = value => process.stdout.write(`${JSON.stringify(value)}\n`)
say({ rival: 'node-llama-cpp', llamaCpp: llama.llamaCppRelease.release, threads: context.currentThreads })
for await (const line of createInterface({ input: process.stdin })) {
  const ids = Array.from({ length: JSON.parse(line).tokens }, (_, i) => 300 + ((i * 7919) % 30000))
  await sequence.clearHistory()
  const start = performance.now()
  await sequence.evaluateWithoutGeneratingNewTokens(ids)
  say({ seconds: (performance.now() - start) / 1000 })
}
await llama.dispose()
