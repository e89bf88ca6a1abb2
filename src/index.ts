// Public names, nothing else.

export type { Priority } from './calls/priority.ts'
export type { Source } from './calls/source.ts'
export type { Text } from './calls/text.ts'
export type { ChatSession } from './chat/chat-session.ts'
export type { ChatMessage } from './chat/chat-template.ts'
export type { ChatOptions, ChatSessionOptions, ChatTemplate, ChatTemplateOptions } from './chat/options.ts'
export type {
  Architecture,
  Checkpoint,
  ConfigSource,
  LlamaConfig,
  RopeScaling,
  TokenizerSettingsFiles,
  TokenizerSource,
} from './checkpoint/checkpoint.ts'
export { type Additions, openCheckpoint } from './checkpoint/open.ts'
export type { EmbedOptions, EmbedProgress, EmbedResult } from './embedding/options.ts'
export { type ErrorCode, MtLlamaError } from './errors.ts'
export type { Commonest } from './evaluation/choices.ts'
export {
  type ComparedRun,
  type CompareOptions,
  type Comparison,
  compare,
  type Flip,
  type FlipSide,
  type RunComparison,
  type TaskComparison,
} from './evaluation/compare/compare.ts'
export type { Difference } from './evaluation/compare/difference.ts'
export { type EvaluateOptions, evaluate, evaluateStream } from './evaluation/evaluate.ts'
export { type RescoreOptions, rescore } from './evaluation/rescore.ts'
export type {
  GenerateRecord,
  GroupFigure,
  GroupResult,
  LanguageMean,
  RankRecord,
  RollRecord,
  RunResults,
  SampleRecord,
  Settings,
  TaskResult,
  TemplateResult,
  Timing,
  WholeRun,
} from './evaluation/results.ts'
export type { EvaluateProgress, KeptSamples, TaskSample } from './evaluation/run.ts'
export type { Scorer, ScorerInfo } from './evaluation/scorer.ts'
export type { TokenScores } from './evaluation/token-scores.ts'
export type { Constraint } from './generation/constraint/option.ts'
export type {
  GeneratedText,
  GenerateOptions,
  GenerateProgress,
  GenerateResult,
} from './generation/options.ts'
export type { FoundModel } from './hub/pull-model.ts'
export { type PullModelOptions, type PullProgress, pullNamed as pullModel } from './hub/pull-named.ts'
export type { Aggregation } from './metrics/aggregation.ts'
export type { Figure } from './metrics/mean.ts'
export { type MetricFlags, registerMetric, type TextMetric } from './metrics/registry.ts'
export type { Interval } from './metrics/wilson.ts'
export {
  type DeviceChoice,
  type Devices,
  type GpuInfo,
  listDevices,
  type ProcessorInfo,
} from './model/devices.ts'
export type { DTypeName } from './model/dtype-names.ts'
export type { ModelInfo } from './model/info.ts'
export { type LoadOptions, type LoadProgress, loadModel } from './model/load.ts'
export type { Model } from './model.ts'
export type { Device, DType, Pooling } from './native/types.ts'
export { listTemplateSets, loadTemplates } from './prompts/load-templates.ts'
export type { ApplyOptions, Example, PromptMetadata, PromptTemplate } from './prompts/prompt-template.ts'
export { pythonRandom } from './prompts/python-random.ts'
export {
  type ChoiceQuestions,
  type ContinuationQuestions,
  defineTask,
  type GenerationQuestions,
  type RollingQuestions,
  type TaskMetric,
  type TaskOptions,
} from './protocols/own/define.ts'
export { loadOwnTasks as loadTasks, type OwnTask, type OwnTasks } from './protocols/own/own.ts'
export type { ScoreCache } from './scoring/cache.ts'
export type { Prefix, PrefixOptions } from './scoring/prefix.ts'
export type {
  Alternative,
  ContinuationScore,
  ScoreOptions,
  ScoreProgress,
  ScoreRequest,
  ScoreResult,
  TooLong,
} from './scoring/request.ts'
export type { PerplexityOptions, PerplexityResult } from './scoring/rolling.ts'
export type { Gold } from './tasks/task.ts'
export type { GroupMetric, TaskGroup } from './tasks/yaml/load.ts'
export type { Draw } from './templates/runtime.ts'
export type { BoundaryRule } from './tokenizer/boundary.ts'
export { loadTokenizer } from './tokenizer/load.ts'
export type { DecodeOptions, DecodeStream, EncodeOptions, Tokenizer } from './tokenizer/tokenizer.ts'
export type { Mask } from './training/encode-example.ts'
export type { EvaluatedTask, TrainEvaluation } from './training/evaluations.ts'
export type { SkipReason } from './training/examples.ts'
export type { LoraOptions, Projection } from './training/lora-settings.ts'
export type { MissingSet } from './training/open-mixture.ts'
export {
  type TrainOptions,
  type TrainResult,
  type TrainStart,
  type TrainStep,
  train,
  trainStream,
} from './training/train.ts'
export type { TrainConfig, TrainDType } from './training/train-config.ts'
export type { Calibration } from './zero-shot/calibration.ts'
export type { Classification, ClassifyOptions } from './zero-shot/classify.ts'
export type { Label } from './zero-shot/labels.ts'
export type { RankedDocument, RankOptions } from './zero-shot/rank.ts'
