// Reads the options and the texts of embed(), checked, and makes the call.
import { booleanOption, callbackOption, checkOptions, choiceOption, signalOption } from '../calls/options.ts'
import { priorityOption } from '../calls/priority.ts'
import { checkSource, readAll, type Source } from '../calls/source.ts'
import { type ReadText, readText, type Text } from '../calls/text.ts'
import { message } from '../errors.ts'
import type { NativeModel } from '../native/types.ts'
import { type EncodeContext, encodeForStates } from '../scoring/encode.ts'
import { promptSettings } from '../scoring/settings.ts'
import { EmbedCall } from './call.ts'
import { type EmbedOptions, type EmbedResult, embedOptionNames } from './options.ts'

/** What embeddings need of a model. */
export interface EmbedModel {
  native: Pick<NativeModel, 'embed'>
  /** Tokens a pack should have. */
  packTokens: number
  context: EncodeContext
  /** Fires when the model is disposed of. */
  closing: AbortSignal
}

/**
 * @param answersFirst whether a text that is wrong ends the call once those before it are answered; else an array is read at once
 * @throws INVALID_ARGUMENT, TOKEN_OUT_OF_RANGE
 */
export function embed(
  { native, packTokens, context, closing }: EmbedModel,
  texts: Source<Text>,
  options: EmbedOptions,
  answersFirst: boolean,
): AsyncGenerator<EmbedResult, void, undefined> {
  checkSource('texts', texts)
  checkOptions(options, embedOptionNames)
  const settings = promptSettings(options)
  const how = {
    pooling: choiceOption(options, 'pooling', ['mean', 'last'], 'mean'),
    normalize: booleanOption(options, 'normalize', true),
    isUrgent: priorityOption(options) === 'high',
    ...{ signal: signalOption(options), onProgress: callbackOption(options, 'onProgress') },
    ...{ closing, answersFirst },
  }
  const read = (text: unknown, index: number) =>
    readText(text, () => message`${{ kind: 'text', index }}`, context.vocabSize)
  const encode = (text: ReadText, index: number) => encodeForStates(context, text, index, settings)
  if (!answersFirst && Array.isArray(texts))
    return new EmbedCall(native, packTokens, how, encode).results(readAll('texts', texts, read))
  const readAndEncode = (text: Text, index: number) => encode(read(text, index), index)
  return new EmbedCall(native, packTokens, how, readAndEncode).results(texts)
}
