// POST /classify, in vLLM's form (vllm/entrypoints/pooling/classify/protocol.py: `input`, and `data` of index, label, probs,
// num_classes; truncate_prompt_tokens). There the classes are those of a model that was trained for them; here
// classification is zero-shot, so the request brings them: `labels`, in whose order `probs` are, with `template`,
// `multi_label` and `calibrate` of Model.classify(). A text takes the tokens of its prompts and labels, which usage counts.
import { Classifier, type ClassifyOptions } from '../../zero-shot/classify.ts'
import { listFields, listHead, promptUsage } from '../answer-fields.ts'
import { askedTokens } from '../asked-tokens.ts'
import { onField } from '../http-error.ts'
import { checkCount, checkModel, promptList } from '../prompts.ts'
import { type Answer, type Call, post } from '../route.ts'
import { maybe, object, oneOf, type Static, Type } from '../schema.ts'
import { boolean, common, count, text, texts, usage, words } from '../schemas.ts'
import { tooLongOption, truncateToContext } from '../truncation.ts'

const body = object({
  ...common,
  input: texts,
  /** At least two, or one with multi_label; each once. `text` is the word in the prompts where it is not the name. */
  labels: Type.Array(oneOf('a text, or {name, text}', [words, object({ name: words, text: maybe(words) })]), {
    description: 'a list of labels, each a text or {name, text}',
  }),
  /** A text with {text}, and with multi_label with {label} too. */
  template: maybe(text),
  /** Each label by itself: its probability is that of Yes against No. Default: false. */
  multi_label: maybe(boolean),
  truncate_prompt_tokens: truncateToContext,
  /** Default: 'none'. */
  calibrate: maybe(
    oneOf("'none', 'pmi' or 'contextual'", [
      Type.Literal('none'),
      Type.Literal('pmi'),
      Type.Literal('contextual'),
    ]),
  ),
})
type Body = Static<typeof body>

export const classify = post({
  path: '/classify',
  summary: 'Which label each text has, zero-shot',
  body,
  answer: object({
    ...listFields,
    data: Type.Array(
      object({
        index: count,
        /** The name of the likeliest one. */
        label: Type.String(),
        /** In the order of the request's labels. They sum to 1, but with multi_label. */
        probs: Type.Array(Type.Number()),
        num_classes: count,
      }),
    ),
    usage,
  }),
  handle: answer,
})

async function answer(body: Body, call: Call): Promise<Answer> {
  const { app } = call
  const { model, limits } = app
  checkModel(app, body.model)
  const list = promptList(body.input, app, 'input') as string[]
  checkCount(body.labels.length, limits.prompts, 'labels')
  const options: ClassifyOptions = {
    labels: body.labels.map(label => (typeof label === 'string' ? label : named(label))),
    ...(body.template != null && { template: body.template }),
    multiLabel: body.multi_label ?? false,
    calibrate: body.calibrate ?? 'none',
    ...tooLongOption(body.truncate_prompt_tokens),
    ...call.work(),
  }
  const classifier = await onField('labels', () => new Classifier(options))
  const names = options.labels.map(label => (typeof label === 'string' ? label : label.name))
  // One by one: all labels of all texts may be millions of texts.
  const asks = function* () {
    for (const [index, each] of list.entries()) yield* classifier.asks(each, index)
  }
  return onField('input', async () => {
    const tokens = await askedTokens(asks(), call)
    call.enter(tokens)
    const results = await model.classify(list, options)
    const data = results.map(({ label, labels, scores }, index) => {
      const probs = new Map(labels.map((name, i) => [name, scores[i]!]))
      return { index, label, probs: names.map(name => probs.get(name)!), num_classes: names.length }
    })
    return { json: { ...listHead(call, 'classify'), data, usage: promptUsage(call, tokens) } }
  })
}

/** A label without what is null. */
function named({ name, text }: { name: string; text?: string | null }) {
  return text == null ? { name } : { name, text }
}
