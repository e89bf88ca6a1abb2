// POST /detokenize, as vLLM has it (vllm/entrypoints/serve/tokenize/protocol.py: tokens; prompt). Special tokens are in the
// text, as there.
import { inSlices } from '../../calls/slices.ts'
import { HttpError } from '../http-error.ts'
import { checkModel } from '../prompts.ts'
import { type Answer, type Call, post } from '../route.ts'
import { object, type Static, Type } from '../schema.ts'
import { common, ids } from '../schemas.ts'
import { decoded } from '../token-texts.ts'
import { tokenizerOf } from '../tokenizer-of.ts'

const body = object({ ...common, tokens: ids })
type Body = Static<typeof body>

export const detokenize = post({
  path: '/detokenize',
  summary: 'The text of token ids, special tokens as their texts',
  body,
  answer: object({ prompt: Type.String() }),
  handle: answer,
})

async function answer(body: Body, { app, signal }: Call): Promise<Answer> {
  const { tokens } = body
  checkModel(app, body.model)
  const tokenizer = tokenizerOf(app)
  const { vocabSize } = app.model.info
  const unknown = tokens.find(id => id >= vocabSize)
  if (unknown !== undefined)
    throw new HttpError(400, `tokens: ids of this model are 0 to ${vocabSize - 1}, not ${unknown}`, {
      param: 'tokens',
    })
  return { json: { prompt: await inSlices(decoded(tokenizer, tokens), signal) } }
}
