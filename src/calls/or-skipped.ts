// Items of a call that are skipped: those that are left out on purpose, and those that are wrong where a call goes on after them.
import { MtLlamaError } from '../errors.ts'
import type { Slices } from './slices.ts'

/** Told why an item is skipped. @param index of the item, counted from 0 */
export type OnWrong = (error: MtLlamaError, index: number) => void

/**
 * The same work for items of which some are undefined, which are skipped and keep their places, and some are wrong: these are
 * skipped too, and `onWrong` is told.
 * @param skipped what the work on an item that is skipped gives
 */
export function orSkipped<Item, Result>(
  work: (item: Item, index: number) => Slices<Result>,
  skipped: () => Result,
  onWrong: OnWrong,
): (item: Item | undefined, index: number) => Slices<Result> {
  return function* (item, index) {
    if (item === undefined) return skipped()
    try {
      return yield* work(item, index)
    } catch (error) {
      if (!(error instanceof MtLlamaError)) throw error
      onWrong(error, index)
      return skipped()
    }
  }
}
