// Reads what the files beside a tokenizer say: tokenizer_config.json, special_tokens_map.json, added_tokens.json.
import { isRecord } from '../data/record.ts'
import type { AddedToken } from './added-tokens.ts'
import type { Field } from './field.ts'

/** A token as a settings file declares it. Its id is the one its text has already, else the next one free. */
export interface DeclaredToken extends Omit<AddedToken, 'id'> {
  /** Whether its flags replace those that the tokenizer's own file gives this token. */
  replaces: boolean
}

export interface TokenizerSettings {
  /** Text of BOS and of EOS; null where a file says that there is none, undefined where no file says anything. */
  bos: string | null | undefined
  eos: string | null | undefined
  /** Texts of tokens by their names, such as bos_token; null where a file says that there is none. */
  named: ReadonlyMap<string, string | null>
  /** The declared tokens, in the order in which they get their ids. */
  declared: readonly DeclaredToken[]
  /** Whether tokens are declared besides the named ones, such as BOS. */
  declaresMore: boolean
  addBos: boolean | undefined
  addEos: boolean | undefined
  /** Whether a text gets a space before it. */
  addPrefixSpace: boolean | undefined
  /** Whether every stretch of text after a special token gets that space too. */
  legacy: boolean | undefined
  /** Whether special tokens written in a text are left as text. */
  splitsSpecial: boolean
  /** The tokenizer's class in transformers without `Fast`; '' where none is named, undefined without tokenizer_config.json. */
  className: string | undefined
}

/** The parsed files; undefined where they are not there. */
export interface SettingsFields {
  config: Field | undefined
  specialTokens: Field | undefined
  addedTokens: Field | undefined
}

/** Names of special tokens in the order in which transformers adds them. */
const tokenNames = ['bos', 'eos', 'unk', 'sep', 'pad', 'cls', 'mask'].map(name => `${name}_token`)

const llamaTokens = { bos_token: '<s>', eos_token: '</s>', unk_token: '<unk>' }
const endOfText = '<|endoftext|>'

/** What transformers' classes assume where no file names a token. */
const classTokens: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  LlamaTokenizer: llamaTokens,
  CodeLlamaTokenizer: llamaTokens,
  GPT2Tokenizer: { bos_token: endOfText, eos_token: endOfText, unk_token: endOfText },
  Qwen2Tokenizer: { eos_token: endOfText, unk_token: endOfText, pad_token: endOfText },
}

/**
 * Reads the files as transformers 5 does: special_tokens_map.json and added_tokens.json count only where
 * tokenizer_config.json has no added_tokens_decoder, and then special_tokens_map.json goes first.
 * @throws TOKENIZER naming the file and the field
 */
export function readSettings({
  config,
  specialTokens,
  addedTokens,
}: SettingsFields): TokenizerSettings | undefined {
  const decoder = config?.get('added_tokens_decoder')
  const decodes = decoder?.missing === false
  const files = [decodes ? undefined : specialTokens, config].filter(file => file !== undefined)
  if (files.length === 0 && addedTokens === undefined) return undefined

  const className = config?.get('tokenizer_class').string('').replace(/Fast$/, '')
  const assumed = Object.hasOwn(classTokens, className ?? '') ? classTokens[className!]! : {}
  const named = new Map<string, DeclaredToken | null | undefined>()
  for (const name of tokenNames) {
    const field = saying(name, files)
    const usual = assumed[name]
    named.set(name, field ? specialToken(field) : usual === undefined ? usual : plain(usual, true))
  }
  for (const field of ownTokens(config)) named.set(field.path, specialToken(field))
  const names = [...named.values()].filter(token => token !== null && token !== undefined)
  const more = moreTokens(files)
  const namedTexts = new Set(names.map(token => token.content))
  const specialTexts = new Set([...names, ...more].map(token => token.content))
  const listed = decodes ? decodedTokens(decoder) : listedTokens(addedTokens, specialTexts)
  return {
    bos: contentOf(named.get('bos_token')),
    eos: contentOf(named.get('eos_token')),
    named: textsByName(named, files),
    declared: [
      ...listed.map(token => ({
        ...token,
        special: token.special || namedTexts.has(token.content),
        replaces: true,
      })),
      ...names,
      ...more,
    ],
    declaresMore: listed.length > 0 || more.length > 0,
    addBos: flag(config, 'add_bos_token'),
    addEos: flag(config, 'add_eos_token'),
    addPrefixSpace: flag(config, 'add_prefix_space'),
    legacy: flag(config, 'legacy'),
    splitsSpecial: flag(config, 'split_special_tokens') ?? false,
    className,
  }
}

/** The field of that name in the first of the files that has it, even if it is null there. */
function saying(name: string, files: readonly Field[]): Field | undefined {
  return files.find(file => Object.hasOwn(file.object(), name))?.get(name)
}

function flag(config: Field | undefined, name: string): boolean | undefined {
  const field = config?.get(name)
  return field === undefined || field.missing ? undefined : field.boolean()
}

/** Reads a token that is given as its text, or as an object with its text as `content`; null for null and ''. */
function specialToken(field: Field): DeclaredToken | null {
  if (field.missing || field.value === '') return null
  return typeof field.value === 'string' ? plain(field.value, true) : { ...token(field), special: true }
}

function contentOf(token: DeclaredToken | null | undefined): string | null | undefined {
  return token === undefined || token === null ? token : token.content
}

function plain(content: string, special: boolean): DeclaredToken {
  const flags = { singleWord: false, lstrip: false, rstrip: false, normalized: !special }
  return { content, special, ...flags, replaces: false }
}

function token(field: Field): DeclaredToken {
  const special = field.get('special').boolean(false)
  return {
    content: field.get('content').string(),
    special,
    singleWord: field.get('single_word').boolean(false),
    lstrip: field.get('lstrip').boolean(false),
    rstrip: field.get('rstrip').boolean(false),
    normalized: field.get('normalized').boolean(!special),
    replaces: false,
  }
}

/** The fields of tokens that are named by the model alone, such as image_token. */
function ownTokens(config: Field | undefined): Field[] {
  if (config === undefined) return []
  const names = Object.keys(config.object()).filter(
    name => name.endsWith('_token') && !tokenNames.includes(name),
  )
  return names.map(name => config.get(name)).filter(field => typeof field.value === 'string')
}

/** The texts that chat templates know by name: those of extra_special_tokens too, where it gives names. */
function textsByName(
  named: ReadonlyMap<string, DeclaredToken | null | undefined>,
  files: readonly Field[],
): Map<string, string | null> {
  const texts = new Map<string, string | null>()
  const extra = saying('extra_special_tokens', files)
  if (isRecord(extra?.value))
    for (const name of Object.keys(extra.value))
      texts.set(name, contentOf(specialToken(extra.get(name))) ?? '')
  for (const [name, token] of named) {
    if (token === undefined) continue
    // A token that is '' is none, but a template prints it.
    texts.set(name, token?.content ?? (saying(name, files)?.value === '' ? '' : null))
  }
  return texts
}

/**
 * Reads the tokens of extra_special_tokens, or of additional_special_tokens, as it was called before transformers 5: a list,
 * or tokens under names.
 */
function moreTokens(files: readonly Field[]): DeclaredToken[] {
  const said = ['extra_special_tokens', 'additional_special_tokens'].flatMap(name => {
    const field = saying(name, files)
    return field === undefined || field.missing ? [] : [field]
  })
  const lists = said.map(field => (Array.isArray(field.value) ? field.items() : entries(field)))
  const list = lists.find(list => list.length > 0) ?? []
  return list.map(field => (typeof field.value === 'string' ? plain(field.string(), true) : token(field)))
}

function entries(field: Field | undefined): Field[] {
  return field === undefined ? [] : Object.keys(field.object()).map(name => field.get(name))
}

/** Reads added_tokens_decoder, which holds tokens by their ids. */
function decodedTokens(field: Field): DeclaredToken[] {
  const ids = Object.keys(field.object()).sort((a, b) => Number(a) - Number(b))
  return ids.map(id => token(field.get(id)))
}

/** Reads added_tokens.json, which holds ids by the tokens' texts. */
function listedTokens(field: Field | undefined, special: ReadonlySet<string>): DeclaredToken[] {
  if (field === undefined) return []
  const ids = Object.keys(field.object()).map(content => ({ content, id: field.get(content).id() }))
  return ids.sort((a, b) => a.id - b.id).map(({ content }) => plain(content, special.has(content)))
}
