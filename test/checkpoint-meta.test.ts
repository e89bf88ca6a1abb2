// Meta's own layout: how ranks come together, what is refused, where the tokenizer is.
import assert from 'node:assert/strict'
import { basename, join } from 'node:path'
import { openCheckpoint } from '../src/checkpoint/open.ts'
import type { ErrorCode } from '../src/errors.ts'
import { ggufBytes, tinyMetadata, tinyTensors, withFolder, writeFiles } from './checkpoint-files.ts'
import { type Files, metaParams as params, metaShapes as shapes, torchFile } from './meta-files.ts'
import { bytePieces, sentencePieceModel } from './tokenizer-files.ts'
import { bytes, stateDict, torchLegacy } from './torch-files.ts'

const rankFiles = (ranks: Record<string, number[]>[]): Files =>
  Object.fromEntries(ranks.map((rank, i) => [`consolidated.0${i}.pth`, torchFile(rank)]))

const open = (files: Files) =>
  withFolder(dir => {
    writeFiles(dir, { 'params.json': params, ...files })
    return openCheckpoint(dir)
  })

describe("Meta's layout: ranks", () => {
  for (const [ranks, embedding] of [
    [1, 'columns'],
    [2, 'columns'],
    [2, 'rows'],
  ] as const)
    it(`joins ${ranks} rank(s), the embedding by ${embedding}`, async () => {
      const { config, tensors, warnings, storedTypes, format } = await open(
        rankFiles(Array.from({ length: ranks }, () => shapes(ranks, { embedding }))),
      )
      assert.deepEqual(
        { format, storedTypes, warnings },
        { format: 'meta', storedTypes: 'BF16', warnings: [] },
      )
      assert.equal(config.vocabSize, 10)
      assert.ok(!config.tiedHead)
      const layout = new Map(tensors.map(({ name, axis, parts, shape }) => [name, { axis, parts, shape }]))
      for (const { name, type, shape } of [...tinyTensors()].map(([name, tensor]) => ({ name, ...tensor }))) {
        const { axis, parts, shape: own } = layout.get(name)!
        const want = shape.map(n => (n === 12 ? 24 : n))
        assert.deepEqual(own, want, `${name} ${type}`)
        const isNorm = shape.length === 1
        assert.equal(parts.length, isNorm ? 1 : ranks, name)
        if (isNorm) continue
        const isColumns = /o_proj|down_proj/.test(name) || (embedding === 'columns' && /embed/.test(name))
        if (ranks > 1) assert.equal(axis, isColumns ? 1 : 0, name)
        assert.deepEqual(
          parts.map(({ file }) => basename(file)),
          ['consolidated.00.pth', 'consolidated.01.pth'].slice(0, ranks),
        )
        assert.deepEqual(
          parts[0]!.shape,
          want.map((n, i) => (i === Number(isColumns) ? n / ranks : n)),
          name,
        )
        assert.equal(
          parts.every(part => !!part.ropeInterleaved),
          /[qk]_proj/.test(name),
          name,
        )
      }
    })

  it('takes the keys and values of a head once where more ranks than heads hold them', async () => {
    const { tensors } = await open({
      'params.json': { ...params, n_kv_heads: 1 },
      ...rankFiles([shapes(2, { kvRows: 4 }), shapes(2, { kvRows: 4 })]),
    })
    const files = (name: string) =>
      tensors.find(tensor => tensor.name.includes(name))!.parts.map(({ file }) => basename(file))
    assert.deepEqual(files('k_proj'), ['consolidated.00.pth'])
    assert.deepEqual(files('v_proj'), ['consolidated.00.pth'])
    assert.equal(files('q_proj').length, 2)
  })

  it('ties the head to the embedding where there is no output', async () => {
    const { 'output.weight': _, ...rest } = shapes()
    assert.ok((await open(rankFiles([rest]))).config.tiedHead)
  })

  it('reads the format before torch 1.6', async () => {
    const names = Object.keys(shapes())
    const tensors = new Map(names.map(name => [name, { type: 'F16', shape: shapes()[name]! }]))
    const storages = names.map((name, i): [string, number, Buffer] => {
      const elements = shapes()[name]!.reduce((a, b) => a * b, 1)
      return [`${i}`, elements, Buffer.alloc(2 * elements)]
    })
    const opened = await open({ 'consolidated.00.pth': torchLegacy(stateDict(tensors), storages) })
    assert.equal(opened.storedTypes, 'F16')
  })

  it('warns of tensors that nobody reads, but not of the table of RoPE', async () => {
    const { warnings } = await open(rankFiles([{ ...shapes(), 'score.weight': [3] }]))
    assert.deepEqual(warnings, ['consolidated.00.pth: not used (1): ["score.weight"]'])
  })

  const two = () => [shapes(2), shapes(2)] as const
  const refused: [name: string, files: Files, code: ErrorCode, message: RegExp][] = [
    [
      'no weights',
      {},
      'CHECKPOINT_NOT_FOUND',
      /has params\.json, but no consolidated\.00\.pth\. Is the download complete\?$/,
    ],
    [
      'a rank that is missing',
      { 'consolidated.00.pth': torchFile(shapes(2)), 'consolidated.02.pth': torchFile(shapes(2)) },
      'CHECKPOINT_NOT_FOUND',
      /has consolidated\.00\.pth, consolidated\.02\.pth, but no consolidated\.01\.pth/,
    ],
    [
      'the first rank alone of two',
      rankFiles([shapes(2, { embedding: 'rows' })]),
      'TENSOR_SHAPE',
      /^consolidated\.00\.pth: "layers\.0\.attention\.wq\.weight" is \[4, 8\]; params\.json \(n_heads, dim \/ n_heads, dim\) asks for \[8, 8\]/,
    ],
    [
      'a rank too many',
      rankFiles([...two(), shapes(2)]),
      'TENSOR_SHAPE',
      /^consolidated\.00\.pth: "tok_embeddings\.weight" is \[10, 12\], in 3 files together; params\.json \(vocab_size, dim\) asks for \[10, 8\]/,
    ],
    [
      'ranks of other shapes',
      rankFiles([shapes(2), { ...shapes(2), 'layers.0.attention.wo.weight': [8, 2] }]),
      'TENSOR_SHAPE',
      /^consolidated\.01\.pth: "layers\.0\.attention\.wo\.weight" is BF16 \[8, 2\]; in consolidated\.00\.pth it is BF16 \[8, 4\]/,
    ],
    [
      'norms that differ in size',
      rankFiles([shapes(2), { ...shapes(2), 'norm.weight': [4] }]),
      'TENSOR_SHAPE',
      /^consolidated\.01\.pth: "norm\.weight" is BF16 \[4\]; in consolidated\.00\.pth it is BF16 \[8\]/,
    ],
    [
      'ranks of other types',
      { 'consolidated.00.pth': torchFile(shapes(2)), 'consolidated.01.pth': torchFile(shapes(2), 'F32') },
      'TENSOR_SHAPE',
      /^consolidated\.01\.pth: "tok_embeddings\.weight" is F32 \[10, 4\]; in consolidated\.00\.pth it is BF16/,
    ],
    [
      'a tensor that one rank lacks',
      rankFiles([
        shapes(2),
        Object.fromEntries(Object.entries(shapes(2)).filter(([name]) => !/w3/.test(name))),
      ]),
      'TENSOR_MISSING',
      /^consolidated\.01\.pth: no tensor "layers\.0\.feed_forward\.w3\.weight", which consolidated\.00\.pth has/,
    ],
    [
      'a tensor that no rank has',
      rankFiles([Object.fromEntries(Object.entries(shapes()).filter(([name]) => !/embeddings/.test(name)))]),
      'TENSOR_MISSING',
      /^consolidated\.00\.pth: no tensor "tok_embeddings\.weight", which every LLaMA has/,
    ],
    [
      'a missing layer',
      { 'params.json': { ...params, n_layers: 2 }, ...rankFiles([shapes()]) },
      'TENSOR_MISSING',
      /no tensor "layers\.1\.attention_norm\.weight", which params\.json \(n_layers = 2\) asks for/,
    ],
    [
      'a multiplier of another model',
      { 'params.json': { ...params, ffn_dim_multiplier: 2 }, ...rankFiles([shapes()]) },
      'TENSOR_SHAPE',
      /"layers\.0\.feed_forward\.w1\.weight" is \[24, 8\]; params\.json \(dim, multiple_of, ffn_dim_multiplier, dim\) asks for \[44, 8\]/,
    ],
    [
      'a pickle that is none',
      { 'consolidated.00.pth': bytes('no pickle') },
      'CHECKPOINT_CORRUPT',
      /^consolidated\.00\.pth: begins with "no pickl"/,
    ],
    [
      'a GGUF beside it',
      { ...rankFiles([shapes()]), 'a.gguf': ggufBytes(tinyMetadata, tinyTensors()) },
      'CHECKPOINT_UNSUPPORTED',
      /holds consolidated\.00\.pth, params\.json, a\.gguf; name the \.gguf file/,
    ],
  ]
  for (const [name, files, code, message] of refused)
    it(`refuses ${name}`, () => assert.rejects(open(files), { code, message }))

  it('refuses ranks without params.json, and a single file', () =>
    withFolder(async dir => {
      writeFiles(dir, rankFiles([shapes()]))
      await assert.rejects(openCheckpoint(dir), {
        code: 'CHECKPOINT_NOT_FOUND',
        message: /params\.json: no such file/,
      })
      await assert.rejects(openCheckpoint(join(dir, 'consolidated.00.pth')), {
        code: 'CHECKPOINT_UNSUPPORTED',
        message: /Meta's params\.json and consolidated\.00\.pth .*Give the folder that holds it$/,
      })
    }))
})

describe("Meta's layout: tokenizers", () => {
  const model = sentencePieceModel([['<unk>', 0, 2], ['<s>', 0, 3], ['</s>', 0, 3], ...bytePieces])
  const tiktoken = 'IQ== 0\nIg== 1\nIw== 2\n'
  const rows: [
    name: string,
    files: Files,
    kind: string | undefined,
    file: string | undefined,
    warning?: RegExp,
  ][] = [
    ['none', {}, undefined, undefined],
    [
      'a SentencePiece model',
      { 'original/tokenizer.model': model },
      'tokenizer.model',
      'original/tokenizer.model',
    ],
    [
      'one in the folder above',
      { 'tokenizer.model': model },
      'tokenizer.model',
      'tokenizer.model',
      /^tokenizer\.model: taken from the folder above, /,
    ],
    [
      'its own before one above',
      { 'original/tokenizer.model': model, 'tokenizer.json': '{}' },
      'tokenizer.model',
      'original/tokenizer.model',
    ],
    [
      'a tiktoken file',
      { 'original/tokenizer.model': tiktoken },
      'tokenizer.model',
      'original/tokenizer.model',
    ],
    [
      'tokenizer.json beside a tiktoken file',
      { 'original/tokenizer.model': tiktoken, 'original/tokenizer.json': '{}' },
      'tokenizer.json',
      'original/tokenizer.json',
    ],
    [
      'a tiktoken file below a tokenizer.json',
      { 'original/tokenizer.model': tiktoken, 'tokenizer.json': '{}' },
      'tokenizer.model',
      'original/tokenizer.model',
    ],
  ]
  for (const [name, files, kind, file, warning] of rows)
    it(`finds ${name}`, () =>
      withFolder(async dir => {
        writeFiles(dir, {
          'original/params.json': params,
          'original/consolidated.00.pth': torchFile(shapes()),
          ...files,
        })
        const { tokenizer, warnings } = await openCheckpoint(join(dir, 'original'))
        assert.equal(tokenizer?.kind, kind)
        assert.equal(tokenizer?.file, file && join(dir, file))
        assert.equal(warnings.length, warning ? 1 : 0, warnings.join())
        if (warning) assert.match(warnings[0]!, warning)
      }))
})
