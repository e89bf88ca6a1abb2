// Requests for scores as lines, answered line by line: read no further ahead of the answers than score() does.
import type { Model } from '../model.ts'
import type { ScoreOptions, ScoreRequest, ScoreResult } from '../scoring/request.ts'
import type { Leave } from './admission.ts'
import { toHttpError } from './http-error.ts'

export interface ScoredLines {
  model: Pick<Model, 'scoreOrSkip'>
  lines: AsyncIterable<string>
  options: ScoreOptions
  /** @throws HttpError for a line that is no request */
  parse: (line: string) => Promise<ScoreRequest>
  /** @throws MtLlamaError where the result is an error after all */
  show: (result: ScoreResult, index: number) => object
  /** Told of a request's tokens as it has been read. @returns to be called as it is answered, or will not be */
  hold: (tokens: number) => Leave
  /** Told of an error that a line is answered with, and that is no fault of the line. */
  onFailure: (error: unknown) => void
}

/** A line that was read and is not answered. */
interface OpenLine {
  error?: unknown
  leave?: Leave
}

/**
 * A line for each line, in their order: its `index`, counted from 0, and what show() says, or `error`, as an answer with a
 * status would have it. A line that is wrong does not end the others.
 */
export async function* scoredLines({
  model,
  lines,
  options,
  parse,
  show,
  hold,
  onFailure,
}: ScoredLines): AsyncGenerator<string, void, undefined> {
  const open: OpenLine[] = []
  let answered = 0
  const at = (index: number) => open[index - answered]!
  const requests = (async function* () {
    for await (const line of lines) {
      const own: OpenLine = {}
      open.push(own)
      yield await tried(own, () => parse(line))
    }
  })()
  const onWrong = (error: unknown, index: number) => {
    at(index).error = error
  }
  const onTokens = (tokens: number, index: number) => {
    at(index).leave = hold(tokens)
  }
  try {
    for await (const result of model.scoreOrSkip(requests, options, onWrong, onTokens)) {
      const line = open.shift()!
      line.leave?.()
      const index = answered++
      const shown = line.error === undefined ? await tried(line, () => show(result, index)) : undefined
      yield `${JSON.stringify({ index, ...(shown ?? errorOf(line, onFailure)) })}\n`
    }
  } finally {
    for (const { leave } of open) leave?.(false)
  }
}

function errorOf({ error }: OpenLine, onFailure: (error: unknown) => void): object {
  const told = toHttpError(error)
  if (told.status >= 500) onFailure(error)
  return told.toJSON()
}

/** What work on a line gives; undefined where it throws what is wrong with the line. */
async function tried<Result>(
  line: OpenLine,
  work: () => Result | Promise<Result>,
): Promise<Result | undefined> {
  try {
    return await work()
  } catch (error) {
    line.error = error
    return undefined
  }
}
