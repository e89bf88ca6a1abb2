// What changes the logits of a text's tokens before the next one is chosen: penalties of tokens that are there already,
// and addends that the caller gives.

import type { NativeAdjustments } from '../native/types.ts'
import type { AdjustmentSettings } from './adjustment-settings.ts'

/** The adjustments of one text, in ascending order of their ids. */
export class Adjustments {
  private readonly settings: AdjustmentSettings
  /** How often the text has each of its new tokens. */
  private readonly counts = new Map<number, number>()
  private count = 0
  private ids = new Int32Array(0)
  private penalties = new Float32Array(0)
  private addends = new Float32Array(0)

  /** @param prompt the ids of the prompt, to which the repetition penalty applies too */
  constructor(settings: AdjustmentSettings, prompt: Int32Array) {
    const { repetitionPenalty, logitBias } = settings
    this.settings = settings
    const penalized = new Set(repetitionPenalty === 1 ? [] : prompt)
    this.ids = Int32Array.from(new Set([...penalized, ...logitBias.keys()])).sort()
    this.count = this.ids.length
    this.penalties = Float32Array.from(this.ids, id => (penalized.has(id) ? repetitionPenalty : 1))
    this.addends = Float32Array.from(this.ids, id => logitBias.get(id) ?? 0)
  }

  /** Takes a new token of the text. */
  push(id: number): void {
    const { repetitionPenalty, presencePenalty, frequencyPenalty, logitBias } = this.settings
    if (repetitionPenalty === 1 && presencePenalty === 0 && frequencyPenalty === 0) return
    const count = (this.counts.get(id) ?? 0) + 1
    this.counts.set(id, count)
    const at = this.place(id)
    this.penalties[at] = repetitionPenalty
    this.addends[at] = (logitBias.get(id) ?? 0) - presencePenalty - frequencyPenalty * count
  }

  /** The arrays are those of this text: they change with the next token. */
  get values(): Omit<NativeAdjustments, 'offsets'> {
    const { ids, penalties, addends, count } = this
    return {
      ids: ids.subarray(0, count),
      penalties: penalties.subarray(0, count),
      addends: addends.subarray(0, count),
    }
  }

  /** Where the token's adjustment is; makes one where there is none. */
  private place(id: number): number {
    let at = 0
    for (let end = this.count; at < end; ) {
      const middle = (at + end) >>> 1
      if (this.ids[middle]! < id) at = middle + 1
      else end = middle
    }
    if (at < this.count && this.ids[at] === id) return at
    this.ids = opened(this.ids, at, this.count)
    this.penalties = opened(this.penalties, at, this.count)
    this.addends = opened(this.addends, at, this.count)
    this.count++
    this.ids[at] = id
    return at
  }
}

/** The array, or a larger one, with its values from `at` to `count` one place further on. */
function opened<Values extends Int32Array | Float32Array>(values: Values, at: number, count: number): Values {
  let own = values
  if (count === values.length) {
    own = new (values.constructor as new (length: number) => Values)(Math.max(16, 2 * count))
    own.set(values)
  }
  own.copyWithin(at + 1, at, count)
  return own
}

/** The adjustments of several texts, one after another; undefined where no text has any. */
export function joinAdjustments(texts: readonly (Adjustments | undefined)[]): NativeAdjustments | undefined {
  if (texts.every(text => text === undefined)) return undefined
  const parts = texts.map(text => text?.values)
  const offsets = new Int32Array(parts.length + 1)
  for (const [i, part] of parts.entries()) offsets[i + 1] = offsets[i]! + (part?.ids.length ?? 0)
  const length = offsets.at(-1)!
  const joined = {
    ids: new Int32Array(length),
    penalties: new Float32Array(length),
    addends: new Float32Array(length),
  }
  for (const [i, part] of parts.entries()) {
    if (!part) continue
    joined.ids.set(part.ids, offsets[i]!)
    joined.penalties.set(part.penalties, offsets[i]!)
    joined.addends.set(part.addends, offsets[i]!)
  }
  return { offsets, ...joined }
}
