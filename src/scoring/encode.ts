// Turns prompts and continuations into token ids: BOS, boundaries, limits, and what is cut where a limit is passed.
import { type Message, MtLlamaError, message } from '../errors.ts'
import { type BoundaryRule, splitContinuation } from '../tokenizer/boundary.ts'
import type { Tokenizer } from '../tokenizer/tokenizer.ts'
import type { ScoreRequest, TooLong } from './request.ts'
import type { Sequence } from './sequence.ts'

/** What encoding needs to know of a model. */
export interface EncodeContext {
  tokenizer: Tokenizer | undefined
  /** Of the tokenizer, else of the checkpoint's config. */
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

const remedy = {
  kind: 'remedy',
  option: 'tooLong',
  values: ['truncate-left', 'truncate-right', 'skip'],
} as const

export type Text = string | ArrayLike<number>

/** A request as sequences to score, one a continuation. `request` is its index, for sequences and messages. */
export function encodeRequest(
  context: EncodeContext,
  scoreRequest: ScoreRequest,
  request: number,
  settings: EncodeSettings,
): EncodedRequest {
  const here = { kind: 'request', index: request } as const
  if (typeof scoreRequest !== 'object' || scoreRequest === null)
    throw invalid(message`${here} is ${describe(scoreRequest)}; expected { prompt, continuations }`)
  const { prompt, continuations } = scoreRequest
  if (!isText(prompt))
    throw invalid(message`${here}: "prompt" is ${describe(prompt)}; expected a text or an array of token ids`)
  if (!Array.isArray(continuations) || continuations.length === 0)
    throw invalid(message`${here}: "continuations" is ${describe(continuations)}; expected at least one`)
  const encoded: EncodedRequest = { sequences: [], truncatedTokens: 0, skipped: false }
  for (const [index, continuation] of continuations.entries()) {
    const where = message`${here}, continuation ${index}`
    if (!isText(continuation))
      throw invalid(message`${where} is ${describe(continuation)}; expected a text or an array of token ids`)
    if (continuation.length === 0) throw invalid(message`${where} is empty; there is nothing to score`)
    const { before, scored } = encodePair(context, prompt, continuation, where, settings)
    if (scored.length === 0)
      throw invalid(
        message`${where}: ${JSON.stringify(continuation)} adds no token to the prompt under ${{ kind: 'option', name: 'boundary', value: settings.boundary }}; there is nothing to score`,
      )
    const start = withBos(context, before, typeof prompt === 'string', settings.addBos)
    if (start.length === 0) start.push(prefixToken(context, where))
    // The last scored token needs no position: nothing is predicted from it.
    const room = context.contextLength + 1 - scored.length
    const fitted = fit(context, start, room, settings.tooLong, () => tooLong(context, where, start, scored))
    if (!fitted) return { sequences: [], truncatedTokens: 0, skipped: true }
    encoded.truncatedTokens = Math.max(encoded.truncatedTokens, start.length - fitted.length)
    const ids = new Int32Array(fitted.length + scored.length)
    ids.set(fitted)
    ids.set(scored, fitted.length)
    encoded.sequences.push({ ids, first: fitted.length, request, continuation: index })
  }
  return encoded
}

/** A prompt for generation, with room left for `newTokens`; undefined where `tooLong` skips it. */
export function encodePrompt(
  context: EncodeContext,
  prompt: Text,
  index: number,
  newTokens: number,
  settings: Omit<EncodeSettings, 'boundary'>,
): { ids: Int32Array; truncatedTokens: number } | undefined {
  const where = message`${{ kind: 'prompt', index }}`
  if (!isText(prompt))
    throw invalid(message`${where} is ${describe(prompt)}; expected a text or an array of token ids`)
  const ids = encodeText(context, prompt, where, settings.parseSpecial)
  const start = withBos(context, ids, typeof prompt === 'string', settings.addBos)
  if (start.length === 0) start.push(prefixToken(context, where))
  // Without a policy a text may run into the end of the context; with one, the room asked for is made.
  const reserved = settings.tooLong === 'error' ? 1 : newTokens
  // The last new token needs no position.
  const room = context.contextLength + 1 - reserved
  const fitted = fit(context, start, room, settings.tooLong, () => {
    const limit = `the context has ${context.contextLength} positions`
    return new MtLlamaError(
      'CONTEXT_LENGTH',
      message`${where}: ${start.length} tokens leave no room for ${reserved} new; ${limit}. Shorten it${remedy}`,
    )
  })
  return fitted && { ids: Int32Array.from(fitted), truncatedTokens: start.length - fitted.length }
}

/** The tokens of a text without BOS, or ids that were checked. */
export function encodeText(
  context: EncodeContext,
  text: Text,
  where: string | Message,
  parseSpecial: boolean,
): ArrayLike<number> {
  if (typeof text === 'string')
    return checkIds(context, needTokenizer(context, where).encode(text, { parseSpecial }), where)
  return checkIds(context, text, where)
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

function encodePair(
  context: EncodeContext,
  prompt: Text,
  continuation: Text,
  where: string | Message,
  { boundary, parseSpecial }: EncodeSettings,
): { before: ArrayLike<number>; scored: ArrayLike<number> } {
  if (typeof prompt === 'string' && typeof continuation === 'string') {
    const tokenizer = needTokenizer(context, where)
    const split = splitContinuation(tokenizer, prompt, continuation, boundary, { parseSpecial })
    checkIds(context, split.prefix, message`${where}, prompt`)
    checkIds(context, split.continuation, where)
    return { before: split.prefix, scored: split.continuation }
  }
  // Ids fix the boundary, so a text beside them is tokenised by itself.
  const before = encodeText(context, prompt, message`${where}, prompt`, parseSpecial)
  const scored =
    typeof continuation === 'string'
      ? splitContinuation(needTokenizer(context, where), '', continuation, 'separate', { parseSpecial })
          .continuation
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

function checkIds(
  context: EncodeContext,
  ids: ArrayLike<number>,
  where: string | Message,
): ArrayLike<number> {
  for (let i = 0; i < ids.length; i++) {
    const id = ids[i]!
    if (id >= 0 && id < context.vocabSize && Number.isInteger(id)) continue
    throw new MtLlamaError(
      'TOKEN_OUT_OF_RANGE',
      message`${where}: token ${i} is ${id}; ids of this model are 0 to ${context.vocabSize - 1} (rows of its embedding)`,
    )
  }
  return ids
}

function needTokenizer(context: EncodeContext, where: string | Message): Tokenizer {
  if (context.tokenizer) return context.tokenizer
  throw new MtLlamaError(
    'TOKENIZER',
    message`${where} is a text, but the checkpoint has no tokenizer; give token ids`,
  )
}

function isText(value: unknown): value is Text {
  return (
    typeof value === 'string' ||
    Array.isArray(value) ||
    (ArrayBuffer.isView(value) && !(value instanceof DataView))
  )
}

function describe(value: unknown): string {
  if (Array.isArray(value)) return `an array of ${value.length}`
  if (value === null || value === undefined) return String(value)
  return typeof value === 'string' ? 'a text' : `a ${typeof value}`
}

function invalid(what: string | Message): MtLlamaError {
  return new MtLlamaError('INVALID_ARGUMENT', what)
}
