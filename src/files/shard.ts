// Parts of a whole that are made apart, on several machines: which they are, and their names.

/** One of `count` parts, counted from 1. */
export interface Shard {
  index: number
  count: number
}

/** More would be lost among their files. */
export const maxShards = 100_000

/** 'shard-03-of-64': names sort as the shards follow each other. */
export function shardName({ index, count }: Shard): string {
  return `shard-${`${index}`.padStart(`${count}`.length, '0')}-of-${count}`
}

/** The shard whose name begins so, and what follows it: of 'shard-03-of-64.jsonl' that is '.jsonl'. */
export function namedShard(name: string): { shard: Shard; rest: string } | undefined {
  const [found, index, count, rest = ''] = /^shard-(\d+)-of-(\d+)(.*)$/.exec(name) ?? []
  return found ? { shard: { index: Number(index), count: Number(count) }, rest } : undefined
}

/** Where a shard of so many things that follow each other begins and ends. */
export function shardBounds(things: number, { index, count }: Shard): [start: number, end: number] {
  return [Math.floor((things * (index - 1)) / count), Math.floor((things * index) / count)]
}

/** '3, 5 to 7, 9' */
export function numbersInWords(numbers: readonly number[]): string {
  const runs: [first: number, last: number][] = []
  for (const number of numbers) {
    const run = runs.at(-1)
    if (run && run[1] === number - 1) run[1] = number
    else runs.push([number, number])
  }
  const words = runs.map(([first, last]) =>
    first === last ? `${first}` : `${first} ${last === first + 1 ? 'and' : 'to'} ${last}`,
  )
  return words.join(', ')
}
