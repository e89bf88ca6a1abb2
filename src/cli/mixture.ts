// mt-llama mixture: what a mixture of training tasks is over the data at hand, and the examples that it makes.
import type { Command } from 'commander'
import { openCheckpoint } from '../checkpoint/open.ts'
import { MtLlamaError } from '../errors.ts'
import { loadTokenizer } from '../tokenizer/load.ts'
import type { Tokenizer } from '../tokenizer/tokenizer.ts'
import type { Mask } from '../training/encode-example.ts'
import { countOverlap, readEvalTexts, type SetOverlap } from '../training/eval-texts.ts'
import { Examples, type TrainingExample } from '../training/examples.ts'
import { loadMixture } from '../training/mixture-file.ts'
import { type OpenMixture, openMixture } from '../training/open-mixture.ts'
import { type CommonOptions, choice, folder, integer, newCommand } from './command.ts'
import { localModel } from './hub-model.ts'
import { type Io, print, printJson } from './io.ts'
import { embeddedModel } from './open-model.ts'

interface MixtureOptions extends CommonOptions {
  dataRoot: string
  templatesDir: string
  evalDir?: string
  examples: number
  seed: number
  mask: Mask
  maxLength: number
  model?: string
}

export function mixtureCommand(io: Io): Command {
  const command = newCommand(
    'mixture',
    'List the tasks of a training mixture with their rows, caps and rates over the data at hand, the sets that are missing, and ' +
      'examples as they are trained on. T0 is the mixture of 38 sets in 313 tasks that T0 was trained on; docs/mixtures.md says ' +
      'how to write others.',
    {
      json: 'print JSON',
      examples: [
        ['mixture t0 --data-root ./data/train --templates-dir ./promptsource/templates', 'its tasks'],
        [
          'mixture mine.yaml --data-root ./data/train --templates-dir ./templates --examples 3 --model ./llama',
          'three examples more, in tokens of a model',
        ],
        [
          'mixture t0 --data-root ./data/train --templates-dir ./templates --eval-dir ./data/eval',
          'and the rows that have texts of evaluation sets, which training leaves out',
        ],
      ],
    },
  )
  return command
    .argument('<mixture>', 't0, or a YAML file')
    .requiredOption('--data-root <dir>', 'folder that holds the folders of the training sets', folder)
    .requiredOption('--templates-dir <dir>', 'folder of DATASET/[SUBSET/]templates.yaml', folder)
    .option('--eval-dir <dir>', 'folder of evaluation sets, as eval --data-dir takes it', folder)
    .option('--examples <n>', 'how many of the first examples to show', integer(0, 10_000), 0)
    .option('--seed <n>', 'of the order of examples', integer(0), 1)
    .addOption(choice('--mask <mask>', 'what the loss is on', ['answer', 'release']).default('answer'))
    .option('--max-length <n>', 'tokens of an example at most', integer(8), 2048)
    .option('--model <path>', 'checkpoint whose tokenizer shows examples (default: the embedded one)')
    .action((name: string, options: MixtureOptions) => run(io, name, options))
}

async function run(io: Io, name: string, options: MixtureOptions): Promise<void> {
  const { signal } = io
  const mixture = await loadMixture(name)
  const { dataRoot, templatesDir, evalDir } = options
  await using open = await openMixture(mixture, { dataRoot, templatesDir, allowMissing: true, signal })
  const known = evalDir === undefined ? undefined : await readEvalTexts(evalDir, signal)
  const overlaps: SetOverlap[] = []
  if (known) for (const set of open.sets) overlaps.push(await countOverlap(set, known, signal))
  const examples: { example: TrainingExample; marked: string }[] = []
  if (options.examples > 0) {
    const tokenizer = await tokenizerOf(options, signal)
    const { seed, mask, maxLength } = options
    const all = new Examples(open, tokenizer, {
      ...{ seed, mask, maxLength, contamination: known, validationShare: 0 },
      ...{ eos: mask === 'answer' && tokenizer.eosTokenId !== undefined, tooLong: 'cut' },
    })
    for await (const example of all.from(0, 'train', signal)) {
      examples.push({ example, marked: markedText(example, tokenizer) })
      if (examples.length === options.examples) break
    }
  }
  if (options.json) return printJson(summary(open, overlaps, examples))
  await printTasks(open)
  for (const overlap of overlaps) if (overlap.overlapping > 0) await print(`${overlapLine(overlap)}\n`)
  if (known && overlaps.every(({ overlapping }) => overlapping === 0))
    await print('no row has a text of an evaluation set\n')
  for (const { example, marked } of examples) await printExample(example, marked)
}

async function tokenizerOf(options: MixtureOptions, signal: AbortSignal): Promise<Tokenizer> {
  const { model } = options
  const path = model === undefined ? embeddedModel : await localModel(model, options, signal)
  const { tokenizer } = await openCheckpoint(path)
  if (tokenizer) return loadTokenizer(tokenizer)
  throw new MtLlamaError('TOKENIZER', `${path} has no tokenizer, in whose tokens examples are shown.`)
}

async function printTasks({ mixture, sets, tasks, missing, totalCap }: OpenMixture): Promise<void> {
  const width = Math.max(...tasks.map(({ name }) => name.length))
  for (const set of sets) {
    const { rows } = set.table
    await print(
      `${set.set.name}: ${set.split}, ${rows} row${rows === 1 ? '' : 's'}, ${set.files.join(' ')}\n`,
    )
    for (const { name, cap, of } of tasks)
      if (of === set)
        await print(
          `  ${name.padEnd(width)}  ${String(cap).padStart(7)}  ${((100 * cap) / totalCap).toFixed(3).padStart(7)} %\n`,
        )
  }
  for (const { name, reason } of missing) await print(`missing: ${name}: ${reason}\n`)
  const count = `${counted(tasks.length, 'task')} of ${counted(sets.length, 'set')}`
  const without = missing.length === 0 ? '' : `; ${missing.length} missing or incomplete`
  await print(`${mixture.name}: ${count}, ${totalCap} examples an epoch${without}\n`)
}

function counted(count: number, word: string): string {
  return `${count} ${word}${count === 1 ? '' : 's'}`
}

function overlapLine({ set, rows, overlapping, evaluationSets }: SetOverlap): string {
  const by = evaluationSets.map(one => `${one.name} ${one.rows} (${one.items} of its ${one.ofItems} items)`)
  return `${set}: ${overlapping} of ${rows} rows have texts of evaluation sets: ${by.join(', ')}`
}

/** The text with marks around what the loss is on. */
function markedText({ ids, weights }: TrainingExample, tokenizer: Tokenizer): string {
  const stream = tokenizer.decodeStream({ skipSpecialTokens: false })
  let text = ''
  let isScored = false
  for (const [i, id] of ids.entries()) {
    if (weights[i]! > 0 !== isScored) {
      isScored = !isScored
      text += isScored ? '[[' : ']]'
    }
    text += stream.push(id)
  }
  return `${text}${stream.end()}${isScored ? ']]' : ''}`
}

async function printExample(example: TrainingExample, marked: string): Promise<void> {
  const { draw, task, where, ids, truncatedTokens } = example
  const cut = truncatedTokens === 0 ? '' : `, ${truncatedTokens} cut`
  const counts = `${ids.length} tokens${cut}, the loss is on ${scored(example)}`
  await print(`--- draw ${draw}: ${task.name}, ${where}; ${counts} ---\n${marked}\n`)
}

function scored({ weights }: TrainingExample): number {
  return weights.filter(weight => weight > 0).length
}

function summary(
  { mixture, tasks, missing, totalCap }: OpenMixture,
  overlaps: readonly SetOverlap[],
  examples: readonly { example: TrainingExample; marked: string }[],
): object {
  return {
    ...{ mixture: mixture.name, examplesOfEpoch: totalCap, missing },
    tasks: tasks.map(({ name, of, template, cap }) => ({
      ...{ task: name, set: of.set.name, template: template.name, split: of.split, files: of.files },
      ...{ rows: of.table.rows, cap, rate: cap / totalCap },
    })),
    overlaps,
    examples: examples.map(({ example, marked }) => {
      const { draw, task, where, input, target, ids, truncatedTokens } = example
      return {
        ...{ draw, task: task.name, row: where, input, target, marked },
        ...{ tokens: ids.length, scoredTokens: scored(example), truncatedTokens },
      }
    }),
  }
}
