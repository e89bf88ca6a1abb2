// mt-llama merge: joins the shards of a folder.
import { join } from 'node:path'
import type { Command } from 'commander'
import { MtLlamaError } from '../errors.ts'
import { report } from '../evaluation/report.ts'
import { mergeRuns } from '../fleet/merge-runs.ts'
import { mergedPlace, mergeShards, type ShardFolder, shardCount } from '../fleet/merge-shards.ts'
import { runShards } from '../fleet/run-shards.ts'
import { shardsPlace } from '../fleet/shard-files.ts'
import { openStorage, pathIn, storedFile } from '../fleet/storage.ts'
import { type CommonOptions, fileName, folder, newCommand } from './command.ts'
import { type Io, note, print, printJson } from './io.ts'
import { startByteProgress } from './progress.ts'

interface MergeOptions extends CommonOptions {
  out?: string
}

export function mergeCommand(io: Io): Command {
  return newCommand('merge', 'Join the shards of score or eval to what one process would have written.', {
    json: 'print what was joined as JSON',
    examples: [
      ['merge ./scores', 'of score --shard i/n --out ./scores: writes ./scores/merged.jsonl'],
      ['merge ./scores --out scores.jsonl', 'into another file'],
      [
        'merge ./shards',
        'of eval --shard i/n --out ./shards: prints the tables; ./shards/merged is a run as ever',
      ],
    ],
  })
    .argument('<dir>', 'folder with all shards, or of score s3://BUCKET/PREFIX', folder)
    .option('--out <path>', 'file or run folder to write (default: merged.jsonl or merged in DIR)', fileName)
    .action((dir: string, options: MergeOptions) => run(io, dir, options))
}

async function run(io: Io, dir: string, options: MergeOptions): Promise<void> {
  io.sayAtStop(() => 'nothing is joined; the shards are as they were')
  const folder = { storage: await openStorage(dir, shardsPlace), path: dir }
  const scores = await shardCount(folder)
  if (scores !== undefined) return mergeScores(io, folder, scores, options)
  const runs = await runShards(dir)
  if (runs.length === 0)
    throw new MtLlamaError(
      'OUTPUT',
      `${dir} holds no shards. Name the --out folder of score --shard or eval --shard.`,
    )
  const { out = join(dir, 'merged') } = options
  const results = await mergeRuns(dir, out, runs[0]!.shard.count, io.signal)
  if (options.json) await printJson(results)
  else await print(report(results, { card: false }))
  for (const warning of results.warnings ?? []) note(`warning: ${warning}`, options)
  note(`saved in ${out}`, options)
}

async function mergeScores(io: Io, folder: ShardFolder, count: number, options: MergeOptions): Promise<void> {
  const out = await storedFile(options.out ?? pathIn(folder.path, 'merged.jsonl'), mergedPlace)
  const progress = startByteProgress('merge', options)
  const merged = await mergeShards(folder, out, count, io.signal, progress.update).finally(progress.stop)
  const { file, shards, lines, errors } = merged
  note(
    `${shards} shards: ${lines} lines${errors > 0 ? `, ${errors} of them errors` : ''} in ${file}`,
    options,
  )
  if (options.json) await printJson(merged)
}
