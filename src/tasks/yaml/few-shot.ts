// Chooses the shots of each item as lm-evaluation-harness does (api/samplers.py).
import { isDeepStrictEqual } from 'node:util'
import type { Row } from '../../data/row.ts'
import { pythonRandom } from '../../prompts/python-random.ts'
import type { Draw } from '../../templates/runtime.ts'
import type { TaskDefinition } from './definition.ts'

/** fewshot_random_seed of lm-evaluation-harness. */
const seed = 1234

/** The shots of the item at a place; items are asked for in their order once, and any of them again. */
export type ShotsOf = (index: number, item: Row) => readonly Row[]

/**
 * @param pool the rows of the split that shots are taken from
 * @param holdsItems whether the harness takes the item itself out of the pool: the pool's split is the test split
 */
export function sampler(definition: TaskDefinition, pool: readonly Row[], holdsItems: boolean): ShotsOf {
  const { count, sampler } = definition.fewShot
  const tooFew = (there: number) =>
    definition.value.error(`num_fewshot is ${count}, and there are ${there} rows to take shots from`)
  if (sampler === 'first_n')
    return (_, item) => {
      const rows = holdsItems ? without(pool, item) : pool
      if (rows.length < count) throw tooFew(rows.length)
      return rows.slice(0, count)
    }
  const draw = pythonRandom(seed)
  const drawn: (readonly Row[])[] = []
  return (index, item) => {
    if (index < drawn.length) return drawn[index]!
    if (index > drawn.length) throw new Error('shots are drawn in the order of the items')
    const wanted = count + (holdsItems ? 1 : 0)
    if (pool.length < wanted) throw tooFew(pool.length - (holdsItems ? 1 : 0))
    const taken = sample(pool, wanted, draw)
    let shots = holdsItems ? without(taken, item).slice(0, count) : taken
    if (shots.length < count) {
      const others = without(pool, item)
      if (others.length < count) throw tooFew(others.length)
      shots = sample(others, count, draw)
    }
    drawn.push(shots)
    return shots
  }
}

function without(rows: readonly Row[], item: Row): Row[] {
  return rows.filter(row => !sameFields(row, item))
}

function sameFields(a: Row, b: Row): boolean {
  const names = a.names()
  return names.length === b.names().length && names.every(name => isDeepStrictEqual(a.get(name), b.get(name)))
}

/** random.sample() of CPython: from a list that shrinks, or by remembering what is taken where that is smaller. */
export function sample<Item>(items: readonly Item[], count: number, draw: Draw): Item[] {
  const n = items.length
  const setSize = count > 5 ? 21 + 4 ** Math.ceil(Math.log(count * 3) / Math.log(4)) : 21
  if (n <= setSize) {
    const pool = [...items]
    return Array.from({ length: count }, (_, i) => {
      const place = draw(n - i)
      const item = pool[place]!
      pool[place] = pool[n - i - 1]!
      return item
    })
  }
  const taken = new Set<number>()
  while (taken.size < count) taken.add(draw(n))
  return Array.from(taken, place => items[place]!)
}
