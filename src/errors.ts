// Every error this package throws on purpose: one class, a code for programs, a message for people.

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
  /** A tensor the architecture needs is not in the checkpoint. */
  'TENSOR_MISSING',
  /** A tokenizer file is missing, broken or of an unsupported kind. */
  'TOKENIZER',
  /** A chat template is missing or does not render. */
  'CHAT_TEMPLATE',
  /** An evaluation data file is missing. */
  'DATA_NOT_FOUND',
  /** A row of a data file lacks a field or holds a wrong value; the message names file, row and field. */
  'DATA_INVALID',
  /** An output file or folder cannot be written, or holds results of another run. */
  'OUTPUT',
] as const

export type ErrorCode = (typeof nativeErrorCodes)[number] | (typeof typescriptErrorCodes)[number]

/** An error with a code. The message says where, what was found, what was expected and what to do. */
export class MtLlamaError extends Error {
  override readonly name = 'MtLlamaError'
  readonly code: ErrorCode

  constructor(code: ErrorCode, message: string, options?: ErrorOptions) {
    super(message, options)
    this.code = code
  }
}
