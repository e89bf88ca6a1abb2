// Reads the decoder of tokenizer.json: it must spell out one of the two ways from ids to text.
import { tokenBytes } from './byte-level.ts'
import { ByteDecodeStream, type Piece, PieceDecodeStream, type PieceRules } from './decoder.ts'
import type { Field } from './field.ts'
import { bytesOfBytes, bytesOfPieces, type Decoding } from './token-bytes.ts'
import { bytePiece } from './vocabulary.ts'

/**
 * @param textOf gives the token of an id
 * @param specialIds the ids that are left out where special tokens are to be skipped
 * @throws TOKENIZER for a decoder that is neither
 */
export function readDecoder(
  field: Field,
  textOf: (id: number) => string | undefined,
  specialIds: ReadonlySet<number>,
): Decoding {
  if (field.get('type').string() === 'ByteLevel') return byteLevelDecoder(textOf, specialIds)
  const rules = readPieceRules(field)
  const pieces: (Piece | undefined)[] = []
  const pieceOf = (id: number) => {
    const text = textOf(id)
    if (text === undefined) return undefined
    const byte = rules.byteFallback ? bytePiece(text) : -1
    pieces[id] ??= byte >= 0 ? { byte } : { text }
    return pieces[id]
  }
  const rulesFor = (skip: boolean): PieceRules => ({
    pieceOf: id => (skip && specialIds.has(id) ? undefined : pieceOf(id)),
    space: rules.space,
    brokenRun: 'all',
    leading: rules.leading,
  })
  return {
    newDecodeStream: skip => new PieceDecodeStream(rulesFor(skip)),
    tokenBytes: bytesOfPieces(rulesFor(true)),
  }
}

/** The decoder of tokens in GPT-2's byte alphabet. */
export function byteLevelDecoder(
  textOf: (id: number) => string | undefined,
  specialIds: ReadonlySet<number>,
): Decoding {
  const bytes: (Buffer | undefined)[] = []
  const bytesFor = (skip: boolean) => (id: number) => {
    const text = textOf(id)
    if (text === undefined || (skip && specialIds.has(id))) return undefined
    bytes[id] ??= tokenBytes(text)
    return bytes[id]
  }
  return {
    newDecodeStream: skip => new ByteDecodeStream(bytesFor(skip)),
    tokenBytes: bytesOfBytes(bytesFor(true)),
  }
}

/** Reads Metaspace, or a Sequence of Replace, ByteFallback, Fuse and Strip in this order, of which only Fuse must be there. */
function readPieceRules(field: Field): Pick<PieceRules, 'space' | 'leading'> & { byteFallback: boolean } {
  const type = field.get('type').string()
  if (type === 'Metaspace') {
    const scheme = field
      .get('prepend_scheme')
      .string(field.get('add_prefix_space').boolean(true) ? 'always' : 'never')
    const leading: PieceRules['leading'] =
      scheme === 'never' ? { rule: 'text', count: 0 } : { rule: 'first-piece' }
    return { space: field.get('replacement').string(), byteFallback: false, leading }
  }
  if (type !== 'Sequence') throw field.get('type').error('ByteLevel, Metaspace or Sequence')
  const order = ['Replace', 'ByteFallback', 'Fuse', 'Strip']
  const steps = new Map<string, Field>()
  let reached = -1
  for (const step of field.get('decoders').items()) {
    const place = order.indexOf(step.get('type').string())
    if (place <= reached)
      throw step.get('type').error(`one of ${order.join(', ')}, each once and in this order`)
    reached = place
    steps.set(order[place]!, step)
  }
  if (!steps.has('Fuse')) throw field.get('decoders').error('a Fuse')
  const replace = steps.get('Replace')
  const strip = steps.get('Strip')
  if (replace !== undefined && replace.get('content').string() !== ' ')
    throw replace.get('content').error('a space')
  if (strip !== undefined && strip.get('content').string() !== ' ')
    throw strip.get('content').error('a space')
  if (strip !== undefined && strip.get('stop').id() !== 0) throw strip.get('stop').error('0')
  return {
    space: replace?.get('pattern').get('String').string() ?? ' ',
    byteFallback: steps.has('ByteFallback'),
    leading: { rule: 'text', count: strip?.get('start').id() ?? 0 },
  }
}
