// The prompts of a request as token ids, within its limits.
import { setImmediate as nextTurn } from 'node:timers/promises'
import { sliceMs } from '../calls/slices.ts'
import type { Text } from '../calls/text.ts'
import { HttpError } from './http-error.ts'
import type { App, Call } from './route.ts'

/** Prompts as requests have them: a text, texts, ids, or lists of ids. */
export type Prompts = string | string[] | number[] | number[][]

/** @throws 400 for more than the limit */
export function promptList(prompts: Prompts, { limits }: App, param = 'prompt'): Text[] {
  const list: Text[] =
    typeof prompts === 'string'
      ? [prompts]
      : prompts.length > 0 && typeof prompts[0] === 'number'
        ? [prompts as number[]]
        : (prompts as (string | number[])[])
  if (list.length === 0) throw new HttpError(400, `${param} is empty`, { param })
  checkCount(list.length, limits.prompts, param)
  return list
}

/** @throws 400 */
export function checkCount(found: number, most: number, param: string): void {
  if (found > most)
    throw new HttpError(400, `${param} has ${found} entries; a request may have ${most}`, { param })
}

/** The ids that the prompts are run as. @throws 413 as soon as they are too many */
export async function promptIds(
  prompts: Iterable<Text>,
  { app, signal }: Call,
  addSpecialTokens?: boolean | null,
): Promise<Int32Array[]> {
  const settings = { addBos: addSpecialTokens === false ? false : undefined, parseSpecial: true }
  const ids: Int32Array[] = []
  let tokens = 0
  let turn = performance.now()
  for (const prompt of prompts) {
    const own = await app.model.promptIds(prompt, ids.length, settings, signal)
    ids.push(own)
    tokens += own.length
    app.admission.checkSize(tokens)
    // Short prompts take no turn each, and there may be thousands.
    if (performance.now() - turn < sliceMs) continue
    await nextTurn()
    turn = performance.now()
  }
  return ids
}

/** @throws 404 for another model than the one that is served */
export function checkModel({ modelName }: App, name: string | null | undefined): void {
  if (name == null || name === '' || name === modelName) return
  throw new HttpError(
    404,
    `there is no model ${JSON.stringify(name)}; this server has ${JSON.stringify(modelName)}`,
    {
      param: 'model',
      code: 'model_not_found',
    },
  )
}

export function sum(numbers: Iterable<number>): number {
  let total = 0
  for (const number of numbers) total += number
  return total
}
