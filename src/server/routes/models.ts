// GET /v1/models, as OpenAI's API has it: the one model that is served, in a list and by its name. max_model_len is vLLM's.
import { HttpError } from '../http-error.ts'
import { checkModel } from '../prompts.ts'
import { type App, get } from '../route.ts'
import { lastPart } from '../router.ts'
import { object, Type } from '../schema.ts'
import { count } from '../schemas.ts'

const served = object({
  id: Type.String(),
  object: Type.Literal('model'),
  created: count,
  owned_by: Type.String(),
  max_model_len: count,
})

export const models = get({
  path: '/v1/models',
  summary: 'The model that is served',
  answer: object({ object: Type.Literal('list'), data: Type.Array(served) }),
  handle: (_, { app }) => ({ json: { object: 'list', data: [describe(app)] } }),
})

export const modelByName = get({
  path: `/v1/models/${lastPart}`,
  summary: 'The model of this name',
  answer: served,
  handle: (_, { app, request }) => {
    checkModel(app, nameIn(request.url ?? ''))
    return { json: describe(app) }
  },
})

function describe({ model, modelName, created }: App): object {
  return {
    ...{ id: modelName, object: 'model', created, owned_by: 'mt-llama' },
    max_model_len: model.info.contextLength,
  }
}

function nameIn(url: string): string {
  const [path] = url.split('?')
  try {
    return decodeURIComponent(path!.slice(path!.lastIndexOf('/') + 1))
  } catch {
    throw new HttpError(400, 'the path is no URL: a % in it is not followed by two digits')
  }
}
