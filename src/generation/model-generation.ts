// What calls that generate texts with one model share: the queue of their steps and the constraints; and how each is made of its options.
import { onLeave } from '../calls/leaving.ts'
import { checkOptions, wrongOption } from '../calls/options.ts'
import { orSkipped } from '../calls/or-skipped.ts'
import type { Slices } from '../calls/slices.ts'
import { checkSource, readAll, type Source } from '../calls/source.ts'
import { type ReadText, readText, type Text } from '../calls/text.ts'
import type { WorkDone } from '../calls/work-done.ts'
import { MtLlamaError, message } from '../errors.ts'
import type { DType, NativeModel } from '../native/types.ts'
import { type EncodeContext, encodePrompt } from '../scoring/encode.ts'
import { GenerateCall, type GenerateCallOptions } from './call.ts'
import { choiceSeed } from './choice-seed.ts'
import { Constraints } from './constraint/constraints.ts'
import { TextConstraint } from './constraint/text-constraint.ts'
import { Continuation } from './continuation.ts'
import { DecodeQueue } from './decode-queue.ts'
import { type GenerateOptions, type GenerateResult, generateOptionNames } from './options.ts'
import { type GenerateSettings, generateSettings } from './settings.ts'
import { piecesOf, TextStream } from './text-stream.ts'

export interface GeneratingModel {
  native: NativeModel
  context: EncodeContext
  dtype: DType
  /** The ids that end a text. */
  eosTokenIds: readonly number[]
  /** Tokens a step should have. */
  packTokens: number
  /** Tokens whose keys and values may be there at once. */
  kvTokens: number
}

/** How the texts of a call are made, beside what its caller asked for. */
export type TextsOptions = Pick<GenerateCallOptions, 'answersFirst' | 'onText' | 'onWrong' | 'keepsRows'>

/** New tokens a text may get by default. */
const defaultTokens = 128

export class ModelGeneration {
  private readonly model: Pick<GeneratingModel, 'context' | 'dtype' | 'eosTokenIds'>
  private readonly queue: DecodeQueue
  private readonly constraints: Constraints

  constructor({ native, packTokens, kvTokens, ...model }: GeneratingModel) {
    const { tokenizer, vocabSize } = model.context
    this.model = model
    this.queue = new DecodeQueue(native, packTokens, kvTokens)
    this.constraints = new Constraints(tokenizer, vocabSize)
  }

  /** @throws INVALID_ARGUMENT, TOKEN_OUT_OF_RANGE */
  settings(options: GenerateOptions): GenerateSettings {
    checkOptions(options, generateOptionNames)
    const { context, eosTokenIds } = this.model
    return generateSettings(options, { stopIds: eosTokenIds, maxTokens: defaultTokens }, context.vocabSize)
  }

  /** @throws INVALID_ARGUMENT, TOKEN_OUT_OF_RANGE naming prompt `index` */
  readPrompt(prompt: unknown, index: number): ReadText {
    return readText(prompt, () => message`${{ kind: 'prompt', index }}`, this.model.context.vocabSize)
  }

  /** A call of generate(). @throws INVALID_ARGUMENT, TOKEN_OUT_OF_RANGE, TOKENIZER */
  texts(
    prompts: Source<Text | undefined>,
    settings: GenerateSettings,
    how: TextsOptions,
  ): AsyncGenerator<GenerateResult, void, undefined> {
    checkSource('prompts', prompts)
    const { priority, signal, partialOnAbort, onProgress } = settings
    const begin = this.beginner(settings)
    const options = { ...how, priority, signal, partialOnAbort, onProgress }
    const read = (prompt: unknown, index: number) => this.readPrompt(prompt, index)
    if (!how.answersFirst && Array.isArray(prompts))
      return new GenerateCall(this.queue, options, begin).results(readAll('prompts', prompts, read))
    const readAndBegin = (prompt: unknown, index: number) => begin(read(prompt, index), index)
    const prepare = how.onWrong ? orSkipped(readAndBegin, () => [], how.onWrong) : readAndBegin
    return new GenerateCall(this.queue, options, prepare).results(prompts)
  }

  /** One text, piece by piece as it becomes certain. @throws INVALID_ARGUMENT, TOKENIZER */
  stream(
    prompt: ReadText,
    settings: GenerateSettings,
    keepsRows: boolean,
  ): AsyncGenerator<string, GenerateResult, undefined> {
    if (settings.n > 1) throw wrongOption('n', settings.n, '1 where the text is streamed')
    const text = new TextStream()
    const onText = (piece: string) => text.push(piece)
    const results = this.texts([prompt], settings, { answersFirst: false, keepsRows, onText })
    return onLeave(piecesOf(text, results), () => void results.return())
  }

  /** What has been run so far. */
  get done(): WorkDone {
    return this.queue.done
  }

  /** Ends running calls with DISPOSED; later ones fail at once. */
  dispose(): void {
    this.queue.dispose()
  }

  /** How a prompt, given its index, becomes the texts to generate; none where it is skipped. @throws TOKENIZER */
  private beginner(asked: GenerateSettings): (prompt: ReadText, index: number) => Slices<Continuation[]> {
    const { encoding, n, sampling, constraint, ...settings } = asked
    const { context, dtype } = this.model
    const { tokenizer, contextLength } = context
    const { constraints } = this
    if (settings.stop.length > 0 && !tokenizer)
      throw new MtLlamaError(
        'TOKENIZER',
        message`${{ kind: 'option', name: 'stop' }} needs texts, but the checkpoint has no tokenizer. Leave it out${{ kind: 'remedy', option: 'stopIds', values: [] }}`,
      )
    const automaton = constraint && constraints.automaton(constraint)
    const banned = [...(settings.adjusting?.logitBias ?? [])].flatMap(([id, bias]) =>
      bias === Number.NEGATIVE_INFINITY ? [id] : [],
    )
    return function* (prompt, stream) {
      const encoded = yield* encodePrompt(context, prompt, stream, settings.maxTokens, encoding)
      if (!encoded) return []
      const masks = automaton && (yield* constraints.masksOf(automaton))
      return Array.from({ length: n }, (_, choice) => {
        const own = { ...sampling, seed: choiceSeed(sampling.seed, choice) }
        const common = { ...settings, tokenizer, contextLength, dtype, stream, choice }
        const constraint = masks && new TextConstraint(masks, settings.stopIds, banned)
        return new Continuation(encoded, { ...common, sampling: own, constraint })
      })
    }
  }
}
