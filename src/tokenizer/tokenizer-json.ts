// Hugging Face's tokenizer.json, with the settings that lie beside it.
import { type AddedToken, AddedTokenFinder } from './added-tokens.ts'
import { withDeclared } from './added-vocabulary.ts'
import { bosAndEos } from './bos-eos.ts'
import { Bpe } from './bpe.ts'
import { readDecoder } from './decoder-json.ts'
import { type Field, isTokenId } from './field.ts'
import { maxNormalLength } from './growth.ts'
import { namedTokens } from './named-tokens.ts'
import { type Normalizer, prepends, readNormalizer } from './normalizer.ts'
import type { Pattern } from './pattern.ts'
import { PipelineTokenizer } from './pipeline.ts'
import { readPreTokenizer } from './pre-tokenizer.ts'
import { withPrefixSpace } from './prefix-space.ts'
import type { TokenizerSettings } from './settings.ts'
import { byteSymbols, characterSymbols, spaceCuts, wholeWords } from './symbols.ts'
import { readTemplate } from './template.ts'
import type { Tokenizer } from './tokenizer.ts'
import {
  addToken,
  bytePieceText,
  type MergePair,
  mergeTable,
  splitMerge,
  type Vocabulary,
  vocabularySize,
} from './vocabulary.ts'

/**
 * @param root the parsed file
 * @param settings of the files beside it
 * @throws TOKENIZER naming the file and the field
 */
export function tokenizerFromJson(file: Field, settings: TokenizerSettings | undefined): Tokenizer {
  const { root, prependsAtStart } = withPrefixSpace(file, settings)
  const model = root.get('model')
  const modelVocabulary = readVocabulary(model.get('vocab'))
  const vocabulary = copyOf(modelVocabulary)
  const listed = readAddedTokens(root.get('added_tokens'), vocabulary)
  const added = withDeclared(listed, settings?.declared ?? [], vocabulary, modelVocabulary.ids.size)
  const special = added.filter(token => token.special)
  const preTokenizer = readPreTokenizer(root.get('pre_tokenizer'))
  const { bpe, cuts } = readModel(model, modelVocabulary, preTokenizer.byteLevel)
  const normalize = readNormalizer(root.get('normalizer'), prependsAtStart)
  const template = readTemplate(root.get('post_processor'))
  return new PipelineTokenizer({
    ...bosAndEos(template.prefix, vocabulary.ids, settings),
    kind: 'tokenizer.json',
    vocabSize: vocabularySize(vocabulary),
    addsSpace: preTokenizer.addsPrefix || prepends(root.get('normalizer')),
    specialTokens: new Map(special.map(token => [token.content, token.id])),
    namedTokens: namedTokens({}, settings?.named),
    parsesSpecial: settings?.splitsSpecial !== true,
    rawTokens: new AddedTokenFinder(added.filter(token => !token.normalized)),
    normalizedTokens: new AddedTokenFinder(
      normalized(
        added.filter(token => token.normalized),
        normalize,
      ),
    ),
    normalize,
    split: cuts === undefined ? preTokenizer.split : preTokenizer.split.followedBy(cuts),
    bpe,
    suffix: template.suffix,
    ...readDecoder(
      root.get('decoder'),
      id => vocabulary.texts.get(id),
      new Set(special.map(token => token.id)),
    ),
    tokenText: id => vocabulary.texts.get(id) ?? '',
  })
}

/** Spells tokens as the normalised text has them. */
function normalized(tokens: readonly AddedToken[], normalize: Normalizer | undefined): AddedToken[] {
  let room = maxNormalLength(tokens.reduce((length, { content }) => length + content.length, 0))
  return tokens.map(token => {
    const content = normalize?.atOnce(token.content, false, room) ?? token.content
    room -= content.length
    return { ...token, content }
  })
}

function readVocabulary(field: Field): Vocabulary {
  const vocabulary: Vocabulary = { file: field.file, ids: new Map(), texts: new Map() }
  for (const [text, id] of Object.entries(field.object())) {
    if (!isTokenId(id)) throw field.get(text).error('a token id')
    addToken(vocabulary, text, id, field.path)
  }
  return vocabulary
}

function copyOf(vocabulary: Vocabulary): Vocabulary {
  return { file: vocabulary.file, ids: new Map(vocabulary.ids), texts: new Map(vocabulary.texts) }
}

/** Enters the added tokens into the vocabulary. */
function readAddedTokens(field: Field, vocabulary: Vocabulary): AddedToken[] {
  if (field.missing) return []
  return field.items().map(token => {
    const content = token.get('content').string()
    const id = token.get('id').id()
    const special = token.get('special').boolean(false)
    addToken(vocabulary, content, id, token.path)
    return {
      id,
      content,
      special,
      singleWord: token.get('single_word').boolean(false),
      lstrip: token.get('lstrip').boolean(false),
      rstrip: token.get('rstrip').boolean(false),
      normalized: token.get('normalized').boolean(!special),
    }
  })
}

/** Reads the BPE model, and where its words may be cut besides. */
function readModel(
  model: Field,
  vocabulary: Vocabulary,
  byteLevel: boolean,
): { bpe: Bpe; cuts: Pattern | undefined } {
  if (model.get('type').string('BPE') !== 'BPE')
    throw model.get('type').error('BPE, the kind LLaMA models have')
  for (const name of ['continuing_subword_prefix', 'end_of_word_suffix']) {
    if (model.get(name).string('') !== '') throw model.get(name).error('none, which this package supports')
  }
  if (!model.get('dropout').missing && model.get('dropout').value !== 0) {
    throw model.get('dropout').error('none: it makes ids random')
  }
  const unknownText = model.get('unk_token')
  const unknown = unknownText.missing ? undefined : vocabulary.ids.get(unknownText.string())
  if (!unknownText.missing && unknown === undefined) throw unknownText.error('a token of model.vocab')
  const byteFallback = model.get('byte_fallback').boolean(false)
  const fuseUnknown = model.get('fuse_unk').boolean(false)
  const ignoreMerges = model.get('ignore_merges').boolean(false)
  const { ids, texts } = vocabulary
  const bpe = new Bpe({
    merges: readMerges(model.get('merges'), vocabulary),
    symbols: byteLevel
      ? byteSymbols(vocabulary, unknown)
      : characterSymbols(ids, { byteFallback, unknown, fuseUnknown }),
    wholeWord: ignoreMerges ? wholeWords(ids, byteLevel) : undefined,
  })
  const everyByte =
    byteFallback && Array.from({ length: 256 }, (_, byte) => bytePieceText(byte)).every(t => ids.has(t))
  const cuttable = !byteLevel && !ignoreMerges && (everyByte || !fuseUnknown)
  return { bpe, cuts: cuttable ? spaceCuts([...texts.values()]) : undefined }
}

function readMerges(field: Field, vocabulary: Vocabulary) {
  if (!Array.isArray(field.value)) throw field.error('a list')
  const merges: unknown[] = field.value
  const pairAt = (rank: number): MergePair => {
    const merge = merges[rank]
    if (!Array.isArray(merge)) return splitMerge(merge)
    const [left, right] = merge as unknown[]
    return merge.length === 2 && typeof left === 'string' && typeof right === 'string'
      ? [left, right]
      : undefined
  }
  return mergeTable(vocabulary, field.path, merges.length, pairAt)
}
