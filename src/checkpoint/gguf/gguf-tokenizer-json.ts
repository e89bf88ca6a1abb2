// tokenizer.json and tokenizer_config.json out of a GGUF's metadata, for the tokenizers library and transformers.
import { shown } from '../../data/shown.ts'
import { MtLlamaError } from '../../errors.ts'
import { addsBosByDefault, wordRules } from '../../tokenizer/gguf.ts'
import { isControlText } from '../../tokenizer/gguf-texts.ts'
import { pieceType } from '../../tokenizer/pieces.ts'
import { splitMerge } from '../../tokenizer/vocabulary.ts'
import type { LlamaConfig } from '../checkpoint.ts'
import { Fields } from '../fields.ts'

interface Source {
  fields: Fields
  texts: string[]
  types: ArrayLike<number>
}

export type Merge = readonly [left: string, right: string]

/**
 * @param where the GGUF's name, which begins the message of an error
 * @param metadata tokenizer.ggml.* without that prefix
 * @throws TOKENIZER for a kind that has no such form
 */
export function tokenizerFiles(
  where: string,
  metadata: ReadonlyMap<string, unknown>,
  config: LlamaConfig,
  chatTemplate: string | undefined,
): Record<'tokenizer.json' | 'tokenizer_config.json', object> {
  const source = readSource(where, metadata)
  const { fields, texts } = source
  const model = fields.get('model')
  const rest = model === 'gpt2' ? byteLevel(source) : model === 'llama' ? pieces(source, metadata) : undefined
  if (rest === undefined) throw tokenizerError(fields, 'model', 'gpt2 and llama are converted')
  const textOf = (name: string, usual?: number) => {
    const id = fields.tokenIds(name)[0] ?? usual
    return id === undefined ? undefined : texts[id]
  }
  // The ids that llama.cpp assumes for this kind.
  const bos = textOf('bos_token_id', model === 'llama' ? 1 : undefined)
  const eos = textOf('eos_token_id', model === 'llama' ? 2 : undefined)
  const addBos = fields.boolean('add_bos_token', addsBosByDefault(model, fields.get('pre')))
  const addEos = fields.boolean('add_eos_token', false)
  return {
    'tokenizer.json': {
      version: '1.0',
      truncation: null,
      padding: null,
      added_tokens: addedTokens(source),
      post_processor: template(source, addBos ? bos : undefined, addEos ? eos : undefined),
      ...rest,
    },
    'tokenizer_config.json': {
      tokenizer_class: 'PreTrainedTokenizerFast',
      bos_token: bos ?? null,
      eos_token: eos ?? null,
      unk_token: textOf('unknown_token_id') ?? null,
      pad_token: textOf('padding_token_id') ?? null,
      add_bos_token: addBos,
      add_eos_token: addEos,
      clean_up_tokenization_spaces: false,
      model_max_length: config.contextLength,
      ...(chatTemplate === undefined ? {} : { chat_template: chatTemplate }),
    },
  }
}

function readSource(where: string, metadata: ReadonlyMap<string, unknown>): Source {
  const fields = new Fields(Object.fromEntries(metadata), `${where}, tokenizer.ggml`)
  const texts = fields.get('tokens')
  if (!isTexts(texts)) throw tokenizerError(fields, 'tokens', 'expected a list of texts')
  const types = (fields.get('token_type') ??
    new Int32Array(texts.length).fill(pieceType.normal)) as ArrayLike<number>
  if (types.length !== texts.length)
    throw tokenizerError(fields, 'token_type', `expected ${texts.length} numbers`)
  if (new Set(texts).size !== texts.length) {
    const seen = new Set<string>()
    const twice = texts.find(text => seen.size === seen.add(text).size)
    throw new MtLlamaError(
      'TOKENIZER',
      `${fields.where}: the token ${shown(twice)} comes twice; tokenizer.json cannot say so`,
    )
  }
  return { fields, texts, types }
}

function addedTokens({ texts, types }: Source): object[] {
  const added: object[] = []
  for (const [id, content] of texts.entries()) {
    const byType = types[id] === pieceType.control || types[id] === pieceType.unknown
    const special = byType || isControlText(content)
    if (!special && types[id] !== pieceType.userDefined) continue
    added.push({ id, content, single_word: false, lstrip: false, rstrip: false, normalized: false, special })
  }
  return added
}

/** Puts BOS before and EOS after each text. */
function template({ texts }: Source, bos: string | undefined, eos: string | undefined): object | null {
  if (bos === undefined && eos === undefined) return null
  const ends = [bos, eos].filter(text => text !== undefined)
  const part = (text: string | undefined, type: number) =>
    text === undefined ? [] : [{ SpecialToken: { id: text, type_id: type } }]
  const sequence = (id: string, type: number) => [
    ...part(bos, type),
    { Sequence: { id, type_id: type } },
    ...part(eos, type),
  ]
  return {
    type: 'TemplateProcessing',
    single: sequence('A', 0),
    pair: [...sequence('A', 0), ...sequence('B', 1)],
    special_tokens: Object.fromEntries(
      ends.map(text => [text, { id: text, ids: [texts.indexOf(text)], tokens: [text] }]),
    ),
  }
}

/** Byte-level BPE: the merges are there, the rule that cuts words is known by its name. */
function byteLevel({ fields, texts }: Source): object {
  const pre = fields.get('pre')
  const rule = typeof pre === 'string' && Object.hasOwn(wordRules, pre) ? wordRules[pre] : undefined
  if (rule === undefined)
    throw tokenizerError(fields, 'pre', `known are ${Object.keys(wordRules).join(', ')}`)
  const lines = fields.get('merges')
  if (!isTexts(lines)) throw tokenizerError(fields, 'merges', 'expected a list of texts')
  const merges = lines.map(line => {
    const pair = splitMerge(line)
    if (pair === undefined)
      throw new MtLlamaError('TOKENIZER', `${fields.where}: the merge ${shown(line)} is no pair`)
    return pair
  })
  const byteLevelStep = { type: 'ByteLevel', add_prefix_space: false, trim_offsets: true, use_regex: false }
  return {
    normalizer: rule.isComposed ? { type: 'NFC' } : null,
    pre_tokenizer: {
      type: 'Sequence',
      pretokenizers: [
        ...rule.patterns.map(regex => ({
          type: 'Split',
          pattern: { Regex: regex },
          behavior: 'Isolated',
          invert: false,
        })),
        byteLevelStep,
      ],
    },
    decoder: byteLevelStep,
    model: bpeModel(texts, merges, { ignore_merges: rule.ignoreMerges }),
  }
}

/**
 * SentencePiece's BPE: merges come from the scores, spaces are spelt U+2581, unknown characters fall back to bytes.
 * The normalizer and the decoder are those of the published LLaMA tokenizers.
 */
function pieces({ fields, texts, types }: Source, metadata: ReadonlyMap<string, unknown>): object {
  const scores = metadata.get('scores') as ArrayLike<number> | undefined
  if (scores?.length !== texts.length)
    throw tokenizerError(fields, 'scores', `expected ${texts.length} numbers`)
  const spaced = fields.boolean('add_space_prefix', true)
  const unknown = texts.find((_, id) => types[id] === pieceType.unknown)
  return {
    normalizer: {
      type: 'Sequence',
      normalizers: [
        ...(spaced ? [{ type: 'Prepend', prepend: '\u2581' }] : []),
        { type: 'Replace', pattern: { String: ' ' }, content: '\u2581' },
      ],
    },
    pre_tokenizer: null,
    decoder: {
      type: 'Sequence',
      decoders: [
        { type: 'Replace', pattern: { String: '\u2581' }, content: ' ' },
        { type: 'ByteFallback' },
        { type: 'Fuse' },
        ...(spaced ? [{ type: 'Strip', content: ' ', start: 1, stop: 0 }] : []),
      ],
    },
    model: bpeModel(texts, mergesFromScores(texts, types, scores), {
      unk_token: unknown ?? null,
      fuse_unk: true,
      byte_fallback: true,
    }),
  }
}

function bpeModel(texts: string[], merges: Merge[], settings: object): object {
  return {
    type: 'BPE',
    dropout: null,
    unk_token: null,
    continuing_subword_prefix: null,
    end_of_word_suffix: null,
    fuse_unk: false,
    byte_fallback: false,
    ignore_merges: false,
    ...settings,
    vocab: Object.fromEntries(texts.map((text, id) => [text, id])),
    merges,
  }
}

/**
 * Every way to cut a piece into two others, best piece first; of one piece, or of equal scores, longer left parts first,
 * then longer right parts, then lower ids. As generate_merges in transformers' convert_slow_tokenizer.py.
 */
export function mergesFromScores(
  texts: string[],
  types: ArrayLike<number>,
  scores: ArrayLike<number>,
): Merge[] {
  const ids = new Map(texts.map((text, id) => [text, id]))
  const found: { pair: Merge; score: number; left: number; right: number }[] = []
  for (const [id, text] of texts.entries()) {
    if (types[id] !== pieceType.normal) continue
    const characters = [...text]
    const cuts: typeof found = []
    for (let left = 1; left < characters.length; left++) {
      const pair: Merge = [characters.slice(0, left).join(''), characters.slice(left).join('')]
      if (!ids.has(pair[0]) || !ids.has(pair[1])) continue
      cuts.push({ pair, score: scores[id]!, left, right: characters.length - left })
    }
    cuts.sort(
      (a, b) => ids.get(a.pair[0])! - ids.get(b.pair[0])! || ids.get(a.pair[1])! - ids.get(b.pair[1])!,
    )
    for (const cut of cuts) found.push(cut)
  }
  return found
    .sort((a, b) => b.score - a.score || b.left - a.left || b.right - a.right)
    .map(({ pair }) => pair)
}

function isTexts(value: unknown): value is string[] {
  return Array.isArray(value) && value.every(text => typeof text === 'string')
}

function tokenizerError(fields: Fields, name: string, why: string): MtLlamaError {
  return new MtLlamaError('TOKENIZER', fields.corrupt(name, why).message)
}
