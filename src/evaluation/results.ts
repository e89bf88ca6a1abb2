// The shape of what an evaluation saves: results.json, and the lines of samples/TASK.jsonl (see journal.ts).

import type { Aggregation } from '../metrics/aggregation.ts'
import type { Figure } from '../metrics/mean.ts'
import type {
  GenerateAnswer,
  GenerateAsk,
  Outcome,
  RankAnswer,
  RankAsk,
  RollAnswer,
  RollAsk,
} from '../protocols/protocol.ts'
import type { TaskGroup } from '../tasks/yaml/load.ts'
import type { Commonest } from './choices.ts'
import type { ScorerInfo } from './scorer.ts'
import type { AnswerScores, TokenScores } from './token-scores.ts'

/** All that decides a score. Two runs with equal settings give equal results; a folder holds results of one setting. */
export interface Settings {
  /** The version of this package. */
  version: string
  protocol: string
  /** A hash of the checkpoint's numbers and tokenizer, whatever its path. */
  modelFingerprint: string
  dtype: string
  /** The device and its instruction set, such as 'cpu avx512_bf16'. */
  backend: string
  /** Whether each prompt begins with BOS, where the protocol does not say so. */
  addBos: boolean
  /** What happens to prompts longer than the context. */
  tooLong: 'error' | 'truncate-left'
  dataDir: string
  /** How many items of each task are asked about, from the first; null takes all. */
  limit: number | null
  /** Set where so many items of each task were drawn from these. */
  sample?: number
  /** '3/8' where the run has the third of eight parts of each task's samples alone. */
  shard?: string
  /** Set where rankings have acc_mutual_info, whatever their task says. */
  pmi?: boolean
  /** Set where prompts of task files are put by the checkpoint's chat template. */
  chatTemplate?: boolean
  /** Set where shots are messages of their own there. */
  fewshotAsMultiturn?: boolean
  /** Stands before the description of each task file. */
  systemInstruction?: string
}

export interface RunResults {
  settings: Settings
  /** The model is no part of the settings: its folder may move, and its number of threads changes no score. */
  model: ScorerInfo
  node: string
  platform: string
  /** The tasks' results by name, those of the card first and in the order of its tables. */
  tasks: Record<string, TaskResult>
  /** Means over the languages of the sets that are complete, by the set's name. */
  languageMeans: Record<string, LanguageMean>
  /** Means over the tasks of groups that are complete, by the group's name; left out where there are none. */
  groups?: Record<string, GroupResult>
  /** What the protocol says of the tokens that prompts begin with and texts end at; empty where they are the tokenizer's own. */
  tokenNotes: readonly string[]
  /** What a reader must know of how prompts were made; left out where there is nothing. */
  promptNotes?: readonly string[]
  /** Set where the run is a shard: what it is a part of. */
  whole?: WholeRun
  /** What makes figures tell little: one answer to nearly all questions of a task; left out where there is nothing. */
  warnings?: readonly string[]
}

/** All shards of a run together. */
export interface WholeRun {
  /** Number of samples of each task, in the order of the tasks. */
  samples: Readonly<Record<string, number>>
  /** Groups of tasks whose means are taken. */
  groups: readonly TaskGroup[]
}

/** The mean over the languages of a set, each language counting alike. */
export interface LanguageMean extends Pick<TaskResult, 'title' | 'headline' | 'decimals' | 'status'> {
  languages: readonly string[]
  /** By the metric's name. */
  metrics: Record<string, { value: number }>
}

/** A group of task files, and its means. */
export interface GroupResult extends TaskGroup {
  status: TaskResult['status']
  /** By the metric's name; with a filter's name behind it where the tasks have such. */
  figures: Record<string, GroupFigure>
}

export interface GroupFigure extends Pick<Figure, 'value' | 'standardError'> {
  /** Number of tasks that have the metric. */
  tasks: number
}

export interface TaskResult {
  /** The head of the task's column in tables. */
  title: string
  /** The metrics that stand for the task in tables, in order. */
  headline: readonly string[]
  /** Decimals of its figures in tables. */
  decimals: 1 | 2
  /** 'partial' after a run that was stopped: the metrics are those of the first samplesDone samples. */
  status: 'complete' | 'partial'
  /** The data files that were read, relative to dataDir. */
  files: readonly string[]
  /** Number of samples in the files, or the limit where that is smaller. */
  samplesTotal: number
  samplesDone: number
  /**
   * By the metric's name; values are means over the samples but for those that `aggregations` names, and `auc`: the area under
   * the ROC curve of tasks whose questions have two choices, of which the second is likelier than the first by so much.
   */
  metrics: Record<string, Figure>
  /** How metrics are made of the samples' scores that are no means. */
  aggregations?: Readonly<Record<string, Aggregation>>
  /** The hash of the task's definition, where a file defines it. */
  definition?: string
  /** The hash of what of it decides the questions. */
  questions?: string
  /** One for each template; left out where the protocol has none. */
  templates?: readonly TemplateResult[]
  /** Left out where nothing is chosen, and where several templates each have one. */
  commonest?: Commonest
  /** Number of items that were not asked about, by each template apart. */
  skipped: number
  /** Number of samples in which two choices share the best log-likelihood; the first of them counts. */
  ties: number
  /** Number of samples in whose text no answer was found; they count as wrong or as the class that the protocol assumes. */
  failed: number
  /** Number of samples whose prompt was cut to fit the context. */
  truncated: number
  /** Number of samples for which the model gave NaN or an infinity; they count as wrong. 0 unless the run allows them. */
  notFinite: number
  /** What it took; nothing else differs between two runs with the same settings. */
  timing: Timing
}

/** What the samples of one template come to. */
export interface TemplateResult {
  template: string
  samples: number
  /** By the metric's name; values are means over the samples, but for `auc`. */
  metrics: Record<string, Figure>
  commonest?: Commonest
}

export interface Timing {
  /** Tokens that the model ran, shared prefixes once. A killed run adds to this and to `seconds` what it had last saved. */
  tokens: number
  seconds: number
}

/** A line of samples/TASK.jsonl: the question, the answer, and what it comes to. */
export type SampleRecord = RankRecord | GenerateRecord | RollRecord

/** prediction is null, and all scores are 0, where the model gave NaN or an infinity. */
type Judged = Omit<Outcome, 'prediction'> & { prediction: Outcome['prediction'] | null }

interface Cut {
  /** Tokens that were cut from the prompt to fit the context. */
  truncatedTokens: number
}

/** null stands for a log-likelihood that is NaN or infinite. */
export type RankRecord = RankAsk &
  Omit<RankAnswer, 'logLikelihoods' | 'unconditional'> & {
    logLikelihoods: readonly (number | null)[]
    unconditional?: readonly (number | null)[]
  } & Partial<TokenScores> &
  Judged &
  Cut

/** null stands for a log-likelihood that is NaN or infinite. */
export type RollRecord = RollAsk &
  Omit<RollAnswer, 'logLikelihood'> & { logLikelihood: number | null } & Judged &
  Cut

export type GenerateRecord = GenerateAsk &
  GenerateAnswer &
  Partial<AnswerScores> &
  Judged &
  Cut & {
    finishReason: string
    /** Set where a token's log-probability is NaN or an infinity: the text means nothing. */
    notFinite?: true
  }
