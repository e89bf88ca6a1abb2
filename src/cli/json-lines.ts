// Answers JSONL with JSONL, line by line: what score and generate have in common.
import { MtLlamaError } from '../errors.ts'
import { type InputLine, readJsonLines } from './input.ts'
import { type Io, printJsonLine } from './io.ts'

export interface Answering<Request, Answer> {
  /** @throws DATA_INVALID */
  parse: (line: InputLine) => Request
  /** Yields answers in the order of the requests. Before it throws, it yields the answers that come before the error. */
  ask: (requests: AsyncIterable<Request>) => AsyncIterable<Answer>
  /**
   * What a line of output holds after the "id" of its request.
   * @param index counts the requests from 0, as a message names them
   */
  show: (answer: Answer, index: number) => object
}

/**
 * Writes each answer as soon as those before it are written. A line that cannot be read or parsed, or is too long, ends the
 * program once the lines before it are answered.
 * @param file undefined and '-' mean stdin
 */
export async function answerJsonLines<Request, Answer>(
  io: Io,
  file: string | undefined,
  { parse, ask, show }: Answering<Request, Answer>,
): Promise<void> {
  /** The lines whose requests are not answered yet. */
  const lines: { id: unknown; where: string }[] = []
  let answered = 0
  // After a failure the program would wait for the writer of its input, were the reading not stopped.
  const failed = new AbortController()
  const signal = AbortSignal.any([io.signal, failed.signal])
  const requests = (async function* () {
    for await (const line of readJsonLines(file, signal)) {
      const request = parse(line)
      lines.push({ id: line.get('id'), where: line.where })
      yield request
    }
  })()
  try {
    for await (const answer of ask(requests)) {
      await printJsonLine({ id: lines[0]!.id, ...show(answer, answered) })
      lines.shift()
      answered++
    }
  } catch (error) {
    failed.abort()
    if (!(error instanceof MtLlamaError)) throw error
    throw error.reworded(term =>
      term.kind === 'request' || term.kind === 'prompt' ? lines[term.index - answered]?.where : undefined,
    )
  }
}
