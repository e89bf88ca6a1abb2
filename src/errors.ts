// Every error this package throws on purpose: one class, a code for programs, a message for people.
import { shown } from './data/shown.ts'

/** Codes thrown by native code; `native/base/error.h` holds the same list and a test compares the two. */
export const nativeErrorCodes = [
  'INVALID_ARGUMENT',
  'TOKEN_OUT_OF_RANGE',
  'CONTEXT_LENGTH',
  'FILE_READ',
  'TENSOR_SHAPE',
  'TENSOR_DTYPE',
  'WEIGHT_NOT_FINITE',
  'OUT_OF_MEMORY',
  'ABORTED',
  'DISPOSED',
  'DEVICE_UNAVAILABLE',
  'INTERNAL',
] as const

/** Codes thrown by the TypeScript layer alone. */
export const typescriptErrorCodes = [
  /** The native addon is missing or does not load; the message lists every attempt. */
  'ADDON_NOT_FOUND',
  /** A file or folder of a checkpoint is missing. */
  'CHECKPOINT_NOT_FOUND',
  /** A file of a checkpoint is cut, lies about itself, or is not what its name says. */
  'CHECKPOINT_CORRUPT',
  /** A valid checkpoint that this package does not run: architecture, field, format version. */
  'CHECKPOINT_UNSUPPORTED',
  /** A delta or an adapter of another base than it is put on. */
  'CHECKPOINT_MISMATCH',
  /** A tensor the architecture needs is not in the checkpoint. */
  'TENSOR_MISSING',
  /** A tokenizer file is missing, broken or of an unsupported kind. */
  'TOKENIZER',
  /** A chat template is missing or does not render. */
  'CHAT_TEMPLATE',
  /** A prompt template is broken, or does not render an example. */
  'PROMPT_TEMPLATE',
  /** A file that defines a task is broken, or asks for what is not supported. */
  'TASK',
  /** A file that defines a training run or its mixture is broken, or asks for what there is not. */
  'TRAINING',
  /** A data file is missing. */
  'DATA_NOT_FOUND',
  /** A row of a data file lacks a field or holds a wrong value; the message names file, row and field. */
  'DATA_INVALID',
  /** A model gave NaN or an infinity for a score: a value overflowed, or the checkpoint is broken. */
  'SCORE_NOT_FINITE',
  /** The Hugging Face hub, or offline its cache, has no such repository, revision or file. */
  'HUB_NOT_FOUND',
  /** The hub asks for a token, or for one with more rights. */
  'HUB_ACCESS',
  /** The hub cannot be reached, refuses for now, or sends other bytes than it lists. */
  'HUB_FAILED',
  /** The queue of a fleet cannot be reached, lacks its packages, or is set up so that it would lose jobs. */
  'QUEUE',
  /** Storage by S3's interface lacks its package. */
  'STORAGE',
  /** An output file or folder cannot be written, holds results of another run, or another process writes to it. */
  'OUTPUT',
] as const

export type ErrorCode = (typeof nativeErrorCodes)[number] | (typeof typescriptErrorCodes)[number]

/** What a message names, and callers of different kinds know by different names. */
export type Term =
  /** What was asked, counted from 0. */
  | { kind: 'request' | 'prompt' | 'text'; index: number }
  | { kind: 'option'; name: string; value?: string }
  /** A way out by an option and the values that help, after another way; left out where a caller has no such option. */
  | { kind: 'remedy'; option: string; values: readonly string[] }

/** A message in pieces. */
export type Message = readonly (string | Term)[]

/** Puts a message together: message`${term} is ${value}`; other messages may be parts of it. */
export function message(
  strings: TemplateStringsArray,
  ...values: (string | number | Term | Message)[]
): Message {
  const parts: (string | Term)[] = [strings[0]!]
  for (const [i, value] of values.entries()) {
    if (isMessage(value)) parts.push(...value)
    else if (isTerm(value)) parts.push(value)
    // A caller's value may be of another type than was declared.
    else parts.push(typeof value === 'string' ? value : typeof value === 'number' ? `${value}` : shown(value))
    parts.push(strings[i + 1]!)
  }
  return parts
}

/** An error with a code. The message says where, what was found, what was expected and what to do. */
export class MtLlamaError extends Error {
  /** 'MtLlamaError', or 'AbortError' where a call was aborted, as errors of aborted calls are named everywhere. */
  override readonly name: 'MtLlamaError' | 'AbortError'
  readonly code: ErrorCode
  readonly #parts: Message

  constructor(code: ErrorCode, message: string | Message, options?: ErrorOptions) {
    const parts = typeof message === 'string' ? [message] : message
    super(parts.map(part => (typeof part === 'string' ? part : wordOf(part))).join(''), options)
    this.name = code === 'ABORTED' ? 'AbortError' : 'MtLlamaError'
    this.code = code
    this.#parts = parts
  }

  /**
   * The same error for a caller of another kind.
   * @param words what it calls a term; undefined leaves the term as it is
   * @internal
   */
  reworded(words: (term: Term) => string | Message | undefined): MtLlamaError {
    const parts = this.#parts.flatMap(part => (typeof part === 'string' ? part : (words(part) ?? part)))
    const error = new MtLlamaError(this.code, parts, { cause: this.cause })
    if (this.stack !== undefined) error.stack = this.stack
    return error
  }
}

/** The words of a program that calls this package. */
function wordOf(term: Term): string {
  switch (term.kind) {
    case 'option':
      return term.value === undefined ? term.name : `${term.name} '${term.value}'`
    case 'remedy': {
      const to = term.values.length > 0 ? ` to ${oneOf(term.values.map(value => `'${value}'`))}` : ''
      return `, or set ${term.option}${to}`
    }
    default:
      return `${term.kind} ${term.index}`
  }
}

/** 'a, b or c' */
export function oneOf(words: readonly string[]): string {
  return words.length < 2 ? words.join('') : `${words.slice(0, -1).join(', ')} or ${words.at(-1)}`
}

function isMessage(value: unknown): value is Message {
  return Array.isArray(value) && value.every(part => typeof part === 'string' || isTerm(part))
}

function isTerm(value: unknown): value is Term {
  return typeof value === 'object' && value !== null && 'kind' in value
}
