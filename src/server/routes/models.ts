// GET /v1/models, as OpenAI's API has it: the one model that is served. max_model_len is vLLM's.
import { get } from '../route.ts'
import { object, Type } from '../schema.ts'
import { count } from '../schemas.ts'

export const models = get({
  path: '/v1/models',
  summary: 'The model that is served',
  answer: object({
    object: Type.Literal('list'),
    data: Type.Array(
      object({
        id: Type.String(),
        object: Type.Literal('model'),
        created: count,
        owned_by: Type.String(),
        max_model_len: count,
      }),
    ),
  }),
  handle: (_, { app: { model, modelName, created } }) => ({
    json: {
      object: 'list',
      data: [
        {
          ...{ id: modelName, object: 'model', created, owned_by: 'mt-llama' },
          max_model_len: model.info.contextLength,
        },
      ],
    },
  }),
})
