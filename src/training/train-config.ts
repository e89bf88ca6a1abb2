// What a training run is asked for: the settings, their defaults and presets, and what is wrong with a configuration.
import { check, type Kind, kind, boolean as trueOrFalse, wholeNumber } from '../data/fields.ts'
import { isRecord } from '../data/record.ts'
import { shown } from '../data/shown.ts'
import { MtLlamaError } from '../errors.ts'
import { type DeviceChoice, isDeviceChoice } from '../model/devices.ts'
import { namedTasks, taskNames } from '../tasks/built-in/registry.ts'
import type { Mask } from './encode-example.ts'
import { type LoraOptions, type LoraSettings, loraSection, loraSettings } from './lora-settings.ts'
import { type ScheduleKind, scheduleKinds } from './schedule.ts'
import { type KeptActivations, keptActivations } from './train-memory.ts'

/** A configuration (docs/training.md). What is undefined has the preset's value, else the default. */
export interface TrainConfig {
  /** Values that count where the configuration has none: 'card', 'release' (those of the model card and of its script), 'lora'. */
  preset?: PresetName | undefined
  /** The checkpoint to begin with: a folder or a GGUF file. */
  model: string
  /** 't0', or the path of a YAML file (docs/mixtures.md). */
  mixture: string
  /** The folder that holds the folders of the training sets. */
  dataRoot: string
  /** promptsource's folder of templates. */
  templatesDir: string
  /** The folder of evaluation sets, whose texts no row may have; null leaves no row out. */
  evalDir: string | null
  /** The folder for checkpoints and the log. A run that it holds is gone on with. */
  out: string
  /** Begins with random weights; of the folder `model` config.json and the tokenizer count. @default false */
  fromScratch?: boolean | undefined
  /** Trains low-rank adapters of the linear maps, not the weights, which stay as they are; null trains all weights. @default null */
  lora?: LoraOptions | null | undefined
  /** Whether sets of the mixture may be missing. @default false */
  allowMissing?: boolean | undefined
  /** What the loss is on. @default 'answer' */
  mask?: Mask | undefined
  /** Whether EOS follows each text. @default true with mask 'answer', false with 'release' */
  eos?: boolean | undefined
  /** Tokens of an example at most. @default 2048 */
  maxLength?: number | undefined
  /** What becomes of an example that is longer: see EncodeExampleOptions. @default 'cut' */
  tooLong?: 'cut' | 'drop' | undefined
  /** Of the order of examples and the choices of templates. @default 1 */
  seed?: number | undefined
  /** The share of rows kept for validation, from 0 up to 1. @default 0 */
  validationShare?: number | undefined
  /** Steps between looks at the validation loss; 0: none. @default 0 */
  validateEvery?: number | undefined
  /** Examples that the validation loss is taken over. @default 256 */
  validationExamples?: number | undefined
  /** Steps between evaluations of the model as it is, the first before step 1 and one after the last; 0: none. @default 0 */
  evalEvery?: number | undefined
  /** Items of each task that these ask about, the same ones each time. @default 100 */
  evalSamples?: number | undefined
  /** The tasks, by the names that evaluate() takes. @default those of the model card whose data lies in `evalDir` */
  evalTasks?: readonly string[] | undefined
  /** Steps of the run; or `epochs`. A run has one of the two, its own or its preset's. */
  steps?: number | undefined
  /** One is as many examples as the tasks' caps. */
  epochs?: number | undefined
  /** Examples of a step. @default 16 */
  batch?: number | undefined
  /** Tokens of a pack at most: memory goes by it, the loss does not. @default 2048 */
  packTokens?: number | undefined
  /**
   * Whether what the way back needs of a layer stays from the way there or is computed again, which takes a quarter longer.
   * 'auto': it stays for as many layers as half of the free memory holds. No bit of a result depends on it. @default 'auto'
   */
  keepActivations?: KeptActivations | undefined
  /** How the learning rate goes on after the warm-up. @default 'constant' */
  schedule?: ScheduleKind | undefined
  /** Steps in which the learning rate rises from 0; or `warmupShare`, of the run's steps. @default none */
  warmupSteps?: number | undefined
  /** Of the run's steps, 0 to 1. @default none */
  warmupShare?: number | undefined
  /** The highest of the run. @default 1e-5 */
  learningRate?: number | undefined
  /** Of AdamW's mean of gradients. @default 0.9 */
  beta1?: number | undefined
  /** Of AdamW's mean of squared gradients. @default 0.999 */
  beta2?: number | undefined
  /** Of AdamW, added to the root of that mean. @default 1e-8 */
  eps?: number | undefined
  /** Of AdamW, for matrices; norms and biases do not decay. @default 0 */
  weightDecay?: number | undefined
  /** Gradients are scaled down to this norm; 0 leaves them as they are. @default 1 */
  maxNorm?: number | undefined
  /** Steps between checkpoints; the last step has one too. @default 500 */
  saveEvery?: number | undefined
  /** Checkpoints that are kept, the newest. @default 2 */
  keep?: number | undefined
  /**
   * Numbers that the model computes in. With 'bfloat16' its weights are rounded for products; what is trained, gradients and
   * moments are in float32 all the same. @default 'float32'
   */
  dtype?: TrainDType | undefined
  /** A GPU is told as loadModel() is told it: 'cuda', 'cuda:1', 'auto'. @default 'cpu' */
  device?: DeviceChoice | undefined
  /** 0: one a core. @default 0 */
  threads?: number | undefined
}

export type TrainDType = 'float32' | 'bfloat16'

/** A setting's name. */
export type TrainKey = keyof TrainConfig

/** A configuration with all that counts. Of each pair of alternatives one is there at most. */
export type TrainSettings = {
  [Key in Exclude<TrainKey, 'preset' | 'lora' | Alternative>]-?: Exclude<TrainConfig[Key], undefined>
} & { [Key in Alternative]: number | undefined } & { lora: LoraSettings | null }

/** Pairs of settings of which a configuration has one. */
const alternatives = [
  ['steps', 'epochs'],
  ['warmupSteps', 'warmupShare'],
] as const
type Alternative = (typeof alternatives)[number][number]

export const presets = {
  card: { batch: 16, learningRate: 5e-6, steps: 300_000, maxLength: 2048, weightDecay: 0 },
  release: {
    ...{ mask: 'release', maxLength: 2048, epochs: 3, learningRate: 2e-5, weightDecay: 0 },
    ...{ schedule: 'cosine', warmupShare: 0.03 },
  },
  lora: {
    lora: { rank: 8, alpha: 16, targets: 'all-linear' },
    ...{ batch: 8, learningRate: 2e-3, schedule: 'linear', warmupShare: 0.05 },
  },
} as const satisfies Record<string, Partial<TrainConfig>>
export type PresetName = keyof typeof presets

const defaults = {
  ...{
    fromScratch: false,
    lora: null,
    allowMissing: false,
    mask: 'answer',
    maxLength: 2048,
    tooLong: 'cut',
    seed: 1,
  },
  ...{ validationShare: 0, validateEvery: 0, validationExamples: 256, batch: 16, packTokens: 2048 },
  ...{ evalEvery: 0, evalSamples: 100, evalTasks: [] },
  ...{ schedule: 'constant', learningRate: 1e-5, beta1: 0.9, beta2: 0.999, eps: 1e-8, weightDecay: 0 },
  ...{
    maxNorm: 1,
    saveEvery: 500,
    keep: 2,
    dtype: 'float32',
    device: 'cpu',
    threads: 0,
    keepActivations: 'auto',
  },
} as const satisfies Partial<TrainConfig>

const path = kind('a path', (value): value is string => typeof value === 'string' && value !== '')
const count = (min: number) => wholeNumber(min, 2 ** 31 - 1)

const kinds: { [Key in TrainKey]-?: Kind<Exclude<TrainConfig[Key], undefined>> } = {
  preset: oneOf(Object.keys(presets) as PresetName[]),
  ...{ model: path, mixture: path, dataRoot: path, templatesDir: path, out: path },
  evalDir: kind(
    'a path, or null to leave no row out',
    (value): value is string | null => value === null || path.is(value),
  ),
  lora: loraSection,
  ...{ fromScratch: trueOrFalse, allowMissing: trueOrFalse, eos: trueOrFalse },
  mask: oneOf(['answer', 'release']),
  tooLong: oneOf(['cut', 'drop']),
  maxLength: wholeNumber(8, 2 ** 20),
  seed: wholeNumber(0, Number.MAX_SAFE_INTEGER),
  validationShare: number('a number from 0 up to 1', value => value >= 0 && value < 1),
  ...{ validateEvery: count(0), validationExamples: wholeNumber(1, 100_000) },
  ...{ evalEvery: count(0), evalSamples: wholeNumber(1, 2 ** 31 - 1) },
  evalTasks: kind(
    `a list of tasks, of ${[...taskNames.ofOneLanguage, ...taskNames.ofSets].join(', ')}`,
    (value): value is readonly string[] => Array.isArray(value) && namedTasks(value).unknown.length === 0,
  ),
  ...{ steps: count(1), batch: wholeNumber(1, 100_000), packTokens: wholeNumber(8, 2 ** 20) },
  epochs: number('a number above 0, at most 1e6', value => value > 0 && value <= 1e6),
  schedule: oneOf(scheduleKinds),
  warmupSteps: count(0),
  warmupShare: number('a number from 0 to 1', value => value >= 0 && value <= 1),
  learningRate: number('a number above 0, at most 10', value => value > 0 && value <= 10),
  beta1: number('a number from 0 up to 1', value => value >= 0 && value < 1),
  beta2: number('a number from 0 up to 1', value => value >= 0 && value < 1),
  eps: number('a number above 0, at most 1', value => value > 0 && value <= 1),
  weightDecay: number('a number from 0 to 10', value => value >= 0 && value <= 10),
  maxNorm: number('a number from 0 to 1e9', value => value >= 0 && value <= 1e9),
  ...{ saveEvery: count(1), keep: wholeNumber(1, 100_000) },
  dtype: oneOf(['float32', 'bfloat16']),
  device: kind('one of auto, cpu, reference, cuda, cuda:1 and so on', isDeviceChoice),
  threads: wholeNumber(0, 1024),
  keepActivations: oneOf(keptActivations),
}

export const trainKeys = Object.keys(kinds) as readonly TrainKey[]

/** What a caller calls a setting, and how its errors begin. */
export interface ConfigWords {
  name(key: TrainKey): string
  /** @param key the setting that is wrong, or another where it is missing */
  error(key: TrainKey | undefined, message: string): MtLlamaError
}

const wordsOfApi: ConfigWords = {
  name: key => key,
  error: (_, message) => new MtLlamaError('INVALID_ARGUMENT', message),
}

/** Checks a configuration and fills in what it leaves open. @throws INVALID_ARGUMENT naming the setting */
export function checkTrainConfig(config: TrainConfig): TrainSettings {
  if (!isRecord(config)) throw wordsOfApi.error(undefined, `config is ${shown(config)}; expected an object`)
  const unknown = Object.keys(config).find(key => !(trainKeys as readonly string[]).includes(key))
  if (unknown !== undefined)
    throw wordsOfApi.error(undefined, `unknown setting ${shown(unknown)}; there are ${trainKeys.join(', ')}`)
  return settingsOf(config as unknown as Readonly<Record<string, unknown>>, wordsOfApi)
}

/** checkTrainConfig() for callers with words of their own. @param given settings whose names are known */
export function settingsOf(given: Readonly<Record<string, unknown>>, words: ConfigWords): TrainSettings {
  const own: Partial<Record<TrainKey, unknown>> = {}
  for (const key of trainKeys)
    if (given[key] !== undefined)
      own[key] = check(given[key], kinds[key] as Kind<unknown>, expected =>
        words.error(key, `${words.name(key)} is ${shown(given[key])}; expected ${expected}`),
      )
  const { preset, ...rest } = own
  const result: Record<string, unknown> = { ...defaults }
  const ofPreset: Partial<TrainConfig> = preset === undefined ? {} : presets[preset as PresetName]
  for (const pair of alternatives) {
    const [one, other] = pair
    if (rest[one] !== undefined && rest[other] !== undefined)
      throw words.error(other, `${words.name(one)} and ${words.name(other)} are both given; leave one out`)
    const source = rest[one] === undefined && rest[other] === undefined ? ofPreset : rest
    for (const key of pair) result[key] = source[key]
  }
  for (const [key, value] of Object.entries({ ...ofPreset, ...rest }))
    if (!alternatives.flat().includes(key as Alternative)) result[key] = value
  if (result.lora !== null)
    result.lora = loraSettings(
      result.lora as Readonly<Record<string, unknown>>,
      ofPreset.lora ?? {},
      message => words.error('lora', message),
    )
  result.eos ??= result.mask === 'answer'
  const settings = result as TrainSettings
  checkTogether(settings, words)
  return settings
}

function checkTogether(settings: TrainSettings, { name, error }: ConfigWords): void {
  for (const key of ['model', 'mixture', 'dataRoot', 'templatesDir', 'evalDir', 'out'] as const)
    if (settings[key] === undefined)
      throw error(undefined, `no ${name(key)}; expected ${kinds[key].expected}`)
  const { steps, epochs, warmupSteps, maxLength, packTokens, validateEvery, validationShare } = settings
  if (settings.evalEvery > 0 && settings.evalDir === null)
    throw error(
      'evalEvery',
      `${name('evalEvery')} is ${settings.evalEvery}, but ${name('evalDir')} is null: there is nothing to evaluate on`,
    )
  if (steps === undefined && epochs === undefined)
    throw error(undefined, `no ${name('steps')} and no ${name('epochs')}; expected one of them`)
  if (steps !== undefined && warmupSteps !== undefined && warmupSteps > steps)
    throw error('warmupSteps', `${name('warmupSteps')} is ${warmupSteps}, of ${steps} ${name('steps')}`)
  if (packTokens < maxLength - 1)
    throw error(
      'packTokens',
      `${name('packTokens')} is ${packTokens}; expected at least ${maxLength - 1}, for examples of ${name('maxLength')} ${maxLength}`,
    )
  if (settings.fromScratch && settings.lora !== null)
    throw error(
      'fromScratch',
      `${name('fromScratch')} is true with ${name('lora')}; adapters of random weights learn little, and all weights are trained without it`,
    )
  if (validateEvery > 0 && validationShare === 0)
    throw error(
      'validateEvery',
      `${name('validateEvery')} is ${validateEvery}, but ${name('validationShare')} is 0: no rows are kept for validation`,
    )
}

function oneOf<Choice extends string>(choices: readonly Choice[]): Kind<Choice> {
  return kind(`one of ${choices.join(', ')}`, (value): value is Choice => choices.includes(value as Choice))
}

function number(expected: string, fits: (value: number) => boolean): Kind<number> {
  return kind(expected, (value): value is number => typeof value === 'number' && fits(value))
}
