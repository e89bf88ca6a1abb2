// mt-llama convert: a GGUF file to a Hugging Face directory.
import { type Command, Option } from 'commander'
import { convertGguf } from '../checkpoint/convert.ts'
import { holderName } from '../files/lock.ts'
import type { DType } from '../native/types.ts'
import { type CommonOptions, folder, newCommand } from './command.ts'
import { type Io, note, print, printJson } from './io.ts'
import { startByteProgress } from './progress.ts'

interface ConvertCommandOptions extends CommonOptions {
  dtype?: DType
}

export function convertCommand(io: Io): Command {
  return newCommand('convert', 'Convert a GGUF file to a Hugging Face directory that transformers loads.', {
    json: 'print the folder as JSON',
    examples: [
      ['convert model.gguf ./model', 'tensors keep their type; quantised ones become bfloat16'],
      ['convert model.gguf ./model --dtype float32', 'every value exactly as the file has it'],
    ],
  })
    .argument('<file>', 'GGUF file')
    .argument('<dir>', 'folder to make; it must not exist, or be empty', folder)
    .addOption(new Option('--dtype <type>', 'of every tensor').choices(['float32', 'bfloat16', 'float16']))
    .action((file: string, dir: string, options: ConvertCommandOptions) => run(io, file, dir, options))
}

async function run(io: Io, file: string, dir: string, options: ConvertCommandOptions): Promise<void> {
  const progress = startByteProgress('convert', options)
  await convertGguf(file, dir, {
    ...(options.dtype && { dtype: options.dtype }),
    signal: io.signal,
    onProgress: progress.update,
    onAbandoned: holder =>
      note(`${dir}: ${holderName(holder)}, has ended before its end; what it has left is removed`, options),
  }).finally(progress.stop)
  if (options.json) await printJson({ path: dir })
  else await print(`${dir}\n`)
  note(`mt-llama info ${dir} says what is in it`, options)
}
