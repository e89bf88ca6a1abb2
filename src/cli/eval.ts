// mt-llama eval: the main job, the card's tasks on a model.
import { resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { type Command, Option } from 'commander'
import { fingerprint } from '../checkpoint/fingerprint.ts'
import { MtLlamaError, message } from '../errors.ts'
import { readRun } from '../evaluation/compare/read-run.ts'
import { gatedMetrics, savedMetrics } from '../evaluation/gates/gate.ts'
import { partOf, wholeOf } from '../evaluation/part.ts'
import { checkPmi, type Prompting, prompted, promptingSettings } from '../evaluation/prompting.ts'
import { report } from '../evaluation/report.ts'
import { rescoreFolder } from '../evaluation/rescore.ts'
import type { RunResults } from '../evaluation/results.ts'
import { type KeptSamples, runToEnd } from '../evaluation/run.ts'
import { checkSameRun, RunFolder } from '../evaluation/run-folder.ts'
import { runSettings } from '../evaluation/settings.ts'
import { loadWork } from '../evaluation/work.ts'
import { holderName } from '../files/lock.ts'
import { packageVersion } from '../files/package-version.ts'
import type { Shard } from '../files/shard.ts'
import { ShardRun } from '../fleet/run-shards.ts'
import { isRemote } from '../fleet/storage.ts'
import { chosenDevice } from '../model/devices.ts'
import { dtypeOf } from '../model/dtype-names.ts'
import { resultSettings } from '../model/result-settings.ts'
import { card } from '../protocols/card.ts'
import { chooseTasks, protocolNames } from '../protocols/choose.ts'
import { loadOwnJudging, loadOwnTasks } from '../protocols/own/own.ts'
import type { ScoreCache } from '../scoring/cache.ts'
import { type AskedTasks, allOfCard, parseTasks, taskWords } from './asked-tasks.ts'
import {
  addModelOptions,
  choice,
  folder,
  integer,
  type ModelOptions,
  newCommand,
  shardOf,
} from './command.ts'
import { addGateOptions, checkGateOptions, type GateOptions, judgeGates, openBase } from './gates.ts'
import { type Io, note, print, printJson } from './io.ts'
import { NewSamples, nothingNew } from './new-samples.ts'
import { loadCheckpoint, openTextCheckpoint } from './open-model.ts'
import { taskProgress } from './task-progress.ts'

interface EvalOptions extends ModelOptions, GateOptions {
  protocol: string
  templatesDir?: string
  template?: string[]
  dataDir?: string
  dataRoot: string
  tasks: AskedTasks
  chatTemplate?: boolean
  fewshotAsMultiturn?: boolean
  systemInstruction?: string
  pmi?: boolean
  limit?: number
  scoreCache?: string
  redo?: boolean
  rescore?: string
  allowNan?: boolean
  card?: boolean
  tooLong: 'error' | 'truncate-left'
  shard?: Shard
}

const embeddedData = fileURLToPath(new URL('../../default/data', import.meta.url))

export function evalCommand(io: Io): Command {
  const command = newCommand(
    'eval',
    "Evaluate a model on the card's eleven tasks and print their two tables.",
    {
      json: 'print the results as JSON instead of the tables',
      examples: [
        ['eval', 'all tasks on the embedded random model and data: shows that everything runs'],
        [
          'eval --model ./llama --data-dir ./data --out ./run',
          'a real evaluation; results.json, table.md and samples in ./run',
        ],
        [
          'eval --model ./llama --data-dir ./data --tasks copa,rte --limit 50 --card',
          'two tasks, 50 samples each, beside the card',
        ],
        [
          'eval --model ./llama --data-dir ./data --tasks copa --gate "copa.acc>=0.85" --junit ./eval.xml',
          'for build servers: exit code 100 where the accuracy is lower',
        ],
        [
          'eval --model ./llama --data-dir ./data --protocol release --tasks xnli',
          'as the released scripts evaluate: XNLI in its languages, with their mean',
        ],
        [
          'eval --model ./llama --data-dir ./data --protocol t0 --templates-dir ./templates --tasks copa',
          'by the P3 templates of COPA: a result for each, with mean, median, min and max',
        ],
        [
          'eval --model ./llama --data-dir ./data --shard 3/8 --out ./shards',
          'the third of eight parts, which may run anywhere and twice; mt-llama merge ./shards joins them',
        ],
      ],
    },
  )
  addModelOptions(command)
    .addOption(
      choice('--protocol <name>', 'how prompts are put and answers judged, see docs/data.md', [
        ...protocolNames,
      ]).default(card.name),
    )
    .option('--templates-dir <dir>', "of protocol t0: promptsource's folder of templates", folder)
    .option(
      '--template <name>',
      'of protocol t0: a template to ask by, by name or id; may be given again (default: all of the original task)',
      (text, before: string[] = []) => [...before, text],
    )
    .option(
      '--data-dir <dir>',
      'folder with one folder a task, see docs/data.md (default: the embedded items)',
      folder,
    )
    .addOption(
      new Option(
        '--tasks <names>',
        `comma-separated, of ${taskWords}; or files of your own (.yaml, see docs/tasks.md)`,
      )
        .argParser(parseTasks)
        .default(allOfCard, "the card's eleven"),
    )
    .option('--data-root <dir>', 'folder that paths of data in task files are relative to', folder, '.')
    .option(
      '--chat-template',
      "put the prompts of task files by the checkpoint's chat template, descriptions as the system's message",
    )
    .option(
      '--fewshot-as-multiturn',
      'with --chat-template: each shot as messages of its own (the default there)',
    )
    .option('--no-fewshot-as-multiturn', 'with --chat-template: shots and question as one message')
    .option('--system-instruction <text>', 'of task files: stands before the description')
    .option('--pmi', 'score choices alone too, for the accuracy by the difference (acc_mutual_info)')
    .option('--limit <n>', 'only the first n samples of each task', integer(1))
    .option(
      '--out <dir>',
      'folder to save in; results of the same model and settings that it holds are gone on with',
      folder,
    )
    .option(
      '--score-cache <dir>',
      'folder of scores shared between runs: choices that this model has scored are not run again',
      folder,
    )
    .option('--redo', 'run tasks from their start that the folder holds already')
    .option(
      '--rescore <dir>',
      'judge the saved samples of a run again, without a model, and rewrite its results',
      folder,
    )
    .option('--allow-nan', 'count samples whose scores are NaN or infinite as wrong, and show how many')
    .option('--card', "show the model card's own figures too")
    .addOption(
      choice('--too-long <policy>', 'prompts longer than the context', ['error', 'truncate-left']).default(
        'error',
      ),
    )
  command.option(
    '--shard <i/n>',
    "run the i-th of n parts of each task's samples, counted from 1, into a folder in --out; merge joins them",
    shardOf,
  )
  return addGateOptions(command).action((options: EvalOptions) => run(io, options))
}

async function run(io: Io, options: EvalOptions): Promise<void> {
  const news = new NewSamples()
  const isSaved = options.out !== undefined
  io.sayAtStop(() => (news.some ? `what is done is ${isSaved ? 'kept' : 'printed'}` : nothingNew))
  if (options.rescore !== undefined) return runRescore(io, options.rescore, options)
  const shard = options.shard && shardRun(options, options.shard)
  const { tasks: own, groups } = await loadOwnTasks(options.tasks.files, resolve(options.dataRoot))
  const builtIn = options.tasks === allOfCard ? undefined : options.tasks.builtIn
  const { protocol: asTasksSay, tasks } = await chooseTasks(options, builtIn, own)
  const chatTemplate = options.chatTemplate ?? false
  const prompting: Prompting = {
    ...{ pmi: options.pmi ?? false, chatTemplate },
    fewshotAsMultiturn: options.fewshotAsMultiturn ?? chatTemplate,
    systemInstruction: options.systemInstruction,
  }
  const { protocol } = prompted(asTasksSay, prompting)
  await checkGateOptions(options, gatedMetrics(tasks, groups, protocol))
  await using saved = await (shard ? shard.open() : openFolder(options.out, options))
  const data = { dataDir: resolve(options.dataDir ?? embeddedData), limit: options.limit ?? null }
  const plain = await loadWork(tasks, protocol, data)
  checkPmi(plain, prompting)
  let base = prompting.chatTemplate ? undefined : await openBase(options, plain, data.dataDir)
  const asked = {
    ...{ protocol: protocol.name, tooLong: options.tooLong, ...data },
    ...promptingSettings(prompting),
    ...(options.shard && { shard: `${options.shard.index}/${options.shard.count}` }),
  }
  const checkpoint = await openTextCheckpoint(options, io.signal)
  const known = {
    version: await packageVersion(),
    modelFingerprint: await fingerprint(checkpoint),
    dtype: options.dtype === 'auto' ? checkpoint.autoDType : dtypeOf(options.dtype),
    ...asked,
  }
  const whole = wholeOf(plain, groups)
  if (shard && !saved && (await shard.isDone(known, whole)))
    return note(`shard ${asked.shard}: done already, in ${shard.path}`, options)
  // What does not go with the results that are there is told before the weights are read.
  const earlier = await saved?.results()
  if (saved && earlier) {
    const device = await chosenDevice(options.device)
    const expected = await resultSettings(checkpoint, { dtype: options.dtype, device })
    checkSameRun(saved.path, earlier, { ...expected, ...asked }, new Set(plain.map(({ task }) => task.name)))
  }
  await using model = await loadCheckpoint(checkpoint, options, io.signal)
  // Chats are rendered by the checkpoint's template, which is there by now.
  const chat = prompting.chatTemplate ? prompted(asTasksSay, prompting, model) : undefined
  const work = chat ? await loadWork(tasks, chat.protocol, data) : plain
  if (chat) base = await openBase(options, work, data.dataDir)
  if (options.dataDir === undefined && options.tasks.builtIn.length > 0)
    note('data: the embedded items, a handful a task; their figures mean nothing', options)
  const tokenNotes = (model.tokenizer && protocol.tokenNotes?.(model.tokenizer)) ?? []
  const settings = await runSettings(model, asked)
  await using scoreCache =
    options.scoreCache === undefined
      ? undefined
      : await model.openScoreCache(options.scoreCache, { signal: io.signal })
  const progress = taskProgress(options)
  const ran = runToEnd(model, {
    ...(options.shard && { whole }),
    ...{
      work: options.shard ? partOf(work, options.shard) : work,
      settings,
      tokenNotes,
      groups,
      scoreCache,
      folder: saved,
    },
    promptNotes: chat?.notes() ?? [],
    ...{ redo: options.redo ?? false, allowNan: options.allowNan ?? false, card: options.card ?? false },
    signal: io.signal,
    onProgress: step => {
      news.add(step)
      progress.update(step)
    },
    onKept: kept => {
      news.keep(kept)
      note(keptWords(kept), options)
    },
  }).finally(progress.stop)
  const results = await ran.catch(async error => {
    if (!(await shard?.isJoined(saved!, known, whole))) throw error
  })
  if (!results)
    return note(
      `shard ${asked.shard}: nothing to do, another process has done it, and the shards are joined already`,
      options,
    )

  if (scoreCache) note(cacheWords(scoreCache), options)
  noteWarnings(results, options)
  const gates = await judgeGates(io, results, base, options)
  const isComplete = shard && (await shard.publish(saved!, results, whole))
  if (options.json) await printJson(gates.length > 0 ? { ...results, gates } : results)
  else if (Object.keys(results.tasks).length > 0)
    await print(report(results, { card: options.card ?? false }))
  const place = isComplete
    ? `shard ${asked.shard}: saved in ${shard.path}; mt-llama merge ${options.out} joins all shards`
    : saved
      ? `saved in ${saved.path}`
      : 'nothing saved; --out DIR saves results, tables and samples'
  note(io.signal.aborted && !news.some ? nothingNew : place, options)
}

/** @throws INVALID_ARGUMENT where options do not go with those of shards */
function shardRun({ out, gate = [], gateVs, junit, redo }: EvalOptions, shard: Shard): ShardRun {
  const option = { kind: 'option', name: 'shard' } as const
  if (out === undefined)
    throw new MtLlamaError(
      'INVALID_ARGUMENT',
      message`${option} writes into a folder that all shards share; name it by ${{ kind: 'option', name: 'out' }} DIR.`,
    )
  if (isRemote(out))
    throw new MtLlamaError(
      'INVALID_ARGUMENT',
      message`${option} of an evaluation writes into a folder of this machine or one that is mounted; ${{ kind: 'option', name: 'out' }} s3://... is for score and fleet.`,
    )
  if (gate.length > 0 || gateVs !== undefined || junit !== undefined)
    throw new MtLlamaError(
      'INVALID_ARGUMENT',
      message`gates judge all samples, and ${option} runs a part of them. Join the shards by mt-llama merge, and give the gates beside ${{ kind: 'option', name: 'rescore' }} DIR/merged.`,
    )
  if (redo)
    throw new MtLlamaError(
      'INVALID_ARGUMENT',
      message`${{ kind: 'option', name: 'redo' }} is not for shards: remove the shard's folder to have it run again.`,
    )
  return new ShardRun(out, shard)
}

async function runRescore(io: Io, path: string, options: EvalOptions): Promise<void> {
  await using saved = await openFolder(path, options)
  const tasks = await loadOwnJudging(options.tasks.files)
  const results = await rescoreFolder(saved!, { tasks, card: options.card ?? false })
  const gateOptions = { ...options, out: path }
  await checkGateOptions(gateOptions, savedMetrics(results))
  const base =
    options.gateVs === undefined ? undefined : await readRun(options.gateVs, Object.keys(results.tasks))
  const gates = await judgeGates(io, results, base, gateOptions)
  if (options.json) await printJson(gates.length > 0 ? { ...results, gates } : results)
  else await print(report(results, { card: options.card ?? false }))
  noteWarnings(results, options)
  note(`saved in ${path}`, options)
}

function noteWarnings({ warnings = [] }: RunResults, options: EvalOptions): void {
  for (const warning of warnings) note(`warning: ${warning}`, options)
}

async function openFolder(path: string | undefined, options: EvalOptions): Promise<RunFolder | undefined> {
  if (path === undefined) return undefined
  return RunFolder.open(path, holder =>
    note(
      `${path}: ${holderName(holder)}, has ended without giving the folder back; it is taken over`,
      options,
    ),
  )
}

function cacheWords({ hits, misses }: ScoreCache): string {
  return `score cache: ${hits} of ${hits + misses} choices were known`
}

function keptWords({ title, samplesKept, samplesTotal, reason }: KeptSamples): string {
  const count = `${samplesKept} of ${samplesTotal} samples`
  if (reason === 'redo')
    return `${title}: stopped before it had done as many as before; the earlier ${count} stay`
  if (samplesKept < samplesTotal)
    return `${title}: ${count} are done, going on with the others (--redo runs all again)`
  return `${title}: done already, all ${samplesTotal} samples (--redo runs them again)`
}
