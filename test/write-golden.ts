// Writes the golden checkpoints and what is expected of them to build/golden, where programs without Node
// read them (test/native/golden_case.h says how): the checkpoint is read here, by src/checkpoint alone.
//   node --import tsx test/write-golden.ts
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { nativeConfig } from '../src/checkpoint/native-config.ts'
import { openCheckpoint } from '../src/checkpoint/open.ts'
import { type GoldenCase, goldenCases } from './golden-hf.ts'

const folder = 'build/golden'

rmSync(folder, { recursive: true, force: true })
let bytes = 0
const cases = goldenCases()
for (const golden of cases) bytes += await write(golden)
writeFileSync(`${folder}/cases.txt`, cases.map(({ name }) => `${name}\n`).join(''))
console.log(`${folder}: ${cases.length} checkpoints, ${(bytes / 2 ** 20).toFixed(1)} MiB`)

/** Writes one case and returns its bytes. */
async function write({ name, path, about, scores, greedy, sequences }: GoldenCase): Promise<number> {
  const checkpoint = await openCheckpoint(path)
  const config = nativeConfig(checkpoint)
  const { ropeFrequencies: frequencies } = config
  const lines = [
    'mt-llama-golden 1',
    row('dimensions', config.vocabSize, config.hiddenSize, config.intermediateSize, config.layers),
    row('heads', config.heads, config.kvHeads, config.headDim),
    row('context', config.contextLength, 'tied', Number(config.tiedHead)),
    row('biases', Number(config.qkvBias), Number(config.oBias), Number(config.mlpBias)),
    row('head_norms', Number(config.headNorms), 'windows', config.windows.length, ...config.windows),
    row('eps', exact(config.rmsNormEps)),
    row('rope', exact(config.ropeAttentionFactor), frequencies.length, ...[...frequencies].map(exact)),
    row('bfloat16_error', about.bf16_logprob_error_of_transformers!.mean),
  ]
  const weights: Buffer[] = []
  let offset = 0
  for (const { name, shape, parts, axis = 0 } of checkpoint.tensors) {
    lines.push(row('tensor', name, axis, shape.length, ...shape, parts.length))
    for (const { file, offset: from, bytes, type, shape, ropeInterleaved } of parts) {
      weights.push(readFileSync(file).subarray(from, from + bytes))
      lines.push(row(type, offset, bytes, Number(!!ropeInterleaved), shape.length, ...shape))
      offset += bytes
    }
  }
  const logits: Buffer[] = []
  for (const { label, ids, logits: own, vocab } of sequences()) {
    lines.push(row('sequence', label, own.length / vocab, ids.length, ...ids))
    logits.push(Buffer.from(own.buffer, own.byteOffset, own.byteLength))
  }
  for (const { prompt, continuations, tokenLogProbs, isGreedy, margin } of scores) {
    lines.push(row('request', prompt.length, ...prompt))
    for (const [c, ids] of continuations.entries()) {
      const tokens = ids.flatMap((id, i) => [
        id,
        tokenLogProbs[c]![i]!,
        Number(isGreedy[c]![i]!),
        margin[c]![i]!,
      ])
      lines.push(row('continuation', ids.length, ...tokens))
    }
  }
  for (const { prompt, generated, margin } of greedy) {
    lines.push(row('greedy', prompt.length, ...prompt))
    lines.push(row('generated', generated.length, ...generated.flatMap((id, i) => [id, margin[i]!])))
  }
  lines.push('end')
  mkdirSync(`${folder}/${name}`, { recursive: true })
  const files = {
    'case.txt': Buffer.from(`${lines.join('\n')}\n`),
    'weights.bin': Buffer.concat(weights),
    'logits.bin': Buffer.concat(logits),
  }
  for (const [file, content] of Object.entries(files)) writeFileSync(`${folder}/${name}/${file}`, content)
  return Object.values(files).reduce((n, { length }) => n + length, 0)
}

function row(...cells: (string | number)[]): string {
  return cells.join(' ')
}

/** Prints a float32 with as many digits as tell it from its neighbours. */
function exact(value: number): string {
  return Math.fround(value).toPrecision(9)
}
