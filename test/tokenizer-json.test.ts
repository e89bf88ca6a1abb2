// Tests tokenizer.json: added tokens, BOS by its rule, words, normalisation, decoding, and files that are wrong.
import assert from 'node:assert/strict'
import { loadTokenizer } from '../src/tokenizer/load.ts'
import { byteJson, isTokenizerError, type Json, loadJson, template } from './tokenizer-files.ts'

const bos: [string, number] = ['<s>', 262]
const eos: [string, number] = ['</s>', 263]

/** Makes a byteJson() and changes some of it. */
function changed(change: (json: Json) => void): Json {
  const json = byteJson()
  change(json)
  return json
}

describe('tokenizer.json: ids', () => {
  it('merges, parses special tokens, or takes them as text', async () => {
    const tokenizer = await loadJson(byteJson())
    const texts = (text: string, parseSpecial?: boolean) =>
      tokenizer
        .encode(text, parseSpecial === undefined ? {} : { parseSpecial })
        .map(id => tokenizer.tokenText(id))
    assert.deepEqual(texts('hello hello'), ['hello', 'Ġhello'])
    assert.deepEqual(texts('hello</s> wo'), ['hello', '</s>', 'Ġw', 'o'])
    assert.deepEqual(texts('</s>', false), ['<', '/', 's', '>'])
    assert.deepEqual([...tokenizer.specialTokens], [bos, eos])
    assert.deepEqual(tokenizer.encode(''), [])
  })

  it('replaces lone surrogates', async () => {
    const tokenizer = await loadJson(byteJson())
    assert.deepEqual(tokenizer.encode('a\ud800b\udc00'), tokenizer.encode('a\ufffdb\ufffd'))
    assert.equal(tokenizer.decode(tokenizer.encode('\udc00\ud800')), '\ufffd\ufffd')
  })

  const withToken = (flags: object, content = 'lo') =>
    changed(json => json.added_tokens.push({ id: 300, content, special: false, normalized: false, ...flags }))
  const flagRows: [flags: object, text: string, want: (string | 300)[]][] = [
    [{}, 'hello', ['he', 'l', 300]],
    [{ single_word: true }, 'hello lo', ['hello', 'Ġ', 300]],
    [{ single_word: true }, 'lo_', ['l', 'o', '_']],
    [{ lstrip: true }, 'he \u2003lo x', ['he', 300, 'Ġ', 'x']],
    [{ rstrip: true }, 'lo \t\u0085he', [300, 'he']],
    [{ rstrip: true }, 'lo\ufeffhe', [300, 'ï', '»', '¿', 'he']],
    [{ special: true }, 'lo', [300]],
  ]
  for (const [flags, text, want] of flagRows) {
    it(`finds an added token ${JSON.stringify(flags)} in ${JSON.stringify(text)}`, async () => {
      const tokenizer = await loadJson(withToken(flags))
      const got = tokenizer.encode(text).map(id => (id === 300 ? 300 : tokenizer.tokenText(id)))
      assert.deepEqual(got, want)
    })
  }

  it('looks for normalised added tokens in the normalised text', async () => {
    const json = withToken({ normalized: true }, 'Ünder')
    json.normalizer = { type: 'Sequence', normalizers: [{ type: 'NFC' }, { type: 'Lowercase' }] }
    const tokenizer = await loadJson(json)
    assert.deepEqual(tokenizer.encode('U\u0308NDER'), [300])
    assert.deepEqual(tokenizer.encode('HE'), tokenizer.encode('he'))
  })

  it('prefers the longest of the tokens that begin at a place', async () => {
    const json = withToken({}, '<s>x')
    assert.deepEqual((await loadJson(json)).encode('<s>x<s>'), [300, 262])
  })

  it('takes words whole where merges are ignored', async () => {
    const json = changed(json => {
      json.model.ignore_merges = true
      json.model.vocab.xyz = 300
    })
    const tokenizer = await loadJson(json)
    assert.deepEqual(tokenizer.encode('xyz'), [300])
    assert.deepEqual((await loadJson(changed(j => (j.model.vocab.xyz = 300)))).encode('xyz').length, 3)
  })

  it('merges a long word without spaces', async () => {
    const tokenizer = await loadJson(byteJson())
    const ids = tokenizer.encode('hello'.repeat(50_000))
    assert.equal(ids.length, 50_000)
    assert.equal(tokenizer.tokenText(ids[49_999]!), 'hello')
  })
})

describe('tokenizer.json: BOS and EOS', () => {
  const config = { bos_token: '<s>', eos_token: { content: '</s>', special: true } }
  const rows: [
    name: string,
    post: Json,
    config: Json,
    want: [boolean, number | undefined, number | undefined, number[]],
  ][] = [
    ['nothing said', null, undefined, [false, undefined, 263, []]],
    ['named, no template', null, config, [false, 262, 263, []]],
    ['add_bos_token', null, { ...config, add_bos_token: true }, [true, 262, 263, [262]]],
    [
      'add_bos_token false',
      template([bos], []),
      { ...config, add_bos_token: false },
      [true, 262, 263, [262]],
    ],
    ['a template', template([bos], []), undefined, [true, 262, 263, [262]]],
    ['a template with an end', template([bos], [eos]), undefined, [true, 262, 263, [262, 263]]],
    ['both', template([bos], []), { ...config, add_bos_token: true }, [true, 262, 263, [262]]],
    ['a template of the text alone', template([], []), config, [false, 262, 263, []]],
    [
      'a Sequence',
      { type: 'Sequence', processors: [{ type: 'ByteLevel' }, template([bos], [])] },
      undefined,
      [true, 262, 263, [262]],
    ],
    ['names that are null', null, { bos_token: null, eos_token: '' }, [false, undefined, undefined, []]],
    ['a config that names none', null, {}, [false, undefined, undefined, []]],
    ['the names of a class', null, { tokenizer_class: 'LlamaTokenizerFast' }, [false, 262, 263, []]],
    ['add_bos_token and no BOS', null, { add_bos_token: true }, [false, undefined, undefined, []]],
    [
      'names that the file lacks, which are added',
      null,
      { bos_token: '<b>', eos_token: { content: '<e>' } },
      [false, 264, 265, []],
    ],
  ]
  for (const [name, post, config, [addBos, bosTokenId, eosTokenId, around]] of rows) {
    it(`with ${name}`, async () => {
      const tokenizer = await loadJson(
        changed(json => (json.post_processor = post)),
        config,
      )
      assert.deepEqual(
        [tokenizer.addBos, tokenizer.bosTokenId, tokenizer.eosTokenId],
        [addBos, bosTokenId, eosTokenId],
      )
      assert.deepEqual(tokenizer.encode('', { addSpecialTokens: true }), around)
      assert.deepEqual(tokenizer.encode(''), [])
    })
  }
})

describe('tokenizer.json: refused with the file, the field and the value', () => {
  const rows: [name: string, json: Json, message: RegExp][] = [
    ['no JSON', '{"model": ', /tokenizer\.json: is not JSON: /],
    ['a list', [], /tokenizer\.json: the file is \[\]; expected an object/],
    ['bytes', Buffer.from([0xff, 0xfe, 0]), /tokenizer\.json: is not JSON: /],
    ['no model', {}, /model is missing; expected an object/],
    ['no vocabulary', changed(j => delete j.model.vocab), /model\.vocab is missing; expected an object/],
    [
      'a vocabulary in a list',
      changed(j => (j.model.vocab = ['a'])),
      /model\.vocab is \["a"\]; expected an object/,
    ],
    [
      'an id that is text',
      changed(j => (j.model.vocab.zz = '7')),
      /model\.vocab\.zz is "7"; expected a token id/,
    ],
    ['a negative id', changed(j => (j.model.vocab.zz = -1)), /model\.vocab\.zz is -1; expected a token id/],
    [
      'a huge id',
      changed(j => (j.model.vocab.zz = 2 ** 40)),
      /model\.vocab\.zz is 1099511627776; expected a token/,
    ],
    [
      'an id given twice',
      changed(j => (j.model.vocab.zz = 256)),
      /model\.vocab: id 256 is given to "zz" and to "he"/,
    ],
    ['no merges', changed(j => delete j.model.merges), /model\.merges is missing; expected a list/],
    [
      'a merge of three',
      changed(j => (j.model.merges[1] = 'a b c')),
      /model\.merges\[1\] is not a pair of tokens/,
    ],
    ['a merge of numbers', changed(j => (j.model.merges[0] = [1, 2])), /model\.merges\[0\] is not a pair/],
    [
      'a merge of unknown tokens',
      changed(j => j.model.merges.push('h zz')),
      /model\.merges\[6\] \("h", "zz"\) needs "zz", which is not in the vocabulary/,
    ],
    [
      'a merge into nothing',
      changed(j => j.model.merges.push(['z', 'z'])),
      /\("z", "z"\) needs "zz", which is not/,
    ],
    ['another model', changed(j => (j.model.type = 'Unigram')), /model\.type is "Unigram"; expected BPE/],
    ['dropout', changed(j => (j.model.dropout = 0.1)), /model\.dropout is 0\.1; expected none/],
    [
      'a subword prefix',
      changed(j => (j.model.continuing_subword_prefix = '##')),
      /continuing_subword_prefix is "##"/,
    ],
    [
      'an unknown token that is not there',
      changed(j => (j.model.unk_token = '?!')),
      /model\.unk_token is "\?!"/,
    ],
    [
      'an added token with the id of another',
      changed(j => (j.added_tokens[0].id = 256)),
      /added_tokens\[0\]: id 256 is given to "<s>" and to "he"/,
    ],
    [
      'an added token without text',
      changed(j => delete j.added_tokens[1].content),
      /added_tokens\[1\]\.content is missing/,
    ],
    [
      'an unknown pre-tokenizer',
      changed(j => (j.pre_tokenizer.type = 'Bert')),
      /pre_tokenizer\.type is "Bert"; expected Seq/,
    ],
    [
      'a pattern that has no equal',
      changed(j => {
        j.pre_tokenizer = { type: 'Split', pattern: { Regex: 'a(?(1)b|c)' }, behavior: 'Isolated' }
      }),
      /tokenizer\.json: pattern "a\(\?\(1\)b\|c\)" is not supported: Unsupported conditional/,
    ],
    [
      'an unknown normaliser',
      changed(j => (j.normalizer = { type: 'Bert' })),
      /normalizer\.type is "Bert"; expected/,
    ],
    ['no decoder', changed(j => delete j.decoder), /decoder is missing; expected an object/],
    [
      'an unknown order of decoders',
      changed(
        j => (j.decoder = { type: 'Sequence', decoders: [{ type: 'Fuse' }, { type: 'ByteFallback' }] }),
      ),
      /decoder\.decoders\[1\]\.type is "ByteFallback"; expected one of/,
    ],
    [
      'an unknown post-processor',
      changed(j => (j.post_processor = { type: 'Roberta' })),
      /post_processor\.type is "Rob/,
    ],
    [
      'a template without the text',
      changed(j => (j.post_processor = { ...template([], []), single: [] })),
      /post_processor\.single is \[\]; expected a place for the text/,
    ],
    [
      'a normaliser nested past the stack',
      JSON.stringify(byteJson()).replace(
        '"normalizer":null',
        `"normalizer":${'{"type":"Sequence","normalizers":['.repeat(20_000)}${']}'.repeat(20_000)}`,
      ),
      /tokenizer\.json: cannot be used: Maximum call stack/,
    ],
  ]
  for (const [name, json, message] of rows) {
    it(name, () => assert.rejects(loadJson(json), isTokenizerError(message)))
  }

  const configRows: [name: string, config: Json, message: RegExp][] = [
    ['a config that is no JSON', 'x', /tokenizer_config\.json: is not JSON/],
    [
      'an eos_token that is a number',
      { eos_token: 2 },
      /tokenizer_config\.json: eos_token is 2; expected an object/,
    ],
  ]
  for (const [name, config, message] of configRows) {
    it(name, () => assert.rejects(loadJson(byteJson(), config), isTokenizerError(message)))
  }

  it('a file that is not there', () =>
    assert.rejects(
      loadTokenizer({ kind: 'tokenizer.json', file: 'no/tokenizer.json' }),
      isTokenizerError(/^no\/tokenizer\.json: cannot be read: ENOENT/),
    ))

  it('a kind that is none, and a text that is none', async () => {
    const source = { kind: 'vocab.txt', file: 'x' } as unknown as Parameters<typeof loadTokenizer>[0]
    await assert.rejects(loadTokenizer(source), {
      code: 'INVALID_ARGUMENT',
      message: `source is {"kind":"vocab.txt","file":"x"}; expected a path, { kind, file } of kind 'tokenizer.json' or 'tokenizer.model', or { kind: 'gguf', file, metadata }`,
    })
    const gguf = { kind: 'gguf', file: 'x.gguf' } as unknown as Parameters<typeof loadTokenizer>[0]
    await assert.rejects(loadTokenizer(gguf), {
      code: 'INVALID_ARGUMENT',
      message: /or \{ kind: 'gguf', file, metadata \}$/,
    })
    const tokenizer = await loadJson(byteJson())
    assert.throws(() => tokenizer.encode(5 as unknown as string), {
      code: 'INVALID_ARGUMENT',
      message: 'the text is a number; expected a string',
    })
  })

  it('or loads, whatever one value is replaced by', async () => {
    const wrong = [null, 0, -1, 1.5, 1e300, '', 'x', true, [], {}, [[]], { type: 'Sequence' }]
    const paths = pathsOf(byteJson()).filter(path => path[1] !== 'vocab' || path.length < 4)
    let refused = 0
    for (const [i, path] of paths.entries()) {
      const json = byteJson()
      const parent = path.slice(0, -1).reduce((value, key) => value[key], json)
      parent[path.at(-1)!] = wrong[i % wrong.length]
      await loadJson(json).catch((error: unknown) => {
        isTokenizerError(/tokenizer\.json: /)(error)
        refused++
      })
    }
    assert.ok(refused > paths.length / 2, `${refused} of ${paths.length} refused`)
  })
})

/** Yields the path to every value in a tree. */
function pathsOf(value: Json, path: string[] = []): string[][] {
  if (typeof value !== 'object' || value === null) return [path]
  const inner = Object.keys(value).flatMap(key => pathsOf(value[key], [...path, key]))
  return path.length > 0 ? [path, ...inner] : inner
}
