// Compares small tokenizer folders with transformers 5 (bench/peers/tokenizer_matrix.py): every difference has a reason and a witness.
import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { isDeepStrictEqual } from 'node:util'
import { findTokenizer } from '../src/checkpoint/huggingface/huggingface.ts'
import { loadTokenizer } from '../src/tokenizer/load.ts'
import { withFolder } from './checkpoint-files.ts'
import { carried } from './shared.ts'

interface Answer {
  ends: [bos: number | null, eos: number | null]
  /** The special tokens that are put before and after a text. */
  around: [before: number[], after: number[]]
  /** For each text its ids without those tokens, and the decoded ids with them: special tokens left out, and not. */
  rows: [ids: number[], skipped: string, whole: string][]
}

/** The parts of an answer that differ from transformers 5, with rows by their numbers. */
type Differing = { error?: string; rows?: Record<string, Answer['rows'][number]> } & Partial<
  Pick<Answer, 'ends' | 'around'>
>

interface Folder {
  name: string
  /** The files' contents, or the name of a vocabulary. */
  files: Record<string, unknown>
  expected: Answer
  'slow of transformers 4'?: Differing
  'fast of transformers 4'?: Differing
  sentencepiece?: { rows: [ids: number[], decoded: string][] }
}

interface Golden {
  texts: string[]
  vocabularies: Record<string, unknown>
  folders: Folder[]
}

type Witness = 'slow' | 'fast' | 'sentencepiece'

/**
 * The cases in which transformers 5 is not followed; docs/accuracy.md tells more. The right value is that of a witness, a
 * tokenizer of transformers 4 or sentencepiece for the same folder or another, or it is given here.
 */
interface Reason {
  why: string
  folders: RegExp
  part: 'ends' | 'around' | 'ids' | 'skipped' | 'whole'
  like: ([Witness, folder?: string] | { value: unknown })[]
}

const reasons: Reason[] = [
  {
    why: 'a tokenizer.model puts BOS first unless told not to, as in transformers 4',
    folders: /^model/,
    part: 'around',
    like: [['fast'], ['fast', 'model']],
  },
  {
    why: 'user-defined pieces are found in the normalised text, as in sentencepiece and the slow tokenizer of transformers 4',
    folders: /^model with user-defined pieces/,
    part: 'ids',
    like: [['slow']],
  },
  {
    why: 'a text that begins with a space gets another one before it, as in sentencepiece and transformers 4',
    folders: /^model.*, (Code)?Llama|^pieces prepend, (Code)?Llama/,
    part: 'ids',
    like: [
      ['slow'],
      ['fast'],
      ['slow', 'model, Llama, legacy False'],
      ['slow', 'model, Llama, legacy True'],
      ['fast', 'model, Llama, additional_special_tokens'],
    ],
  },
  {
    why: 'a stretch that begins with a space gets another one, as above; transformers 4 finds these words in other places',
    folders: /^model, Llama, tokens normalized$/,
    part: 'ids',
    like: [{ value: [298, 300, 298, 259, 269, 259, 298] }, { value: [300, 298, 259, 282, 298, 300] }],
  },
  {
    why: 'without settings <unk> in a text is text, as in sentencepiece',
    folders: /^model( |$)|^model, (added_tokens|special_tokens_map).json alone$/,
    part: 'ids',
    like: [['sentencepiece'], ['sentencepiece', 'model']],
  },
  {
    why: 'without settings an unknown token decodes as in sentencepiece',
    folders: /^model( |$)|^model, (added_tokens|special_tokens_map).json alone$/,
    part: 'skipped',
    like: [['sentencepiece'], ['sentencepiece', 'model']],
  },
  {
    why: 'without settings an unknown token decodes as in sentencepiece',
    folders: /^model( |$)|^model, (added_tokens|special_tokens_map).json alone$/,
    part: 'whole',
    like: [['sentencepiece'], ['sentencepiece', 'model']],
  },
  {
    why: 'without tokenizer_config.json BOS and EOS are those that LLaMA-like tokenizers have, as in transformers 4',
    folders: /^(pieces \w+|bytes)(, added_tokens.json alone)?$/,
    part: 'ends',
    like: [['fast']],
  },
  {
    why: 'the space before a text is that of tokenizer.json where no setting names it, as in transformers 4',
    folders: /^pieces (always|never|prepend), (Code)?Llama/,
    part: 'ids',
    like: [['fast']],
  },
  {
    why: 'add_bos_token: true counts where no post_processor puts BOS first',
    folders: /^bytes, Fast, add_bos True/,
    part: 'around',
    like: [{ value: [[1], []] }, { value: [[1], [2]] }],
  },
  {
    why: 'the token that post_processor puts first is BOS, also where tokenizer_config.json names none',
    folders: /^bytes, Fast, (bos_token (None|'')|no names)$/,
    part: 'ends',
    like: [{ value: [1, 2] }, { value: [1, null] }],
  },
  {
    why: 'a token that is looked for in the normalised text decodes to its own text, as in tokenizers before 0.23',
    folders: /^bytes, Fast, lower case$/,
    part: 'skipped',
    like: [['fast']],
  },
  {
    why: 'a token that is looked for in the normalised text decodes to its own text, as in tokenizers before 0.23',
    folders: /^bytes, Fast, lower case$/,
    part: 'whole',
    like: [['fast']],
  },
]

const file = carried('tokenizers', 'matrix.json')
const golden: Golden = JSON.parse(readFileSync(file, 'utf8'))
const folders = new Map(golden.folders.map(folder => [folder.name, folder]))

function witnessed(who: Witness, folder: Folder, part: Reason['part'], row: number): unknown {
  const column = ['ids', 'skipped', 'whole'].indexOf(part)
  if (who === 'sentencepiece') return folder.sentencepiece?.rows[row]?.[column === 0 ? 0 : 1]
  const differing = folder[`${who} of transformers 4`]
  if (differing?.error !== undefined) return undefined
  if (part === 'ends' || part === 'around') return differing?.[part] ?? folder.expected[part]
  return (differing?.rows?.[row] ?? folder.expected.rows[row])?.[column]
}

describe('tokenizer folders as transformers reads them', () => {
  const used = new Set<Reason>()

  function compare(folder: Folder, part: Reason['part'], row: number, found: unknown, expected: unknown) {
    if (isDeepStrictEqual(found, expected)) return
    const reason = reasons.find(
      ({ folders: names, part: own, like }) =>
        own === part &&
        names.test(folder.name) &&
        like.some(witness =>
          Array.isArray(witness)
            ? isDeepStrictEqual(
                found,
                witnessed(witness[0], folders.get(witness[1] ?? folder.name)!, part, row),
              )
            : isDeepStrictEqual(found, witness.value),
        ),
    )
    if (reason === undefined)
      assert.deepEqual(found, expected, `${part} of ${JSON.stringify(golden.texts[row])} (${row})`)
    else used.add(reason)
  }

  for (const folder of golden.folders) {
    it(folder.name, () =>
      withFolder(async dir => {
        for (const [name, value] of Object.entries(folder.files)) {
          const content = typeof value === 'string' ? golden.vocabularies[value] : value
          const isBinary = typeof content === 'string'
          writeFileSync(join(dir, name), isBinary ? Buffer.from(content, 'base64') : JSON.stringify(content))
        }
        const source = await findTokenizer(dir)
        assert.ok(source)
        const tokenizer = await loadTokenizer(source)
        const { ends, around, rows } = folder.expected
        compare(folder, 'ends', -1, [tokenizer.bosTokenId ?? null, tokenizer.eosTokenId ?? null], ends)
        const [plain, marked] = [tokenizer.encode('a'), tokenizer.encode('a', { addSpecialTokens: true })]
        const start = marked.findIndex((_, i) => isDeepStrictEqual(marked.slice(i, i + plain.length), plain))
        compare(folder, 'around', -1, [marked.slice(0, start), marked.slice(start + plain.length)], around)
        const { split_special_tokens } = (folder.files['tokenizer_config.json'] ?? {}) as Record<
          string,
          unknown
        >
        for (const [row, [ids, skipped, whole]] of rows.entries()) {
          const text = golden.texts[row]!
          const options = split_special_tokens === true ? {} : { parseSpecial: true }
          compare(folder, 'ids', row, tokenizer.encode(text, options), ids)
          const wholeIds = [...around[0], ...ids, ...around[1]]
          compare(folder, 'skipped', row, tokenizer.decode(wholeIds), skipped)
          compare(folder, 'whole', row, tokenizer.decode(wholeIds, { skipSpecialTokens: false }), whole)
        }
      }),
    )
  }

  it('takes every reason at least once', () => {
    assert.deepEqual(
      reasons.filter(reason => !used.has(reason)).map(reason => reason.why),
      [],
    )
  })
})
