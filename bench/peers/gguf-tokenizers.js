// Makes test/golden/tokenizers/gguf.json: small tokenizers in GGUF's keys, and the ids that llama.cpp makes of some texts.
//
//   npx tsx bench/peers/gguf-tokenizers.js OUT.json        needs node-llama-cpp (setup.sh)
//
// The vocabularies are made here. `ids` are of texts read with special tokens and without, none put around them.
import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { getLlama, LlamaLogLevel } from 'node-llama-cpp'
import { byteCharacters } from '../../src/tokenizer/byte-level.ts'
import { ggufBytes, tinyMetadata } from '../../test/checkpoint-files.ts'

const texts = [
  'hello world',
  ' hello  world ',
  'a</s>b <s> c',
  '</s>hello',
  '<x>hello<y> world',
  'hello <x> b<x><x>c',
  '<z>a<unk>b',
  '<|im_start|>user\nhello<|im_end|>\n',
  'a<|eot_id|> b<|end|>',
  '<fim_prefix>a<|fim_middle|> b',
  'foo food  foo   foo',
  'caf\u00e9 \u65e5 \ud83d\ude00 \u2581a',
  "I'll 12345 don't\n\n  x",
]

const type = { normal: 1, unknown: 2, control: 3, userDefined: 4, unused: 5, byte: 6 }
const space = '\u2581'
const pieces = [
  space,
  ...'etaoinshrdlcumwfgypbvk.,',
  'he',
  'll',
  'llo',
  'hello',
  `${space}hello`,
  'wo',
  'rld',
]
pieces.push(`${space}world`, 'ld', 'or', 'wor', `${space}a`, 'fo', 'foo', `${space}foo`, space + space, 'in')

/** Makes the pieces of SentencePiece: <unk>, <s>, </s>, the bytes, the words, and more tokens of some types. */
function spm(more = [], keys = {}) {
  const bytes = Array.from({ length: 256 }, (_, byte) => [
    `<0x${byte.toString(16).toUpperCase().padStart(2, '0')}>`,
    type.byte,
  ])
  const words = pieces.map(piece => [piece, type.normal])
  const all = [
    ['<unk>', type.unknown],
    ['<s>', type.control],
    ['</s>', type.control],
    ...bytes,
    ...words,
    ...more,
  ]
  return {
    model: 'llama',
    tokens: all.map(([text]) => text),
    scores: all.map((_, id) => (id < 259 || id >= 259 + pieces.length ? 0 : 259 - id)),
    token_type: all.map(([, kind]) => kind),
    ...keys,
  }
}

const merges = [
  'h e',
  'l l',
  'he ll',
  'hell o',
  '\u0120 hello',
  '\u0120 w',
  'o r',
  '\u0120w or',
  'l d',
  '\u0120wor ld',
]
merges.push('f o', 'fo o', '1 2', '12 3', "' ll", '\u010a \u010a')

/** Makes a byte-level BPE: <unk>, <s>, </s>, the bytes, the words of the merges, and more tokens of some types. */
function bpe(pre, more = [], keys = {}) {
  const words = [...byteCharacters, ...merges.map(merge => merge.replace(' ', ''))].map(text => [
    text,
    type.normal,
  ])
  const all = [['<unk>', type.control], ['<s>', type.control], ['</s>', type.control], ...words, ...more]
  return {
    ...{
      model: 'gpt2',
      pre,
      tokens: all.map(([text]) => text),
      token_type: all.map(([, kind]) => kind),
      merges,
    },
    ...{ bos_token_id: 1, eos_token_id: 2 },
    ...keys,
  }
}

const marks = [['<x>', type.userDefined], ['<y>', type.control], ['<z>', type.unknown]] // biome-ignore format: a row
const named = kind => ['<|im_start|>', '<|im_end|>', '<|eot_id|>', '<|end|>', '<fim_prefix>', '<|fim_middle|>'].map(text => [text, kind]) // biome-ignore format: a row
const pres = ['gpt-2', 'smollm', 'starcoder', 'refact', 'llama-bpe', 'llama3', 'llama-v3', 'falcon3', 'falcon-h1', 'pixtral', 'midm-2.0', 'lfm2'] // biome-ignore format: a row

const tokenizers = {
  llama: spm(),
  'llama, add_bos_token false': spm([], { add_bos_token: false }),
  'llama, add_eos_token true': spm([], { add_eos_token: true }),
  'llama, add_space_prefix false': spm(marks, { add_space_prefix: false }),
  'llama, remove_extra_whitespaces true': spm([], { remove_extra_whitespaces: true }),
  'llama, other ends': spm(marks, { bos_token_id: 2, eos_token_id: 1 }),
  'llama, marks': spm(marks),
  'llama, marks that begin alike': spm(
    [
      ['<x>', type.userDefined],
      ['<x><x>', type.userDefined],
      ['<y', type.userDefined],
      ['hello', type.userDefined],
    ].slice(0, 3),
  ),
  'llama, spaces': spm([
    ['  ', type.userDefined],
    ['   ', type.userDefined],
    ['\n\n', type.userDefined],
    ['\t', type.userDefined],
  ]),
  'llama, an unused piece': spm([
    ['<x>', type.unused],
    ['owor', type.unused],
  ]),
  'llama, control by text, normal': spm(named(type.normal)),
  'llama, control by text, user-defined': spm(named(type.userDefined)),
  'llama, control by text, control': spm(named(type.control)),
  ...Object.fromEntries(pres.map(pre => [`gpt2, ${pre}`, bpe(pre, marks)])),
  ...Object.fromEntries(
    ['gpt-2', 'llama-bpe'].flatMap(pre =>
      [true, false].map(add => [`gpt2, ${pre}, add_bos_token ${add}`, bpe(pre, [], { add_bos_token: add })]),
    ),
  ),
  'gpt2, add_eos_token true': bpe('gpt-2', [], { add_eos_token: true }),
  'gpt2, control by text, normal': bpe('llama-bpe', named(type.normal)),
  'gpt2, control by text, user-defined': bpe('llama-bpe', named(type.userDefined)),
  'gpt2, spaces': bpe('gpt-2', [
    ['  ', type.userDefined],
    ['   ', type.userDefined],
  ]),
}

const folder = mkdtempSync(join(tmpdir(), 'gguf-'))
const llama = await getLlama({
  gpu: false,
  build: 'never',
  skipDownload: true,
  logLevel: LlamaLogLevel.disabled,
})
const table = []
for (const [name, keys] of Object.entries(tokenizers)) {
  const file = join(folder, `${table.length}.gguf`)
  const metadata = Object.entries(keys).map(([key, value]) => {
    const typed =
      key === 'scores' ? new Float32Array(value) : key === 'token_type' ? new Int32Array(value) : value
    return [`tokenizer.ggml.${key}`, typed]
  })
  writeFileSync(
    file,
    ggufBytes(
      {
        ...tinyMetadata,
        'llama.attention.layer_norm_rms_epsilon': 0.5 ** 20,
        ...Object.fromEntries(metadata),
      },
      new Map(),
    ),
  )
  const model = await llama.loadModel({ modelPath: file, vocabOnly: true })
  const { bos, eos, shouldPrependBosToken, shouldAppendEosToken } = model.tokens
  table.push({
    name,
    keys,
    ...{ bos, eos, addsBos: shouldPrependBosToken, addsEos: shouldAppendEosToken },
    ids: texts.map(text => [[...model.tokenize(text, true)], [...model.tokenize(text, false)]]),
  })
  await model.dispose()
}
rmSync(folder, { recursive: true })

// Vocabularies are written once, and each tokenizer as its difference from one of them.
const bases = { llama: tokenizers.llama, gpt2: bpe('gpt-2') }
const rows = table.map(({ keys, ...row }) => {
  const { tokens, scores, token_type, merges, ...rest } = keys
  const base = bases[keys.model]
  const more = tokens.slice(base.tokens.length).map((text, i) => [text, token_type[base.tokens.length + i]])
  return JSON.stringify({ ...row, keys: rest, more })
})
const { release } = llama.llamaCppRelease
writeFileSync(
  process.argv[2],
  `{"llama.cpp": ${JSON.stringify(release)},\n"texts": ${JSON.stringify(texts)},\n"vocabularies": ${JSON.stringify(bases)},\n"tokenizers": [\n${rows.join(',\n')}\n]}\n`,
)
console.log(`${rows.length} tokenizers, ${statSync(process.argv[2]).size} bytes`)
process.exit(0)
