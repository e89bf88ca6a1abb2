// Answers JSONL with JSONL, line by line: what score and generate have in common.
import { MtLlamaError } from '../errors.ts'
import { type InputLine, readJsonLines } from './input.ts'
import { type Io, printJsonLine } from './io.ts'

export interface Answering<Request, Answer> {
  /** @throws DATA_INVALID */
  parse: (line: InputLine) => Request
  /** Answers in the order of the requests. */
  ask: (requests: AsyncIterable<Request>) => AsyncIterable<Answer>
  /** What a line of output holds after the "id" of its request. */
  show: (answer: Answer) => object
}

/**
 * Writes each answer as soon as those before it are written. A line that cannot be read or parsed ends the requests;
 * those before it are answered first.
 * @param file undefined or '-': stdin
 */
export async function answerJsonLines<Request, Answer>(
  io: Io,
  file: string | undefined,
  { parse, ask, show }: Answering<Request, Answer>,
): Promise<void> {
  /** Of the requests on their way. */
  const lines: { id: unknown; where: string }[] = []
  let answered = 0
  let broken: unknown
  const requests = (async function* () {
    try {
      for await (const line of readJsonLines(file, io.signal)) {
        const request = parse(line)
        lines.push({ id: line.fields.id, where: line.where })
        yield request
      }
    } catch (error) {
      broken = error
    }
  })()
  try {
    for await (const answer of ask(requests)) {
      await printJsonLine({ id: lines.shift()!.id, ...show(answer) })
      answered++
    }
  } catch (error) {
    if (!(error instanceof MtLlamaError)) throw error
    throw error.reworded(term =>
      term.kind === 'request' || term.kind === 'prompt' ? lines[term.index - answered]?.where : undefined,
    )
  }
  if (broken !== undefined) throw broken
}
