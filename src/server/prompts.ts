// The prompts of a request as token ids, within its limits.
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
  call: Call,
  addSpecialTokens?: boolean | null,
): Promise<Int32Array[]> {
  const ids: Int32Array[] = []
  let tokens = 0
  for (const prompt of prompts) {
    const own = await idsOf(prompt, ids.length, call, addSpecialTokens)
    ids.push(own)
    tokens += own.length
    call.app.admission.checkSize(tokens)
  }
  return ids
}

/** The ids that a text is run as, which are encoded with turns of the event loop between. @param index of the text, for messages */
export function idsOf(
  text: Text,
  index: number,
  { app, signal }: Call,
  addSpecialTokens?: boolean | null,
): Promise<Int32Array> {
  const settings = { addBos: addSpecialTokens === false ? false : undefined, parseSpecial: true }
  return app.model.promptIds(text, index, settings, signal)
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
