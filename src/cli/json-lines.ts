// Answers JSONL with JSONL, line by line: what score and generate have in common.
import type { Command } from 'commander'
import type { OnWrong } from '../calls/or-skipped.ts'
import { MtLlamaError } from '../errors.ts'
import { type Answers, withAnswers } from './answers-file.ts'
import { type CommonOptions, choice, fileName } from './command.ts'
import { type Input, InputLine, type ReadLine } from './input.ts'
import { type Io, note } from './io.ts'
import { type CallProgress, LineProgress } from './line-progress.ts'
import { startProgress } from './progress.ts'
import { inFlags } from './words.ts'

export interface LineOptions extends CommonOptions {
  out?: string
  resume?: boolean
  onError: 'stop' | 'skip'
}

/** Adds the options of commands that answer lines. */
export function addLineOptions(command: Command): Command {
  return command
    .option('--out <file>', 'file to write the lines to (default: stdout)', fileName)
    .option('--resume', 'go on with the file of --out: lines whose ids it has are not run again')
    .addOption(
      choice(
        '--on-error <policy>',
        'what a line that fails does: end the run, or become a line with "error"',
        ['stop', 'skip'],
      ).default('stop'),
    )
    .addHelpText('after', `\n${linesHelp}`)
}

const linesHelp = `Output:
  A line for each line of the input, in its order: its "id", or its number where it has none, its fields that
  the command does not read, and the answer. Under --on-error skip a line that fails has "error", with "code" and
  "message", in the place of the answer; the exit code is 0 then, and stderr says how many there were. --resume
  takes them for answered: remove them from the file to have them run again.`

/** What a call tells while it runs. */
export interface Told {
  onWrong: OnWrong
  onProgress: (progress: CallProgress) => void
}

export interface Answering<Request, Answer> {
  /** What is shown beside a bar: 'score', 'requests'. */
  label: string
  counted: string
  /** The fields of a line that parse() reads; others come back beside the answer. */
  fields: readonly string[]
  /** What people are asked to type, as an example. */
  example: string
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

/** A run over lines, before a model is loaded. */
export interface LineJob {
  io: Io
  input: Input
  answers: Answers
  options: LineOptions
  /** Names options in messages. */
  command: Command
}

/**
 * Opens what answers are written to, and runs work on the lines of the input.
 * @param answerFields those that every answer of the command has
 * @throws INVALID_ARGUMENT, OUTPUT
 */
export async function withLines(
  io: Io,
  input: Input,
  { options, command, answerFields }: { options: LineOptions; command: Command; answerFields: string[] },
  work: (job: LineJob) => Promise<void>,
): Promise<void> {
  io.sayAtStop(() => 'no line was answered')
  await withAnswers(options, answerFields, async answers => {
    const { found, errorsFound } = answers
    const errors = errorsFound > 0 ? `, ${errorsFound} of them by errors` : ''
    if (found > 0)
      note(`${options.out}: ${found} lines are answered already${errors}; going on with the others`, options)
    await work({ io, input, answers, options, command })
  })
}

/** A line that was read and whose answer has not come. */
interface AskedLine {
  id: unknown
  others: Record<string, unknown>
  where: string
  /** Whether the file of --out has its answer. */
  isFound: boolean
  error?: MtLlamaError
}

/**
 * Writes each answer as soon as those before it are written. A line that fails ends the program once the lines before it are
 * answered, or becomes a line with the error.
 */
export async function answerLines<Request, Answer>(
  { io, input, answers, options, command }: LineJob,
  { label, counted, fields, example, parse, ask, show }: Answering<Request, Answer>,
): Promise<void> {
  const asked: AskedLine[] = []
  let answered = 0
  const written = new Written()
  // After a failure the program would wait for the writer of its input, were the reading not stopped.
  const ended = new AbortController()
  const signal = AbortSignal.any([io.signal, ended.signal])
  const progress = new LineProgress(startProgress(label, counted, options), answers.found)
  if (!options.quiet)
    void input.count(signal).then(lines => {
      progress.lines = lines
    })
  const requests = (async function* () {
    for await (const line of input.lines(signal)) {
      const one = askedLine(line, fields, answers)
      asked.push(one)
      if (one.isFound) progress.foundRead++
      yield one.isFound || one.error ? undefined : tried(one, () => parse(line.fields as InputLine))
    }
  })()
  const onWrong: OnWrong = (error, index) => {
    asked[index - answered]!.error = error
  }
  const inWords = (error: MtLlamaError) =>
    inFlags(
      error.reworded(term =>
        term.kind === 'request' || term.kind === 'prompt' ? asked[term.index - answered]?.where : undefined,
      ),
      command,
    )
  if (input.isTerminal) note(`reading lines such as ${example} from the terminal; Ctrl-D ends them`, options)
  io.sayAtStop(() => (written.lines > 0 ? 'the lines answered are written' : 'no line was answered'))
  try {
    for await (const answer of ask(requests, { onWrong, onProgress: step => progress.update(step) })) {
      const line = asked[0]!
      const { id, others } = line
      const shown =
        line.isFound || line.error ? {} : tried(line, () => showBeside(line, show(answer, answered)))
      if (line.error && options.onError === 'stop') throw line.error
      if (line.error) {
        const { code, message } = inWords(line.error)
        await answers.add({ id, ...others, error: { code, message } })
        written.addError(code)
      } else if (!line.isFound) {
        await answers.add({ id, ...others, ...shown })
        written.lines++
      }
      asked.shift()
      answered++
    }
  } catch (error) {
    throw error instanceof MtLlamaError ? inWords(error) : error
  } finally {
    ended.abort()
    progress.stop()
    written.tell(options)
  }
}

function askedLine(
  { number, where, fields }: ReadLine,
  read: readonly string[],
  answers: Answers,
): AskedLine {
  const isRead = fields instanceof InputLine
  const id = isRead && !fields.isNull('id') ? fields.get('id') : number
  const others = isRead ? fields.others(['id', ...read]) : {}
  const isFound = answers.takeFound(id)
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

/** What was written, for people. */
class Written {
  /** Answers, and errors. */
  lines = 0
  private readonly errors = new Map<string, number>()

  addError(code: string): void {
    this.lines++
    this.errors.set(code, (this.errors.get(code) ?? 0) + 1)
  }

  tell(options: CommonOptions): void {
    const failed = [...this.errors.values()].reduce((sum, count) => sum + count, 0)
    const codes = [...this.errors].map(([code, count]) => `${count} ${code}`)
    if (failed > 0)
      note(
        `${failed} of ${this.lines} lines failed (${codes.join(', ')}); each has its "error" in the output`,
        options,
      )
  }
}
