// Answers JSONL with JSONL, line by line: what score and generate have in common.
import type { Command, Option } from 'commander'
import type { MtLlamaError } from '../errors.ts'
import { type Answering, answered, type OnError } from '../lines/answering.ts'
import { type Answers, withAnswers } from './answers-file.ts'
import { type CommonOptions, choice, fileName } from './command.ts'
import type { Input } from './input.ts'
import { type Io, note } from './io.ts'
import { LineProgress } from './line-progress.ts'
import { startProgress } from './progress.ts'
import { inFlags } from './words.ts'

export interface LineOptions extends CommonOptions {
  out?: string
  resume?: boolean
  onError: OnError
}

/** Adds the options of commands that answer lines. */
export function addLineOptions(command: Command): Command {
  return command
    .option('--out <file>', 'file to write the lines to (default: stdout)', fileName)
    .option('--resume', 'go on with the file of --out: lines whose ids it has are not run again')
    .addOption(onErrorOption('what a line that fails does: end the run, or become a line with "error"'))
    .addHelpText('after', `\n${linesHelp}`)
}

export function onErrorOption(description: string): Option {
  return choice('--on-error <policy>', description, ['stop', 'skip']).default('stop')
}

const linesHelp = `Output:
  A line for each line of the input, in its order: its "id", or its number where it has none, its fields that
  the command does not read, and the answer. Under --on-error skip a line that fails has "error", with "code" and
  "message", in the place of the answer; the exit code is 0 then, and stderr says how many there were. --resume
  takes them for answered: remove them from the file to have them run again.`

/** What people see of answering. */
export interface Shown {
  /** What is shown beside a bar: 'score', 'requests'. */
  label: string
  counted: string
  /** What people are asked to type, as an example. */
  example: string
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

/**
 * Writes each answer as soon as those before it are written. A line that fails ends the program once the lines before it are
 * answered, or becomes a line with the error.
 */
export async function answerLines<Request, Answer>(
  { io, input, answers, options, command }: LineJob,
  { label, counted, example, ...answering }: Answering<Request, Answer> & Shown,
): Promise<void> {
  const written = new Written()
  const ended = new AbortController()
  const progress = new LineProgress(startProgress(label, counted, options), answers.found)
  if (!options.quiet)
    void input.count(AbortSignal.any([io.signal, ended.signal])).then(lines => {
      progress.lines = lines
    })
  if (input.isTerminal) note(`reading lines such as ${example} from the terminal; Ctrl-D ends them`, options)
  io.sayAtStop(() => (written.lines > 0 ? 'the lines answered are written' : 'no line was answered'))
  try {
    const all = answered(signal => input.lines(signal), answering, {
      onError: options.onError,
      takeFound: id => {
        const isFound = answers.takeFound(id)
        if (isFound) progress.foundRead++
        return isFound
      },
      inWords: error => inFlags(error, command),
      onProgress: step => progress.update(step),
      signal: io.signal,
    })
    for await (const { line, error } of all) {
      if (!line) continue
      await answers.add(line)
      written.add(error)
    }
  } finally {
    ended.abort()
    progress.stop()
    written.tell(options)
  }
}

/** What was written, for people. */
class Written {
  /** Answers, and errors. */
  lines = 0
  private readonly errors = new Map<string, number>()

  /** @param error set where the line holds one */
  add(error: MtLlamaError | undefined): void {
    this.lines++
    if (error) this.errors.set(error.code, (this.errors.get(error.code) ?? 0) + 1)
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
