// Makes a call that judges items by scores: reads the options that are score()'s, and the items.
import { checkSource, readAll, type Source } from '../calls/source.ts'
import type { ModelScoring } from '../scoring/model-scoring.ts'
import { callSettings, encodeSettings } from '../scoring/settings.ts'
import { answersOf, encodeAsks, type ItemJudge, readItem } from './judge.ts'
import { type JudgeOptions, tooLongOption } from './options.ts'

/**
 * @param dtype of the model, for messages
 * @param options that the judge has checked by name
 * @param answersFirst whether an item that is wrong ends the call once those before it are answered; else an array is read at once
 * @throws INVALID_ARGUMENT
 */
export function judging<Answer>(
  scoring: ModelScoring,
  dtype: string,
  items: Source<string>,
  judge: ItemJudge<Answer>,
  options: JudgeOptions,
  answersFirst: boolean,
): AsyncGenerator<Answer, void, undefined> {
  const sourceName = `${judge.itemName}s`
  checkSource(sourceName, items)
  const encoding = encodeSettings({ tooLong: tooLongOption(options) })
  const cache = scoring.cacheOption(options)
  const how = { ...callSettings(options), topK: 0, answersFirst, sourceName, cache }
  const read = (item: unknown, index: number) => readItem(item, index, judge.itemName)
  const encode = (item: string, index: number) => encodeAsks(scoring.context, judge, item, index, encoding)
  const results =
    !answersFirst && Array.isArray(items)
      ? scoring.run(readAll(sourceName, items, read), encode, how)
      : scoring.run(items, (item, index) => encode(read(item, index), index), how)
  return answersOf(judge, results, dtype)
}
