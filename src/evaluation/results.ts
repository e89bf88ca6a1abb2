// What an evaluation leaves behind: results.json, and a line a sample in samples/TASK.jsonl.
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
  /** Tokens the model ran, shared prefixes once. */
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
  /** Of " " + choice given the prompt, one per choice. */
  logLikelihoods: number[]
  /** Index of the choice. */
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
  truncatedTokens: number
}
