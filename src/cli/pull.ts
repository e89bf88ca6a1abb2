// mt-llama pull: downloads a checkpoint from the Hugging Face hub into the cache that Python's tools use.
import { type Command, InvalidArgumentError } from 'commander'
import { hubName } from '../hub/hub-name.ts'
import { pullModel } from '../hub/pull-model.ts'
import { hubSettings } from '../hub/settings.ts'
import { type CommonOptions, newCommand } from './command.ts'
import { withProgress } from './hub-model.ts'
import { type Io, note, print, printJson } from './io.ts'

interface PullCommandOptions extends CommonOptions {
  revision: string
}

export function pullCommand(io: Io): Command {
  return newCommand(
    'pull',
    'Download a checkpoint from the Hugging Face hub, into the cache that Python tools use.',
    {
      json: 'print the path and the commit as JSON',
      examples: [
        ['pull HuggingFaceTB/SmolLM2-135M', 'what a load needs of it; prints the folder'],
        ['pull HuggingFaceTB/SmolLM2-135M --revision v1.0', 'a tag, a branch or a commit'],
        ['pull ORG/NAME-GGUF/name-Q4_K_M.gguf', 'one GGUF model of a repository that has several'],
        ['score --model HuggingFaceTB/SmolLM2-135M', 'uses what is in the cache, or downloads it first'],
      ],
    },
  )
    .argument('<name>', 'repository, as ORG/NAME, or ORG/NAME/FILE.gguf', repository)
    .option('--revision <revision>', 'branch, tag or commit', 'main')
    .addHelpText('after', `\n${environment}`)
    .action((name: string, options: PullCommandOptions) => run(io, name, options))
}

/** What is read of the environment by downloads, for the help. */
export const environment = `Environment: HF_ENDPOINT, HF_TOKEN, HF_HOME, HF_HUB_CACHE, HF_HUB_OFFLINE, HF_HUB_DOWNLOAD_TIMEOUT, as
in Python's huggingface_hub. What a stopped download has left is gone on with.`

async function run(io: Io, text: string, options: PullCommandOptions): Promise<void> {
  const name = hubName(text, options.revision)!
  const settings = await hubSettings()
  const { path, commit } = await withProgress(options, io.signal, pull => pullModel(name, settings, pull))
  if (options.json) await printJson({ repo: name.repo.id, revision: options.revision, commit, path })
  else await print(`${path}\n`)
  note(`--model ${options.revision === 'main' ? text : path} uses it`, options)
}

function repository(text: string): string {
  if (hubName(text) === undefined) throw new InvalidArgumentError('Expected ORG/NAME or ORG/NAME/FILE.gguf.')
  return text
}
