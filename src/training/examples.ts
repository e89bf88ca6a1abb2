// The examples of a run in their order: rows drawn from a mixture, rendered by their templates, as tokens with a loss.
import { createHash } from 'node:crypto'
import { inSlices } from '../calls/slices.ts'
import { MtLlamaError } from '../errors.ts'
import { abortedError } from '../native/job.ts'
import type { Example } from '../prompts/prompt-template.ts'
import type { Tokenizer } from '../tokenizer/tokenizer.ts'
import type { Contamination } from './contamination.ts'
import { type DrawnRow, Draws } from './draws.ts'
import {
  type EncodedExample,
  type EncodeExampleOptions,
  type ExampleTexts,
  encodeExample,
} from './encode-example.ts'
import type { OpenMixture } from './open-mixture.ts'
import { rowFields } from './row-fields.ts'
import { textsOf, wordsOf } from './row-texts.ts'

export interface ExamplesOptions extends EncodeExampleOptions {
  /** A whole number from 0 to 2^53 - 1. */
  seed: number
  /**
   * The share of rows that are kept for validation, from 0 up to 1: those whose longest text has a hash below it, whatever
   * the seed. So rows of one passage are on one side.
   */
  validationShare: number
  /** Texts of evaluation sets: rows that have them are left out. undefined leaves none out. */
  contamination: Contamination | undefined
}

/** Why a draw makes no example. */
export type SkipReason =
  /** The row is kept for the other part: for validation, or for training. */
  | 'other part'
  /** The row has a text of an evaluation set. */
  | 'contaminated'
  | 'no input'
  | 'no target'
  | 'more parts than an input and a target'
  | 'the template fails'
  | 'too long'
  /** The loss would be on no token: what a maximum length has left, or one token alone. */
  | 'nothing to predict'

export interface TrainingExample extends DrawnRow, EncodedExample, ExampleTexts {
  /** The number of the draw: what comes next in a run begins with the one after it. */
  draw: number
  /** The place of the row, for messages: 'trec/train.jsonl, line 7'. */
  where: string
}

export interface SkippedDraw extends DrawnRow {
  draw: number
  reason: SkipReason
  where: string
  /** What a template's failure says. */
  message?: string
}

/** Draws in a row without an example, after which something is wrong with the data or the options. */
const maxSkippedInRow = 10_000

/** The parts of the rows: they have no row in common. */
export type Part = 'train' | 'validation'

export class Examples {
  /** Draws that made no example so far, by reason. */
  readonly skipped = new Map<SkipReason, number>()
  private readonly draws: Draws
  private readonly tokenizer: Tokenizer
  private readonly options: ExamplesOptions

  constructor(mixture: OpenMixture, tokenizer: Tokenizer, options: ExamplesOptions) {
    this.draws = new Draws(mixture, options.seed)
    this.tokenizer = tokenizer
    this.options = options
  }

  /**
   * The examples from a draw on. Skipped draws are counted in `skipped`, and the next draw comes in their place.
   * @param draw 0 at the beginning of a run; to go on, one more than the draw of the last example
   * @throws DATA_INVALID, ABORTED; TRAINING where no draw makes an example
   */
  async *from(draw: number, part: Part = 'train', signal?: AbortSignal): AsyncGenerator<TrainingExample> {
    let inRow = 0
    for (let n = draw; ; n++) {
      const one = await this.at(n, part, signal)
      if (!('reason' in one)) {
        inRow = 0
        yield one
        continue
      }
      this.skipped.set(one.reason, (this.skipped.get(one.reason) ?? 0) + 1)
      if (++inRow < maxSkippedInRow) continue
      const why = Array.from(this.skipped, ([reason, count]) => `${reason} (${count})`).join(', ')
      const last = one.message === undefined ? '' : ` The last: ${one.message}`
      throw new MtLlamaError(
        'TRAINING',
        `${maxSkippedInRow} draws in a row make no example for ${part}: ${why}.${last}`,
      )
    }
  }

  /** What the n-th draw makes, whatever was drawn before. @throws DATA_INVALID, ABORTED */
  async at(draw: number, part: Part = 'train', signal?: AbortSignal): Promise<TrainingExample | SkippedDraw> {
    if (signal?.aborted) throw abortedError(signal)
    const drawn = this.draws.at(draw)
    const { of, template } = drawn.task
    const row = await of.table.row(drawn.row)
    const { where } = row
    const skip = (reason: SkipReason, message?: string): SkippedDraw => ({
      ...{ ...drawn, draw, reason, where },
      ...(message !== undefined && { message }),
    })
    const fields = rowFields(row, of.set)
    if (this.partOf(fields) !== part) return skip('other part')
    if (this.options.contamination && this.options.contamination.find(fields).length > 0)
      return skip('contaminated')
    let parts: string[]
    try {
      parts = template.apply(fields, { draw: this.draws.choices(drawn), where })
    } catch (error) {
      if (!(error instanceof MtLlamaError && error.code === 'PROMPT_TEMPLATE')) throw error
      return skip('the template fails', error.message)
    }
    const [input, target, ...more] = parts
    if (!input) return skip('no input')
    if (!target) return skip('no target')
    if (more.length > 0) return skip('more parts than an input and a target')
    const encoded = await inSlices(encodeExample(this.tokenizer, { input, target }, this.options), signal)
    if (!encoded) return skip('too long')
    if (!encoded.weights.some(weight => weight > 0)) return skip('nothing to predict')
    return { ...drawn, ...encoded, input, target, draw, where }
  }

  private partOf(fields: Example): Part {
    const { validationShare } = this.options
    if (validationShare === 0) return 'train'
    let longest = ''
    for (const text of textsOf(fields)) if (text.length > longest.length) longest = text
    const hash = createHash('sha256').update(wordsOf(longest).join(' ')).digest().readUInt32LE()
    return hash < validationShare * 2 ** 32 ? 'validation' : 'train'
  }
}
