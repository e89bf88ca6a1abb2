// Turns prompts and continuations into token ids: BOS, boundaries, limits, and what is cut where a limit is passed.
import type { Slices } from '../calls/slices.ts'
import { checkId, type ReadText } from '../calls/text.ts'
import { shown } from '../data/shown.ts'
import { type Message, MtLlamaError, message } from '../errors.ts'
import { type BoundaryRule, splitContinuation } from '../tokenizer/boundary.ts'
import type { Tokenizer } from '../tokenizer/tokenizer.ts'
import type { ReadRequest } from './read-request.ts'
import type { TooLong } from './request.ts'
import type { Sequence } from './sequence.ts'

/** What encoding needs to know of a model. */
export interface EncodeContext {
  tokenizer: Tokenizer | undefined
  /** The tokenizer's where there is one, else the one that the checkpoint's config names. */
  bosTokenId: number | undefined
  eosTokenId: number | undefined
  vocabSize: number
  contextLength: number
}

export interface EncodeSettings {
  boundary: BoundaryRule
  addBos: boolean | undefined
  parseSpecial: boolean
  tooLong: TooLong
}

export interface EncodedRequest {
  sequences: Sequence[]
  truncatedTokens: number
  skipped: boolean
}

/** Short ones take some ten microseconds each. */
const continuationsPerSlice = 64

const remedy = {
  kind: 'remedy',
  option: 'tooLong',
  values: ['truncate-left', 'truncate-right', 'skip'],
} as const

/** A request as sequences to score, one a continuation. `request` is its index, for sequences and messages. */
export function* encodeRequest(
  context: EncodeContext,
  { prompt, continuations }: ReadRequest,
  request: number,
  settings: EncodeSettings,
): Slices<EncodedRequest> {
  const encoded: EncodedRequest = { sequences: [], truncatedTokens: 0, skipped: false }
  for (const [index, continuation] of continuations.entries()) {
    const where = message`${{ kind: 'request', index: request }}, continuation ${index}`
    const pair = yield* encodePair(context, prompt, continuation, where, settings)
    const start = withBos(context, pair.before, typeof prompt === 'string', settings.addBos)
    if (start.length === 0) start.push(prefixToken(context, where))
    const scored = pair.before.length > 0 ? pair.scored : afterPrefix(start[0]!, pair.scored)
    if (scored.length === 0 && pair.scored.length > 0)
      throw invalid(
        message`${where} is token ${start[0]!} alone, which an empty prompt is scored after; there is nothing to score`,
      )
    if (scored.length === 0)
      throw invalid(
        message`${where}: ${shown(continuation)} adds no token to the prompt under ${{ kind: 'option', name: 'boundary', value: settings.boundary }}; there is nothing to score`,
      )
    // The last scored token needs no position: nothing is predicted from it.
    const room = context.contextLength + 1 - scored.length
    const fitted = fit(context, start, room, settings.tooLong, () => tooLong(context, where, start, scored))
    if (!fitted) return skippedRequest()
    encoded.truncatedTokens = Math.max(encoded.truncatedTokens, start.length - fitted.length)
    const ids = new Int32Array(fitted.length + scored.length)
    ids.set(fitted)
    ids.set(scored, fitted.length)
    encoded.sequences.push({ ids, first: fitted.length, request, continuation: index })
    if (index % continuationsPerSlice === continuationsPerSlice - 1) yield
  }
  return encoded
}

/** A request that is not scored. */
export function skippedRequest(): EncodedRequest {
  return { sequences: [], truncatedTokens: 0, skipped: true }
}

/** A prompt for generation, with room left for `newTokens`; undefined where `tooLong` skips it. */
export function* encodePrompt(
  context: EncodeContext,
  prompt: ReadText,
  index: number,
  newTokens: number,
  settings: Omit<EncodeSettings, 'boundary'>,
): Slices<EncodedText | undefined> {
  const where = message`${{ kind: 'prompt', index }}`
  // Without a policy a text may run into the end of the context; with one, the room asked for is made.
  const reserved = settings.tooLong === 'error' ? 1 : newTokens
  // The last new token needs no position.
  const room = context.contextLength + 1 - reserved
  return yield* encodeWithin(context, prompt, where, room, settings, tokens => {
    const limit = `the context has ${context.contextLength} positions`
    return message`${where}: ${tokens} tokens leave no room for ${reserved} new; ${limit}. Shorten it${remedy}`
  })
}

/** A text whose hidden states are wanted; undefined where `tooLong` skips it. */
export function* encodeForStates(
  context: EncodeContext,
  text: ReadText,
  index: number,
  settings: Omit<EncodeSettings, 'boundary'>,
): Slices<EncodedText | undefined> {
  const where = message`${{ kind: 'text', index }}`
  const { contextLength } = context
  return yield* encodeWithin(
    context,
    text,
    where,
    contextLength,
    settings,
    tokens =>
      message`${where} has ${tokens} tokens; the context has ${contextLength} positions. Shorten it${remedy}`,
  )
}

export interface EncodedText {
  ids: Int32Array
  truncatedTokens: number
}

/** A text within `room` tokens by the policy; undefined where it is to be skipped. */
function* encodeWithin(
  context: EncodeContext,
  text: ReadText,
  where: Message,
  room: number,
  { addBos, parseSpecial, tooLong }: Omit<EncodeSettings, 'boundary'>,
  refusal: (tokens: number) => Message,
): Slices<EncodedText | undefined> {
  const start = Array.from(yield* encodeAlone(context, text, where, { addBos, parseSpecial }))
  if (start.length === 0) start.push(prefixToken(context, where))
  const fitted = fit(
    context,
    start,
    room,
    tooLong,
    () => new MtLlamaError('CONTEXT_LENGTH', refusal(start.length)),
  )
  return fitted && { ids: Int32Array.from(fitted), truncatedTokens: start.length - fitted.length }
}

/** The tokens of a prompt by itself: none for an empty one without BOS. */
export function* encodeAlone(
  context: EncodeContext,
  text: ReadText,
  where: string | Message,
  { addBos, parseSpecial }: Pick<EncodeSettings, 'addBos' | 'parseSpecial'>,
): Slices<Int32Array> {
  const ids = yield* encodeText(context, text, where, parseSpecial)
  return Int32Array.from(withBos(context, ids, typeof text === 'string', addBos))
}

/** The tokens that prompts begin with which begin with this text. @throws CONTEXT_LENGTH */
export function* encodePrefix(
  context: EncodeContext,
  text: ReadText,
  settings: Pick<EncodeSettings, 'addBos' | 'parseSpecial'>,
): Slices<Int32Array> {
  const ids = yield* encodeText(context, text, 'the prefix', settings.parseSpecial)
  if (ids.length === 0) throw invalid('the prefix is empty; expected at least one token')
  const start = withBos(context, ids, typeof text === 'string', settings.addBos)
  if (start.length > context.contextLength)
    throw new MtLlamaError(
      'CONTEXT_LENGTH',
      `the prefix has ${start.length} tokens; the context has ${context.contextLength} positions. Shorten it`,
    )
  return Int32Array.from(start)
}

/** The tokens of a text without BOS. */
export function* encodeText(
  context: EncodeContext,
  text: ReadText,
  where: string | Message,
  parseSpecial: boolean,
): Slices<ArrayLike<number>> {
  if (typeof text !== 'string') return text
  return checkIds(context, yield* needTokenizer(context, where).encodeSlices(text, { parseSpecial }), where)
}

/** The token an empty prompt and the first rolling window are scored after: BOS, else EOS. */
export function prefixToken(context: EncodeContext, where: string | Message): number {
  const token = context.bosTokenId ?? context.eosTokenId
  if (token === undefined)
    throw invalid(
      message`${where}: the prompt is empty and the model has neither BOS nor EOS to score after; give at least one token`,
    )
  return token
}

/**
 * What is scored of a text after the prefix token: a text that begins with that token itself brings it along and is not
 * scored after a second one, as in lm-evaluation-harness.
 */
export function afterPrefix(prefix: number, ids: ArrayLike<number>): ArrayLike<number> {
  return ids[0] === prefix ? Array.prototype.slice.call(ids, 1) : ids
}

function* encodePair(
  context: EncodeContext,
  prompt: ReadText,
  continuation: ReadText,
  where: string | Message,
  { boundary, parseSpecial }: EncodeSettings,
): Slices<{ before: ArrayLike<number>; scored: ArrayLike<number> }> {
  if (typeof prompt === 'string' && typeof continuation === 'string') {
    const tokenizer = needTokenizer(context, where)
    const split = yield* splitContinuation(tokenizer, prompt, continuation, boundary, { parseSpecial })
    checkIds(context, split.prefix, message`${where}, prompt`)
    checkIds(context, split.continuation, where)
    return { before: split.prefix, scored: split.continuation }
  }
  // Ids fix the boundary, so a text beside them is tokenised by itself.
  const before = yield* encodeText(context, prompt, message`${where}, prompt`, parseSpecial)
  const scored =
    typeof continuation === 'string'
      ? (yield* splitContinuation(needTokenizer(context, where), '', continuation, 'separate', {
          parseSpecial,
        })).continuation
      : continuation
  return { before, scored: checkIds(context, scored, where) }
}

/** A copy with BOS in front where it belongs there and is not there already. */
function withBos(
  context: EncodeContext,
  ids: ArrayLike<number>,
  isTextPrompt: boolean,
  addBos: boolean | undefined,
): number[] {
  const copy = Array.from(ids)
  const wanted = addBos ?? (isTextPrompt && context.tokenizer?.addBos === true)
  if (!wanted) return copy
  if (context.bosTokenId === undefined)
    throw invalid(
      message`${{ kind: 'option', name: 'addBos' }} is true, but neither the tokenizer nor config.json names a BOS token`,
    )
  if (copy[0] !== context.bosTokenId) copy.unshift(context.bosTokenId)
  return copy
}

/** The prompt within `room` tokens by the policy; undefined where it is to be skipped. */
function fit(
  context: EncodeContext,
  prompt: number[],
  room: number,
  policy: TooLong,
  error: () => MtLlamaError,
): number[] | undefined {
  if (prompt.length <= room) return prompt
  if (policy === 'skip') return undefined
  // At least one token must stay to score after.
  if (policy === 'error' || room < 1) throw error()
  if (policy === 'truncate-right') return prompt.slice(0, room)
  const keepsBos = prompt[0] === context.bosTokenId && room > 1
  return keepsBos
    ? [prompt[0]!, ...prompt.slice(prompt.length - room + 1)]
    : prompt.slice(prompt.length - room)
}

function tooLong(
  context: EncodeContext,
  where: string | Message,
  prompt: ArrayLike<number>,
  scored: ArrayLike<number>,
): MtLlamaError {
  const found = `${prompt.length} prompt tokens and ${scored.length} scored ones`
  const limit = `the context has ${context.contextLength} positions (the last token needs none)`
  return new MtLlamaError('CONTEXT_LENGTH', message`${where}: ${found}; ${limit}. Shorten it${remedy}`)
}

/** What a tokenizer gives: it may know of more tokens than the model does. */
function checkIds(
  context: EncodeContext,
  ids: ArrayLike<number>,
  where: string | Message,
): ArrayLike<number> {
  for (let i = 0; i < ids.length; i++) checkId(ids[i]!, i, where, context.vocabSize)
  return ids
}

function needTokenizer(context: EncodeContext, where: string | Message): Tokenizer {
  if (context.tokenizer) return context.tokenizer
  throw new MtLlamaError(
    'TOKENIZER',
    message`${where} is a text, but the checkpoint has no tokenizer; give token ids`,
  )
}

function invalid(what: string | Message): MtLlamaError {
  return new MtLlamaError('INVALID_ARGUMENT', what)
}
