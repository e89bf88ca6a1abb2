// GET /tokenizer_info, as vLLM has it (vllm/entrypoints/serve/tokenize/protocol.py: the fields of tokenizer_config.json).
// lm-evaluation-harness takes the tokenizer of a server that has it, with /tokenize and /detokenize, for its own
// (lm_eval/utils.py, RemoteTokenizer: eos_token has to be there, bos_token, pad_token and chat_template are read).
import { get } from '../route.ts'
import { object, Type } from '../schema.ts'
import { count, nullable } from '../schemas.ts'
import { tokenizerOf } from '../tokenizer-of.ts'

export const tokenizerInfo = get({
  path: '/tokenizer_info',
  summary: 'What the tokenizer is',
  answer: object({
    /** What its file is: 'tokenizer.json', 'tokenizer.model' or 'gguf'. */
    tokenizer_class: Type.String(),
    vocab_size: count,
    model_max_length: count,
    /** Whether texts get BOS by themselves. */
    add_bos_token: Type.Boolean(),
    ...{ bos_token: nullable(Type.String()), bos_token_id: nullable(count) },
    ...{ eos_token: nullable(Type.String()), eos_token_id: nullable(count) },
    ...{ pad_token: nullable(Type.String()), unk_token: nullable(Type.String()) },
    /** Jinja. */
    chat_template: nullable(Type.String()),
  }),
  handle: (_, { app }) => {
    const { info, chatTemplate } = app.model
    const tokenizer = tokenizerOf(app)
    const { kind, vocabSize, addBos, bosTokenId, eosTokenId, namedTokens } = tokenizer
    const textOf = (name: string, id?: number) =>
      namedTokens.get(name) ?? (id === undefined ? null : tokenizer.tokenText(id))
    return {
      json: {
        ...{ tokenizer_class: kind, vocab_size: vocabSize, model_max_length: info.contextLength },
        add_bos_token: addBos,
        ...{ bos_token: textOf('bos_token', bosTokenId), bos_token_id: bosTokenId ?? null },
        ...{ eos_token: textOf('eos_token', eosTokenId), eos_token_id: eosTokenId ?? null },
        ...{ pad_token: textOf('pad_token'), unk_token: textOf('unk_token') },
        chat_template: chatTemplate ?? null,
      },
    }
  },
})
