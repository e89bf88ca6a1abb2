// Which example comes n-th in a run: a function of the seed and n alone, so that the place in the data is one number, and
// example n is the same whatever came before it and whoever makes it.
import { pythonRandom } from '../prompts/python-random.ts'
import type { Draw } from '../templates/runtime.ts'
import type { OpenMixture, TrainingTask } from './open-mixture.ts'
import { permuted } from './permutation.ts'
import { type PhiloxKey, philox, philoxKey } from './philox.ts'

/** A task and one of its rows. */
export interface DrawnRow {
  task: TrainingTask
  /** The row's place in the set, counted from 0. */
  row: number
}

/** The stream of the order in which the places of an epoch come. */
const mixtureStream = 0
/** In the place of an epoch, where a word is for a template's own random choices. */
const templateEpoch = 0xffffffff

/**
 * An epoch of a mixture has a place for each example of each task's cap, in a seeded order; so the rates are those of the
 * caps in every epoch, not by chance alone. The places of a task, over all epochs, go through the rows of its set in a
 * seeded order of its own, anew once all rows have been taken.
 */
export class Draws {
  private readonly tasks: readonly TrainingTask[]
  /** Where each task's places begin in an epoch; the number of places is the last. */
  private readonly starts: readonly number[]
  private readonly key: PhiloxKey

  /** @param seed a whole number from 0 to 2^53 - 1 */
  constructor({ tasks }: Pick<OpenMixture, 'tasks'>, seed: number) {
    this.tasks = tasks
    const starts = [0]
    for (const { cap } of tasks) starts.push(starts.at(-1)! + cap)
    this.starts = starts
    this.key = philoxKey(seed)
  }

  /** The n-th draw, counted from 0. */
  at(n: number): DrawnRow {
    const total = this.starts.at(-1)!
    const epoch = Math.floor(n / total)
    const place = permuted(n % total, total, { key: this.key, stream: mixtureStream, epoch })
    const index = this.taskAt(place)
    const task = this.tasks[index]!
    const turn = epoch * task.cap + (place - this.starts[index]!)
    const { rows } = task.of.table
    const order = { key: this.key, stream: task.stream, epoch: Math.floor(turn / rows) }
    return { task, row: permuted(turn % rows, rows, order) }
  }

  /** The numbers for a template's own choices: the same whenever the task takes this row. */
  choices({ task, row }: DrawnRow): Draw {
    const counter = [row >>> 0, Math.floor(row / 2 ** 32), task.stream, templateEpoch] as const
    return pythonRandom(philox(counter, this.key)[0])
  }

  /** The last task that begins at or before a place. */
  private taskAt(place: number): number {
    let low = 0
    let high = this.tasks.length
    while (high - low > 1) {
      const middle = (low + high) >> 1
      if (this.starts[middle]! <= place) low = middle
      else high = middle
    }
    return low
  }
}
