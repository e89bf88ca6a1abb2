// What the native forward pass needs to know of a checkpoint, and whether the tokenizer's vocabulary fits it.
import type { NativeConfig } from '../native/types.ts'
import { type Checkpoint, shapeOf } from './checkpoint.ts'
import { ropeFrequencies } from './rope.ts'

export function nativeConfig({ config }: Checkpoint): NativeConfig {
  const { frequencies, attentionFactor } = ropeFrequencies(config)
  return {
    ...shapeOf(config),
    rmsNormEps: config.rmsNormEps,
    ropeFrequencies: frequencies,
    ropeAttentionFactor: attentionFactor,
    windows: Int32Array.from(config.windows),
  }
}

/**
 * A warning where the tokenizer makes ids that the embedding has no row for: a [PAD] added without resizing, say. Such
 * an id in a request is the error.
 * @param tokenizerSize ids of the tokenizer are below this
 */
export function vocabularyWarning({ path, config }: Checkpoint, tokenizerSize: number): string | undefined {
  if (tokenizerSize <= config.vocabSize) return undefined
  return (
    `${path}: the tokenizer has ${tokenizerSize} tokens, the embedding ${config.vocabSize} rows; ` +
    `texts with ids from ${config.vocabSize} on cannot be scored`
  )
}
