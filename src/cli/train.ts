// mt-llama train: fine-tunes a model on a mixture of tasks, and goes on with a run that was stopped.
import { type Command, InvalidArgumentError } from 'commander'
import type { EvaluateProgress } from '../evaluation/run.ts'
import { printedPercent } from '../metrics/percent.ts'
import type { TrainEvaluation } from '../training/evaluations.ts'
import type { SkipReason } from '../training/examples.ts'
import { type TrainResult, type TrainStart, type TrainStep, train } from '../training/train.ts'
import { loadTrainConfig, type Override, trainConfigText } from '../training/train-config-file.ts'
import { type CommonOptions, integer, newCommand } from './command.ts'
import { localModel } from './hub-model.ts'
import { type Io, note, print, printJson } from './io.ts'
import { mebibytes, millions } from './open-model.ts'
import { type Progress, startProgress } from './progress.ts'
import { taskProgress } from './task-progress.ts'

interface TrainCommandOptions extends CommonOptions {
  config: string
  set: Override[]
  evalEvery?: number
  printConfig?: boolean
}

export function trainCommand(io: Io): Command {
  return newCommand(
    'train',
    'Train a model on a mixture of tasks, all its weights or LoRA adapters, as a YAML file says (docs/training.md has ' +
      'its keys). The out folder gets checkpoints, each a Hugging Face directory or one of PEFT, and log.jsonl. Run again, one that was stopped goes on ' +
      'from its last checkpoint, to the same bits.',
    {
      json: 'print the result as JSON',
      examples: [
        ['train --config run.yaml', 'begin, or go on'],
        ['train --config run.yaml --set learning_rate=2e-5 --set out=./run2', 'with other settings'],
        ['train --config run.yaml --set preset=lora --set lora.rank=16', 'adapters instead of all weights'],
        ['train --config run.yaml --eval-every 500', "the model card's tasks before, meanwhile and after"],
        ['train --config run.yaml --print-config', 'all settings that count, defaults and presets filled in'],
      ],
    },
  )
    .requiredOption('--config <file>', 'YAML file of the run')
    .option('--set <key=value>', "a setting that goes before the file's; may be given again", override, [])
    .option(
      '--eval-every <n>',
      'evaluate before the first step, every n steps and after the last: eval_every of the file',
      integer(0),
    )
    .option('--print-config', 'print the settings that count, and end')
    .action((options: TrainCommandOptions) => run(io, options))
}

function override(text: string, before: Override[]): Override[] {
  const at = text.indexOf('=')
  if (at < 1) throw new InvalidArgumentError('Expected KEY=VALUE.')
  return [...before, { name: text.slice(0, at), text: text.slice(at + 1) }]
}

async function run(io: Io, options: TrainCommandOptions): Promise<void> {
  const { evalEvery } = options
  const overrides = [
    ...options.set,
    ...(evalEvery === undefined ? [] : [{ name: 'eval_every', text: `${evalEvery}` }]),
  ]
  const settings = await loadTrainConfig(options.config, overrides)
  if (options.printConfig) return options.json ? printJson(settings) : print(trainConfigText(settings))
  const model = await localModel(settings.model, options, io.signal)
  const shown = trainProgress(options)
  const result = await train(
    { ...settings, model },
    {
      ...{ signal: io.signal, onStart: shown.start, onProgress: shown.step },
      ...{ onEvaluating: shown.evaluating, onEvaluation: shown.evaluation },
    },
  ).finally(shown.stop)
  if (options.json) return printJson(result)
  await print(`${resultLine(result)}\n`)
}

/** Says what the run is, shows how far it is, and in the end what it has left out. */
function trainProgress(options: CommonOptions): {
  start: (start: TrainStart) => void
  step: (step: TrainStep) => void
  evaluating: (progress: EvaluateProgress) => void
  evaluation: (evaluation: TrainEvaluation) => void
  stop: () => void
} {
  let bar: Progress | undefined
  let tasks: ReturnType<typeof taskProgress> | undefined
  let validation = ''
  let [tokens, seconds] = [0, 0]
  const skipped = new Map<SkipReason, number>()
  return {
    start(start) {
      for (const line of startLines(start)) note(line, options)
      bar = startProgress('train', 'steps', options, start.from)
    },
    step(step) {
      tokens += step.tokens
      seconds += step.seconds
      for (const [reason, count] of Object.entries(step.skipped) as [SkipReason, number][])
        skipped.set(reason, (skipped.get(reason) ?? 0) + count)
      if (step.validationLoss !== undefined) validation = `, validation ${step.validationLoss.toFixed(4)}`
      bar?.update({
        ...{ done: step.step, total: step.steps, tokensPerSecond: tokens / seconds },
        more: `loss ${step.loss.toFixed(4)}${validation}`,
      })
    },
    evaluating(progress) {
      if (!tasks) bar?.stop()
      tasks ??= taskProgress(options)
      tasks.update(progress)
    },
    evaluation(evaluation) {
      tasks?.stop()
      tasks = undefined
      for (const line of evaluationLines(evaluation)) note(line, options)
      bar = startProgress('train', 'steps', options, evaluation.step)
    },
    stop() {
      tasks?.stop()
      bar?.stop()
      const counts = Array.from(skipped, ([reason, count]) => `${reason} ${count}`)
      if (counts.length > 0) note(`draws that made no example: ${counts.join(', ')}`, options)
    },
  }
}

function startLines(start: TrainStart): string[] {
  const { steps, from, parameters, trainedParameters, memoryBytes, tasks } = start
  const { examplesOfEpoch, missing, backend, dtype, emulated, otherBackend } = start
  const adapters = trainedParameters === parameters ? '' : `, adapters of ${millions(trainedParameters)}`
  return [
    `${millions(parameters)} parameters${adapters} in ${dtype} on ${backend}, some ${mebibytes(memoryBytes)} of memory; ${tasks} task${tasks === 1 ? '' : 's'}, ${examplesOfEpoch} examples an epoch`,
    ...missing.map(({ name, reason }) => `missing: ${name}: ${reason}`),
    ...(emulated
      ? [
          `warning: ${backend} has no products of bfloat16 and computes them in float32; dtype float32 is faster here, and takes more memory`,
        ]
      : []),
    ...(from > 0 ? [`going on after step ${from} of ${steps}`] : []),
    ...(otherBackend === undefined
      ? []
      : [`warning: the run began on ${otherBackend}; ${backend} may round otherwise, to other bits`]),
  ]
}

function evaluationLines({ step, tasks, warnings, seconds }: TrainEvaluation): string[] {
  const figures = Object.values(tasks).map(({ title, metrics: { auc: area, ...metrics } }) => {
    const percent = (value: number) => printedPercent(value, 1)
    const shown = Object.values(metrics).map(({ value }) => percent(value))
    return `${title} ${shown.join('/')}${area ? ` (AUC ${percent(area.value)})` : ''}`
  })
  return [
    `after step ${step}: ${figures.join(', ')}; ${seconds.toFixed(1)} s`,
    ...warnings.map(text => `warning: after step ${step}: ${text}`),
  ]
}

function resultLine({ checkpoint, steps, tokens, scoredTokens }: TrainResult): string {
  return `${steps} steps, ${tokens} tokens, the loss on ${scoredTokens} of them; saved as ${checkpoint}`
}
