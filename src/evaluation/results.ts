// The shape of what an evaluation saves: results.json, and the lines of samples/TASK.jsonl (see journal.ts).
import type { ModelInfo } from '../model/info.ts'
import type { TaskName } from '../tasks/registry.ts'
import type { Protocol } from '../tasks/task.ts'

/** All that decides a score. Two runs with equal settings give equal results; a folder holds results of one setting. */
export interface Settings {
  /** The version of this package. */
  version: string
  protocol: Protocol
  /** A hash of the checkpoint's numbers and tokenizer, whatever its path: see fingerprint.ts. */
  modelFingerprint: string
  dtype: string
  /** The device and its instruction set, such as 'cpu avx512_bf16'. */
  backend: string
  /** Whether each prompt begins with BOS. */
  addBos: boolean
  /** What happens to prompts longer than the context. */
  tooLong: 'error' | 'truncate-left'
  dataDir: string
  /** How many samples of each task are run, from the first; null runs all. */
  limit: number | null
}

export interface RunResults {
  settings: Settings
  /** The model is no part of the settings: its folder may move, and its number of threads changes no score. */
  model: ModelInfo
  node: string
  platform: string
  /** The tasks' results in the order of the tables. */
  tasks: Partial<Record<TaskName, TaskResult>>
}

export interface TaskResult {
  /** 'partial' after a run that was stopped: the metrics are those of the first samplesDone samples. */
  status: 'complete' | 'partial'
  /** The data files that were read, relative to dataDir. */
  files: string[]
  /** Number of samples in the files, or the limit where that is smaller. */
  samplesTotal: number
  samplesDone: number
  /** Means over the samples, from 0 to 1. */
  metrics: ChoiceMetrics | AnswerMetrics
  /** Number of samples in which two choices share the best log-likelihood; the first of them counts. */
  ties: number
  /** Number of samples whose prompt was cut to fit the context. */
  truncated: number
  /** Number of samples for which the model gave NaN or an infinity; they count as wrong. 0 unless the run allows them. */
  notFinite: number
  /** Tokens that the model ran, shared prefixes once. A killed run adds to this and to `seconds` what it had last saved. */
  tokens: number
  seconds: number
}

export interface ChoiceMetrics {
  accuracy: number
  /** Accuracy where choices are ranked by log-likelihood per character (lm-evaluation-harness's acc_norm). */
  accuracyNormalised: number
}

export interface AnswerMetrics {
  exactMatch: number
  f1: number
}

/** A line of samples/TASK.jsonl. */
export type SampleRecord = ChoiceRecord | AnswerRecord

export interface ChoiceRecord {
  id: string
  prompt: string
  choices: string[]
  /** One log-likelihood for each choice: that of " " + choice after the prompt. null stands for NaN or an infinity. */
  logLikelihoods: (number | null)[]
  /** Index of the best choice; -1 where a log-likelihood is null. */
  prediction: number
  gold: number
  correct: boolean
  /** Whether the choice with the best log-likelihood per character is the gold one. */
  correctNormalised: boolean
  tied: boolean
  truncatedTokens: number
}

export interface AnswerRecord {
  id: string
  prompt: string
  /** The model's text as it came, up to the newline or end that stopped it. */
  generated: string
  /** The generated text without white space at its ends, which is what the metric sees. */
  prediction: string
  answers: string[]
  exactMatch: number
  f1: number
  finishReason: string
  /** Set where a token's log-probability is NaN or an infinity: the text means nothing and counts as wrong. */
  notFinite?: true
  truncatedTokens: number
}
