// Reads the post_processor of tokenizer.json: the tokens that it puts around a text.
import type { Field } from './field.ts'

export interface Template {
  prefix: number[]
  suffix: number[]
}

/** @throws TOKENIZER for a kind that is not known here */
export function readTemplate(field: Field): Template {
  if (field.missing) return { prefix: [], suffix: [] }
  const type = field.get('type').string()
  if (type === 'ByteLevel') return { prefix: [], suffix: [] }
  if (type === 'TemplateProcessing') return readTemplateProcessing(field)
  if (type === 'RobertaProcessing' || type === 'BertProcessing') {
    return { prefix: [idOf(field.get('cls'))], suffix: [idOf(field.get('sep'))] }
  }
  if (type !== 'Sequence') {
    const known = 'TemplateProcessing, ByteLevel, RobertaProcessing, BertProcessing or Sequence'
    throw field.get('type').error(known)
  }
  const result: Template = { prefix: [], suffix: [] }
  for (const processor of field.get('processors').items()) {
    const { prefix, suffix } = readTemplate(processor)
    result.prefix.unshift(...prefix)
    result.suffix.push(...suffix)
  }
  return result
}

function readTemplateProcessing(field: Field): Template {
  const result: Template = { prefix: [], suffix: [] }
  let textSeen = false
  for (const piece of field.get('single').items()) {
    if (!piece.get('Sequence').missing) {
      if (textSeen) throw piece.error('the text once')
      textSeen = true
      continue
    }
    const name = piece.get('SpecialToken').get('id').string()
    const ids = field
      .get('special_tokens')
      .get(name)
      .get('ids')
      .items()
      .map(id => id.id())
    const side = textSeen ? result.suffix : result.prefix
    side.push(...ids)
  }
  if (!textSeen) throw field.get('single').error('a place for the text')
  return result
}

/** The id of a token given as `[text, id]`. */
function idOf(field: Field): number {
  const [, id] = field.items()
  if (id === undefined) throw field.error('a token and its id')
  return id.id()
}
