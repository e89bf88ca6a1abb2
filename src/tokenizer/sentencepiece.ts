// SentencePiece's tokenizer.model: a protobuf of pieces, the trainer's and the normaliser's settings.
import { readCharsmap } from './charsmap.ts'
import { tokenizerError } from './field.ts'
import { pieceType, tokenizerFromPieces } from './pieces.ts'
import { Message } from './protobuf.ts'
import type { Tokenizer } from './tokenizer.ts'

const modelTypes = ['unknown', 'unigram', 'BPE', 'word', 'char']
const bpeModel = 2

/** Field numbers are those of sentencepiece_model.proto. @throws TOKENIZER naming the file and what is wrong in it */
export function tokenizerFromSentencePiece(file: string, bytes: Buffer): Tokenizer {
  const model = new Message(file, 'the file', bytes)
  const trainer = model.message(2, 'trainer_spec')
  const normalizer = model.message(3, 'normalizer_spec')
  const pieces = model.messages(1, 'pieces').map(piece => ({
    text: piece.string(1, 'piece', ''),
    score: piece.float(2, 'score', 0),
    type: piece.integer(3, 'type', pieceType.normal),
  }))
  if (pieces.length === 0) throw tokenizerError(file, 'holds no pieces; is it a SentencePiece model?')

  const refuse = (field: string, found: string, expected: string) =>
    tokenizerError(file, `${field} is ${found}; expected ${expected}`)
  const type = trainer.integer(3, 'model_type', 1)
  if (type !== bpeModel) throw refuse('trainer_spec.model_type', modelTypes[type] ?? String(type), 'BPE')
  if (trainer.boolean(24, 'treat_whitespace_as_suffix', false)) {
    throw refuse('trainer_spec.treat_whitespace_as_suffix', 'true', 'false')
  }
  if (!normalizer.boolean(5, 'escape_whitespaces', true)) {
    throw refuse('normalizer_spec.escape_whitespaces', 'false', 'true')
  }
  if (pieces.some(piece => piece.type === pieceType.unused))
    throw refuse('a piece', 'of type unused', 'none of that type')

  const idOf = (text: string) => {
    const id = pieces.findIndex(piece => piece.text === text && piece.type === pieceType.control)
    return id < 0 ? undefined : id
  }
  const charsmap = normalizer.bytes(2, 'precompiled_charsmap')
  const bosTokenId = idOf(trainer.string(46, 'bos_piece', '<s>'))
  return tokenizerFromPieces(pieces, {
    file,
    kind: 'tokenizer.model',
    byteFallback: trainer.boolean(35, 'byte_fallback', false),
    mapCharacters: charsmap.length > 0 ? readCharsmap(file, charsmap) : undefined,
    dummyPrefix: normalizer.boolean(3, 'add_dummy_prefix', true),
    removeExtraSpaces: normalizer.boolean(4, 'remove_extra_whitespaces', true),
    unknownSurface: trainer.string(44, 'unk_surface', ' \u2047 '),
    bosTokenId,
    eosTokenId: idOf(trainer.string(47, 'eos_piece', '</s>')),
    addBos: bosTokenId !== undefined,
    parsesSpecial: false,
    suffix: [],
  })
}
