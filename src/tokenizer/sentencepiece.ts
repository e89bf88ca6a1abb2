// Reads SentencePiece's tokenizer.model: a protobuf of pieces, and the settings of the trainer and the normaliser.
import { withDeclared } from './added-vocabulary.ts'
import { readCharsmap } from './charsmap.ts'
import { tokenizerError } from './field.ts'
import { namedTokens } from './named-tokens.ts'
import {
  addedPieces,
  type PieceSettings,
  pieceType,
  type ScoredPiece,
  tokenizerFromPieces,
} from './pieces.ts'
import { fieldsOf, Message } from './protobuf.ts'
import type { TokenizerSettings } from './settings.ts'
import type { Tokenizer } from './tokenizer.ts'

const modelTypes = ['unknown', 'unigram', 'BPE', 'word', 'char']
const bpeModel = 2

/**
 * Field numbers are those of sentencepiece_model.proto.
 * @param settings what the files beside it say: the tokens that they declare are added as transformers adds them
 * @throws TOKENIZER naming the file and what is wrong in it
 */
export function tokenizerFromSentencePiece(
  file: string,
  bytes: Buffer,
  settings: TokenizerSettings | undefined,
): Tokenizer {
  const model = new Message(file, 'the file', bytes)
  const trainer = model.message(2, 'trainer_spec')
  const normalizer = model.message(3, 'normalizer_spec')
  const pieces = readPieces(file, bytes)
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

  const texts = new Map(pieces.map((piece, id) => [id, piece.text] as const))
  const vocabulary = { file, ids: new Map<string, number>(), texts }
  for (const [id, { text }] of pieces.entries()) if (!vocabulary.ids.has(text)) vocabulary.ids.set(text, id)
  const control = addedPieces(pieces, [pieceType.control])
  const added = withDeclared(control, settings?.declared ?? [], vocabulary, pieces.length)
  const end = (said: string | null | undefined, own: string) => {
    if (said !== undefined) return said === null ? undefined : vocabulary.ids.get(said)
    return control.find(token => token.content === own)?.id
  }
  const charsmap = normalizer.bytes(2, 'precompiled_charsmap')
  const bosTokenId = end(settings?.bos, trainer.string(46, 'bos_piece', '<s>'))
  const eosTokenId = end(settings?.eos, trainer.string(47, 'eos_piece', '</s>'))
  const addBos = bosTokenId !== undefined && settings?.addBos !== false
  const textOf = (id: number | undefined) => (id === undefined ? undefined : texts.get(id))
  return tokenizerFromPieces(pieces, {
    file,
    kind: 'tokenizer.model',
    byteFallback: trainer.boolean(35, 'byte_fallback', false),
    mapCharacters: charsmap.length > 0 ? readCharsmap(file, charsmap) : undefined,
    dummyPrefix: dummyPrefix(normalizer.boolean(3, 'add_dummy_prefix', true), settings),
    removeExtraSpaces: normalizer.boolean(4, 'remove_extra_whitespaces', true),
    unknownSurface: trainer.string(44, 'unk_surface', ' \u2047 '),
    rawTokens: added,
    bosTokenId,
    eosTokenId,
    addBos,
    namedTokens: namedTokens(
      {
        bos_token: textOf(bosTokenId),
        eos_token: textOf(eosTokenId),
        unk_token: pieces.find(piece => piece.type === pieceType.unknown)?.text,
      },
      settings?.named,
    ),
    parsesSpecial: settings?.declaresMore === true && !settings.splitsSpecial,
    suffix: settings?.addEos && eosTokenId !== undefined ? [eosTokenId] : [],
  })
}

/** The pieces of a model, by id. @throws TOKENIZER for a piece that is empty, as sentencepiece refuses it */
export function readPieces(file: string, bytes: Buffer): ScoredPiece[] {
  const pieces: ScoredPiece[] = []
  for (const [number, value] of fieldsOf(file, 'the file', bytes)) {
    if (number !== 1) continue
    const name = `pieces[${pieces.length}]`
    if (typeof value === 'number') throw tokenizerError(file, `${name} is a number; expected a piece`)
    const message = new Message(file, name, value)
    const text = message.string(1, 'piece', '')
    if (text === '') throw tokenizerError(file, `${name} is empty; expected a text`)
    pieces.push({
      text,
      score: message.float(2, 'score', 0),
      type: message.integer(3, 'type', pieceType.normal),
    })
  }
  return pieces
}

/**
 * Decides which stretches of text get a space before them. transformers' LlamaTokenizer puts one before the beginning of
 * the text whatever the model says, and before later stretches only with its older behaviour (`legacy`).
 */
function dummyPrefix(own: boolean, settings: TokenizerSettings | undefined): PieceSettings['dummyPrefix'] {
  const isLlama = settings?.className?.endsWith('LlamaTokenizer') === true
  if (!(settings?.addPrefixSpace ?? (own || isLlama))) return 'never'
  return (settings?.legacy ?? !isLlama) ? 'always' : 'first'
}
