// Answers lines with lines: what score, generate and the shards of a fleet have in common.
import type { OnWrong } from '../calls/or-skipped.ts'
import { MtLlamaError } from '../errors.ts'
import { InputLine, type ReadLine } from './input-line.ts'

/** ScoreProgress and GenerateProgress in the same words. */
export interface CallProgress {
  done: number
  /** Known once the requests have been read to their end. */
  total: number | undefined
  planned: number
  tokensDone: number
  tokensPlanned: number
  tokensPerSecond: number
}

/** What a call tells while it runs. */
export interface Told {
  onWrong: OnWrong
  onProgress: (progress: CallProgress) => void
}

/** How requests are made of lines, and lines of answers. */
export interface Answering<Request, Answer> {
  /** The fields of a line that parse() reads; others come back beside the answer. */
  fields: readonly string[]
  /** @throws DATA_INVALID */
  parse: (line: InputLine) => Request
  /**
   * Yields an answer for each request, in order. For undefined and for a request that is wrong, of which `onWrong` is told
   * before, any answer will do.
   */
  ask: (requests: AsyncIterable<Request | undefined>, told: Told) => AsyncIterable<Answer>
  /**
   * What a line of output holds beside the id and the fields of its request.
   * @param index counts the requests from 0, as a message names them
   * @throws where the answer is an error after all
   */
  show: (answer: Answer, index: number) => object
}

/** What a line that fails does: end the run, or become a line with "error". */
export type OnError = 'stop' | 'skip'

export interface AnswerLine {
  /** What tells the lines of an input apart: a line's own id, else its number. */
  id: unknown
  [field: string]: unknown
}

/** The answer to a line of the input. */
export interface Answered {
  /** Undefined where an earlier run has answered it. */
  line: AnswerLine | undefined
  /** Set where the line holds an error. */
  error: MtLlamaError | undefined
}

export interface AnswerOptions {
  onError: OnError
  /** Whether there is an answer to a line of that id, which is taken: of lines with one id, each has its own. */
  takeFound: (id: unknown) => boolean
  /** Puts an error into the words of whoever asked. */
  inWords: (error: MtLlamaError) => MtLlamaError
  onProgress: (progress: CallProgress) => void
  signal: AbortSignal
}

/** A line that was read and whose answer has not come. */
interface AskedLine {
  id: unknown
  others: Record<string, unknown>
  where: string
  isFound: boolean
  error?: MtLlamaError
}

/**
 * Yields each answer as soon as those before it are there.
 * @param lines reads the input until the signal
 * @throws what is wrong with a line that is to end the run, once the lines before it are answered; what the call throws; ABORTED
 */
export async function* answered<Request, Answer>(
  lines: (signal: AbortSignal) => AsyncIterable<ReadLine>,
  { fields, parse, ask, show }: Answering<Request, Answer>,
  { onError, takeFound, inWords, onProgress, signal }: AnswerOptions,
): AsyncGenerator<Answered, void, undefined> {
  const asked: AskedLine[] = []
  let done = 0
  // After a failure the program would wait for the writer of its input, were the reading not stopped.
  const ended = new AbortController()
  const requests = (async function* () {
    for await (const line of lines(AbortSignal.any([signal, ended.signal]))) {
      const one = askedLine(line, fields, takeFound)
      asked.push(one)
      yield one.isFound || one.error ? undefined : tried(one, () => parse(line.fields as InputLine))
    }
  })()
  const onWrong: OnWrong = (error, index) => {
    asked[index - done]!.error = error
  }
  const named = (error: MtLlamaError) =>
    inWords(
      error.reworded(term =>
        term.kind === 'request' || term.kind === 'prompt' ? asked[term.index - done]?.where : undefined,
      ),
    )
  try {
    for await (const answer of ask(requests, { onWrong, onProgress })) {
      const line = asked[0]!
      const { id, others, isFound } = line
      const shown = isFound || line.error ? {} : tried(line, () => showBeside(line, show(answer, done)))
      if (line.error && onError === 'stop') throw line.error
      const error = line.error && named(line.error)
      const rest = error ? { error: { code: error.code, message: error.message } } : shown
      asked.shift()
      done++
      yield { line: isFound ? undefined : { id, ...others, ...rest }, error }
    }
  } catch (error) {
    throw error instanceof MtLlamaError ? named(error) : error
  } finally {
    ended.abort()
  }
}

function askedLine(
  { number, where, fields }: ReadLine,
  read: readonly string[],
  takeFound: (id: unknown) => boolean,
): AskedLine {
  const isRead = fields instanceof InputLine
  const id = isRead && !fields.isNull('id') ? fields.get('id') : number
  const others = isRead ? fields.others(['id', ...read]) : {}
  const isFound = takeFound(id)
  return { id, others, where, isFound, ...(!isRead && !isFound && { error: fields }) }
}

/** What work on a line gives; undefined where it throws what is wrong with the line. */
function tried<Result>(line: AskedLine, work: () => Result): Result | undefined {
  try {
    return work()
  } catch (error) {
    if (!(error instanceof MtLlamaError)) throw error
    line.error = error
    return undefined
  }
}

/** An answer, none of whose fields is one of the line's. @throws DATA_INVALID */
function showBeside({ others, where }: AskedLine, shown: object): object {
  const name = ['error', ...Object.keys(shown)].find(name => Object.hasOwn(others, name))
  if (name === undefined) return shown
  throw new MtLlamaError(
    'DATA_INVALID',
    `${where}: "${name}" is a field of the answer too; call it otherwise.`,
  )
}
