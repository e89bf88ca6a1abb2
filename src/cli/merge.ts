// mt-llama merge: joins the shards of a folder.
import { join } from 'node:path'
import type { Command } from 'commander'
import { MtLlamaError } from '../errors.ts'
import { mergeShards, shardCount } from '../fleet/merge-shards.ts'
import { type CommonOptions, fileName, folder, newCommand } from './command.ts'
import { type Io, note, printJson } from './io.ts'
import { startByteProgress } from './progress.ts'

interface MergeOptions extends CommonOptions {
  out?: string
}

export function mergeCommand(io: Io): Command {
  return newCommand('merge', 'Join the shards of score --shard to what one process would have written.', {
    json: 'print what was written as JSON',
    examples: [
      [
        'merge ./scores',
        'the shards that score --shard i/n --out ./scores has written, in ./scores/merged.jsonl',
      ],
      ['merge ./scores --out scores.jsonl', 'into another file'],
    ],
  })
    .argument('<dir>', 'folder with all shards', folder)
    .option('--out <file>', 'file to write (default: DIR/merged.jsonl)', fileName)
    .action((dir: string, options: MergeOptions) => run(io, dir, options))
}

async function run(io: Io, dir: string, options: MergeOptions): Promise<void> {
  io.sayAtStop(() => 'nothing is joined; the shards are as they were')
  const count = await shardCount(dir)
  if (count === undefined)
    throw new MtLlamaError('OUTPUT', `${dir} holds no shards. Name the --out folder of score --shard.`)
  const progress = startByteProgress('merge', options)
  const merged = await mergeShards(
    dir,
    options.out ?? join(dir, 'merged.jsonl'),
    count,
    io.signal,
    progress.update,
  ).finally(progress.stop)
  const { file, shards, lines, errors } = merged
  note(
    `${shards} shards: ${lines} lines${errors > 0 ? `, ${errors} of them errors` : ''} in ${file}`,
    options,
  )
  if (options.json) await printJson(merged)
}
