// POST /v1/loglikelihood, which is this server's own: score() over HTTP. A JSON body is one call of score(), so that what its
// requests begin with is run once. A body of lines (application/x-ndjson) is a call of any length: a request a line in, a
// result a line out, in their order, and no more is read ahead than score() reads. Field names are those of score() in
// snake_case; `add_special_tokens` is vLLM's, and false stands for addBos: false.

import { type ScoreOptions, type ScoreResult, tooLongPolicies } from '../../scoring/request.ts'
import { tokensOf } from '../admission.ts'
import { listFields, listHead, promptUsage } from '../answer-fields.ts'
import { askedTokens } from '../asked-tokens.ts'
import { parseJson } from '../body.ts'
import { checkScores } from '../check-scores.ts'
import { onField } from '../http-error.ts'
import { readLines } from '../lines.ts'
import { checkCount, checkModel } from '../prompts.ts'
import { type Answer, type Call, lines, post } from '../route.ts'
import { checker, maybe, object, oneOf, type Static, Type } from '../schema.ts'
import { boolean, common, count, encoding, prompt, usage } from '../schemas.ts'
import { scoredLines } from '../scored-lines.ts'
import { maxLogprobs } from './completions.ts'

const request = object({
  prompt,
  continuations: Type.Array(prompt, {
    minItems: 1,
    description: 'a list of texts or of lists of token ids, at least one',
  }),
})

const options = {
  ...common,
  /** Where a continuation begins among the tokens of two texts. Default: 'joint'. */
  boundary: maybe(
    oneOf("'joint', 'harness' or 'separate'", [
      Type.Literal('joint'),
      Type.Literal('harness'),
      Type.Literal('separate'),
    ]),
  ),
  /** Default: 'error'. */
  too_long: maybe(
    oneOf(
      "'error', 'truncate-left', 'truncate-right' or 'skip'",
      tooLongPolicies.map(policy => Type.Literal(policy)),
    ),
  ),
  /** Best tokens to report for each scored one. Default: 0. */
  top_k: maybe(Type.Integer({ minimum: 0, maximum: maxLogprobs, description: `0 to ${maxLogprobs}` })),
  /** Whether to answer with tokens and token_logprobs too. Default: true. */
  return_tokens: maybe(boolean),
  ...encoding,
}
const optionsObject = object(options)
type Options = Static<typeof optionsObject>

const body = object({
  requests: Type.Array(request, {
    minItems: 1,
    description: 'a list of {prompt, continuations}, at least one',
  }),
  ...options,
})
type Body = Static<typeof body>

const result = object({
  index: count,
  /** In the order of the request's; none where it was skipped. */
  continuations: Type.Array(
    object({
      log_likelihood: Type.Number(),
      is_greedy: Type.Boolean(),
      tokens: Type.Optional(Type.Array(count)),
      token_logprobs: Type.Optional(Type.Array(Type.Number())),
      /** [tokens][top_k], the best first. */
      top_logprobs: Type.Optional(Type.Array(Type.Array(object({ token: count, logprob: Type.Number() })))),
    }),
  ),
  truncated_tokens: count,
  skipped: Type.Boolean(),
})

export const loglikelihood = post({
  path: '/v1/loglikelihood',
  summary: 'Log-likelihoods of continuations; a request a line too',
  body,
  answer: object({ ...listFields, results: Type.Array(result), usage }),
  types: ['application/x-ndjson'],
  lines: lines(optionsObject, answerLines),
  handle: answer,
})

async function answer(body: Body, call: Call): Promise<Answer> {
  const { app } = call
  const { requests } = body
  checkModel(app, body.model)
  checkCount(requests.length, app.limits.prompts, 'requests')
  return onField('requests', async () => {
    const tokens = await askedTokens(requests, call, body.add_special_tokens)
    call.enter(tokensOf(tokens, 0, 0, body.top_k ?? 0))
    const results = await app.model.score(requests, scoreOptions(body, call))
    const shown = results.map((result, index) => {
      checkScores(result, index, app.model)
      return { index, ...showResult(result, body) }
    })
    return { json: { ...listHead(call, 'loglikelihood'), results: shown, usage: promptUsage(call, tokens) } }
  })
}

const checkRequest = checker(request)

/** @throws 404, and 429 where the queue is full before anything is read */
function answerLines(options: Options, call: Call): Answer {
  const { app, counted } = call
  const { model, admission, limits } = app
  checkModel(app, options.model)
  admission.enter(0)()
  Object.assign(counted, { requests: 0, promptTokens: 0 })
  const pieces = scoredLines({
    model,
    lines: readLines(call.request, limits),
    options: scoreOptions(options, call),
    parse: async line => {
      counted.requests!++
      return checkRequest(await parseJson(Buffer.from(line), 'the line', call))
    },
    show: (result, index) => {
      checkScores(result, index, model)
      return showResult(result, options)
    },
    hold: tokens => {
      counted.promptTokens! += tokens
      return admission.hold(tokens)
    },
    onFailure: call.partFailed,
  })
  return { pieces, type: 'application/x-ndjson', failed: error => `${JSON.stringify(error)}\n` }
}

function scoreOptions({ boundary, too_long, top_k, add_special_tokens }: Options, call: Call): ScoreOptions {
  return {
    ...{ boundary: boundary ?? 'joint', tooLong: too_long ?? 'error', topK: top_k ?? 0, ...call.work() },
    ...(add_special_tokens === false && { addBos: false }),
  }
}

function showResult({ continuations, truncatedTokens, skipped }: ScoreResult, { return_tokens }: Options) {
  return {
    continuations: continuations.map(
      ({ logLikelihood, isGreedy, tokens, tokenLogProbs, topAlternatives }) => ({
        ...{ log_likelihood: logLikelihood, is_greedy: isGreedy },
        ...(return_tokens !== false && { tokens, token_logprobs: tokenLogProbs }),
        ...(topAlternatives && {
          top_logprobs: topAlternatives.map(best =>
            best.map(({ token, logProb }) => ({ token, logprob: logProb })),
          ),
        }),
      }),
    ),
    truncated_tokens: truncatedTokens,
    skipped,
  }
}
