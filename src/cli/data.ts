// mt-llama data: downloads evaluation sets from the Hugging Face hub into the layout that eval --data-dir reads.
import { join } from 'node:path'
import type { Command } from 'commander'
import { findDataFiles } from '../data/data-files.ts'
import { dataSetNames, findDataSets } from '../hub/data-sets.ts'
import { type PulledSet, pullDataSets } from '../hub/pull-data.ts'
import { hubSettings } from '../hub/settings.ts'
import { builtInTasks } from '../tasks/built-in/registry.ts'
import { type CommonOptions, folder, newCommand } from './command.ts'
import { withProgress } from './hub-model.ts'
import { type Io, note, print, printJson } from './io.ts'
import { mebibytes } from './open-model.ts'
import { environment } from './pull.ts'

interface DataOptions extends CommonOptions {
  dataDir: string
}

export function dataCommand(io: Io): Command {
  const json = 'print what each set is and where it came from as JSON'
  const examples = [
    ['data pull', 'the eleven sets of the model card, into ./data'],
    ['data pull copa rte --data-dir ./sets', 'two of them; what is there is not downloaded again'],
    ['data pull xnli_de xquad-all', 'one language of a set, and all languages of another'],
    ['eval --model ./llama --data-dir ./data', 'reads them as they are'],
  ] as const
  const pull = newCommand('pull', 'Download evaluation sets from the Hugging Face hub.', { json, examples })
    .argument('[sets...]', `${dataSetNames.join(', ')}; xnli_de is one language (default: card, the eleven)`)
    .option('--data-dir <dir>', 'folder to fill, for eval --data-dir', folder, 'data')
    .addHelpText('after', `\n${environment}`)
    .action((names: string[], options: DataOptions) => run(io, names, options))
  return newCommand('data', 'Download evaluation sets.', { json, examples }).addCommand(pull)
}

async function run(io: Io, names: readonly string[], options: DataOptions): Promise<void> {
  const sets = findDataSets(names.length > 0 ? names : ['card'])
  const settings = await hubSettings()
  const pulled = await withProgress(options, io.signal, pull =>
    pullDataSets(sets, options.dataDir, settings, pull),
  )
  for (const one of pulled) await noteShadowed(one, options)
  if (options.json) {
    await printJson(
      pulled.map(({ set, repo, commit, files, downloaded }) => ({
        ...{ set: set.name, repo: repo.id, revision: repo.revision, commit },
        ...{ files: files.map(({ path }) => path), downloaded },
      })),
    )
    return
  }
  for (const { set, files, downloaded } of pulled) {
    const bytes = mebibytes(files.reduce((sum, file) => sum + file.bytes, 0))
    const paths = files.map(({ path }) => path).join(' ')
    await print(`${set.name.padEnd(16)} ${paths} (${bytes}${downloaded === 0 ? ', was there' : ''})\n`)
  }
}

/** Says so where a task would read another file of the folder than what was downloaded. */
async function noteShadowed({ set, files }: PulledSet, options: DataOptions): Promise<void> {
  const task = builtInTasks.get(set.name)
  if (!task) return
  const { folder, stems } = task.data
  const read = await findDataFiles(task.title, join(options.dataDir, folder), stems)
  if (read[0] !== files[0]?.path)
    note(`warning: eval reads ${read[0]} for ${set.name}, not ${files[0]?.path}`, options)
}
