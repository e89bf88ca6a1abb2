// A continuation's log-likelihood with torch's sums, for comparisons with programs that run on torch.
import type { Model } from '../src/index.ts'

/**
 * Computes a log-likelihood from the model's logits with torch's sums. torch adds the 49,152 exponentials of a soft-max in
 * float32, which loses the small ones: some 8e-6 a token, beyond the tolerance for a choice of 24 tokens.
 */
export async function logLikelihoodAsTorch(
  model: Model,
  prompt: string,
  continuation: string,
): Promise<number> {
  const [result] = await model.score([{ prompt, continuations: [continuation] }])
  const { tokens } = result!.continuations[0]!
  const ids = [...model.tokenizer!.encode(prompt), ...tokens]
  return sumAsTorch(model, ids, ids.length - tokens.length)
}

/** The same of a text as a whole, of one window, after BOS. */
export async function rolledAsTorch(model: Model, text: string): Promise<number> {
  return sumAsTorch(model, [model.info.bosTokenId!, ...model.tokenizer!.encode(text)], 1)
}

/** @param first the ids from this one on are scored */
async function sumAsTorch(model: Model, ids: readonly number[], first: number): Promise<number> {
  const logits = await model.logits(ids)
  const { vocabSize } = model.info
  let logLikelihood = 0
  for (let t = first; t < ids.length; t++) {
    const row = logits.subarray((t - 1) * vocabSize, t * vocabSize)
    const largest = row.reduce((m, x) => Math.max(m, x), Number.NEGATIVE_INFINITY)
    const lanes = new Float32Array(16)
    for (const [i, x] of row.entries()) lanes[i % 16]! += Math.fround(Math.exp(x - largest))
    logLikelihood += row[ids[t]!]! - largest - Math.log(lanes.reduce((a, b) => a + b, 0))
  }
  return logLikelihood
}
