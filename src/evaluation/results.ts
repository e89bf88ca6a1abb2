// What an evaluation leaves behind: results.json, and a line a sample in samples/TASK.jsonl (see journal.ts).
import type { ModelInfo } from '../model/info.ts'
import type { TaskName } from '../tasks/registry.ts'
import type { Protocol } from '../tasks/task.ts'

/** What decides a score. Two runs of equal settings give equal results; a folder holds one settings alone. */
export interface Settings {
  /** Of this package. */
  version: string
  protocol: Protocol
  /** Of the checkpoint's numbers and tokenizer, wherever it lies: see fingerprint.ts. */
  modelFingerprint: string
  dtype: string
  /** Device and instruction set. */
  backend: string
  /** BOS before each prompt. */
  addBos: boolean
  /** What happens to prompts longer than the context. */
  tooLong: 'error' | 'truncate-left'
  dataDir: string
  /** First samples of each task; null: all. */
  limit: number | null
}

export interface RunResults {
  settings: Settings
  /** No part of the settings: a model may move, and threads change no score. */
  model: ModelInfo
  node: string
  platform: string
  /** In the order of the tables. */
  tasks: Partial<Record<TaskName, TaskResult>>
}

export interface TaskResult {
  /** 'partial': the run was stopped; the metrics are those of the samples done, the first ones. */
  status: 'complete' | 'partial'
  /** Files read, below dataDir. */
  files: string[]
  /** Samples in the files, after the limit. */
  samplesTotal: number
  samplesDone: number
  /** All from 0 to 1. */
  metrics: ChoiceMetrics | AnswerMetrics
  /** Choice tasks: samples whose best log-likelihood two choices share (the first one counts). */
  ties: number
  /** Samples whose prompt was cut to fit the context. */
  truncated: number
  /** Samples for which the model gave NaN or an infinity; they count as wrong. 0 unless the run allows them. */
  notFinite: number
  /** Tokens the model ran, shared prefixes once. What a killed run did after it last saved is not in it, nor in `seconds`. */
  tokens: number
  seconds: number
}

export interface ChoiceMetrics {
  accuracy: number
  /** By log-likelihood per character of the choice (lm-evaluation-harness's acc_norm). */
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
  /** Of " " + choice given the prompt, one per choice; null: NaN or an infinity. */
  logLikelihoods: (number | null)[]
  /** Index of the choice; -1 where a log-likelihood is null. */
  prediction: number
  gold: number
  correct: boolean
  /** By log-likelihood per character. */
  correctNormalised: boolean
  tied: boolean
  truncatedTokens: number
}

export interface AnswerRecord {
  id: string
  prompt: string
  /** As it came, before the newline or end that stopped it. */
  generated: string
  /** Stripped. */
  prediction: string
  answers: string[]
  exactMatch: number
  f1: number
  finishReason: string
  /** A token's log-probability is NaN or an infinity: the text means nothing and counts as wrong. */
  notFinite?: true
  truncatedTokens: number
}
