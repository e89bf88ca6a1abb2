// What the command line says of each mistake, and the exit code.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { cpSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { withFolder } from './checkpoint-files.ts'
import { childLimit } from './child-limit.ts'
import { cli, jsonLines, root } from './cli-run.ts'

describe('mt-llama on bad input', () => {
  const score = (line: string) => ({
    args: ['score', '--quiet'],
    stdin: `{"prompt": "a", "continuations": ["b"]}\n${line}`,
  })
  const rows: { title: string; args: string[]; stdin?: string; code: number; message: RegExp }[] = [
    {
      title: 'no such command',
      args: ['evil'],
      code: 2,
      message: /error: unknown command 'evil'\n\(Did you mean eval\?\)/,
    },
    {
      title: 'no such option',
      args: ['eval', '--modle', 'x'],
      code: 2,
      message:
        /error: unknown option '--modle'\n\(Did you mean --model\?\)\n\n?\(mt-llama eval --help shows the options\)/,
    },
    {
      title: 'no such task',
      args: ['eval', '--tasks', 'copa,foo'],
      code: 2,
      message:
        /No task "foo"; there are xquad, .* rte, mnli_mismatched; in their languages .*, or one of these as xnli_de\. A file of your own ends in \.yaml\./,
    },
    {
      title: 'a limit of 0',
      args: ['eval', '--limit', '0'],
      code: 2,
      message: /Expected a whole number of at least 1\./,
    },
    {
      title: 'a limit that is no number',
      args: ['eval', '--limit', '1e3'],
      code: 2,
      message: /Expected a whole number of at least 1\./,
    },
    {
      title: 'an unknown dtype',
      args: ['info', '--dtype', 'int3'],
      code: 2,
      message: /unknown option '--dtype'/,
    },
    {
      title: 'a dtype that is none',
      args: ['eval', '--dtype', 'int3'],
      code: 2,
      message: /argument 'int3' is invalid\. Allowed choices are auto, float32, bfloat16, float16, fp32/,
    },
    {
      title: 'an adapter that is not there, after another',
      args: ['generate', '--adapter', '/nowhere/one', '--adapter', '/nowhere/two'],
      code: 1,
      message: /^error: \/nowhere\/one: no such folder \[CHECKPOINT_NOT_FOUND\]\n$/,
    },
    {
      title: 'a delta that is not there',
      args: ['score', '--delta', '/nowhere'],
      code: 1,
      message: /^error: \/nowhere: no such file or folder.* \[CHECKPOINT_NOT_FOUND\]\n$/s,
    },
    {
      title: 'a top-p above 1',
      args: ['generate', '--top-p', '1.5'],
      code: 2,
      message: /Expected a number above 0, at most 1\./,
    },
    {
      title: 'a top-p of 0',
      args: ['generate', '--top-p', '0'],
      code: 2,
      message: /argument '0' is invalid\. Expected a number above 0, at most 1\./,
    },
    {
      title: 'a temperature without end',
      args: ['chat', '--temperature', 'Infinity'],
      code: 2,
      message: /Expected a number from 0 to 1000\./,
    },
    {
      title: 'a bias without a token',
      args: ['generate', '--logit-bias', '-100'],
      code: 2,
      message: /Expected ID=X, X being a number from -100 to 100, or -Infinity\./,
    },
    {
      title: 'a seed past 2^53',
      args: ['generate', '--seed', '9007199254740993'],
      code: 2,
      message: /Expected a whole number from 0 to 9007199254740991\./,
    },
    {
      title: 'an empty stop text',
      args: ['generate', '--stop', ''],
      code: 2,
      message: /option '--stop <text>' argument '' is invalid\. Expected a text that is not empty\./,
    },
    {
      title: 'more threads than there may be',
      args: ['score', '--threads', '1025'],
      code: 2,
      message: /Expected a whole number from 0 to 1024\./,
    },
    {
      title: 'a number of threads that is not in digits',
      args: ['score', '--threads', '1e9'],
      code: 2,
      message: /Expected a whole number from 0 to 1024\./,
    },
    {
      title: 'no such device',
      args: ['score', '--device', 'gpu'],
      code: 2,
      message: /Expected auto, cpu, cuda, cuda:1 and so on, or reference\./,
    },
    {
      title: 'a mistake on the command line, for programs',
      args: ['eval', '--json', '--limit', '0'],
      code: 2,
      message:
        /^\{"error":\{"code":"USAGE","message":"option '--limit <n>' argument '0' is invalid\. .*\}\n$/,
    },
    {
      title: 'an unknown option, for programs',
      args: ['score', '--json', '--modle', 'x'],
      code: 2,
      message: /^\{"error":\{"code":"USAGE","message":"unknown option '--modle'.*\}\n$/,
    },
    {
      title: 'a model without a name',
      args: ['info', ''],
      code: 1,
      message: /^error: "": no such file or folder/,
    },
    {
      title: 'a model that is not there',
      args: ['eval', '--model', '/nowhere'],
      code: 1,
      message: /^error: \/nowhere: no such file or folder.* \[CHECKPOINT_NOT_FOUND\]\n$/s,
    },
    {
      title: 'a name on the hub, where none is taken',
      args: ['convert', 'meta-llama/Llama-2-7b-hf', 'converted'],
      code: 1,
      message:
        /^error: meta-llama\/Llama-2-7b-hf: no such file or folder\. If the Hugging Face hub has it, `mt-llama pull meta-llama\/Llama-2-7b-hf` downloads it and prints its folder, which pullModel\(\) of the API resolves with \[CHECKPOINT_NOT_FOUND\]\n$/,
    },
    {
      title: "a file of a checkpoint's folder",
      args: ['info', 'default/model/config.json'],
      code: 1,
      message: /: not a checkpoint; .*\. Give the folder that holds it \[CHECKPOINT_UNSUPPORTED\]\n$/,
    },
    {
      title: 'a data folder that is not there, said before a model is loaded',
      args: ['eval', '--quiet', '--data-dir', '/nowhere', '--model', '/nowhere'],
      code: 1,
      message:
        /^error: XQuAD-en: no data in \/nowhere\/xquad: the data folder \/nowhere does not exist\. Looked for: xquad\.en, xquad\.en\/validation, validation, test .*\[DATA_NOT_FOUND\]\n$/,
    },
    {
      title: 'the folder of one task where the folder of all belongs',
      args: ['eval', '--quiet', '--data-dir', 'default/data/copa', '--tasks', 'copa'],
      code: 1,
      message:
        /^error: COPA: no data in .*\. \S*\/default\/data\/copa holds validation\.jsonl itself, as the folder of one task does; give --data-dir \S*\/default\/data, the folder around it, and choose by --tasks: copa\. \[DATA_NOT_FOUND\]\n$/,
    },
    {
      title: 'a folder of rows that has the name of no task',
      args: ['eval', '--quiet', '--data-dir', 'test/golden/metrics', '--tasks', 'copa'],
      code: 1,
      message:
        /^error: COPA: .*\. \S*\/metrics holds mlqa\.jsonl, squad\.jsonl itself, as the folder of one task does; expected one folder a task, as \S*\/metrics\/copa, of which --tasks chooses\. \[DATA_NOT_FOUND\]\n$/,
    },
    {
      title: 'a data folder that has other tasks only',
      args: ['eval', '--quiet', '--data-dir', 'default/data', '--tasks', 'xnli_de', '--protocol', 'release'],
      code: 1,
      message:
        /^error: XNLI-de: no data in .*\. It has data of: xquad, tydiqa, .*, rte; --tasks chooses\. \[DATA_NOT_FOUND\]\n$/,
    },
    {
      title: 'a checkpoint that is named twice',
      args: ['info', 'default/model', '--model', 'default/model'],
      code: 1,
      message:
        /^error: default\/model and --model default\/model both name a checkpoint; give one\. \[INVALID_ARGUMENT\]\n$/,
    },
    {
      title: 'a data folder that is a file',
      args: ['eval', '--quiet', '--data-dir', '/dev/null'],
      code: 1,
      message: /^error: XQuAD-en: no data in \/dev\/null\/xquad: \/dev\/null is a file, not a data folder\. /,
    },
    {
      title: 'a folder without a checkpoint to convert',
      args: ['convert', '/', 'converted'],
      code: 1,
      message: /^error: \/: no checkpoint in this folder; expected .* \[CHECKPOINT_NOT_FOUND\]\n$/,
    },
    {
      title: 'a size of shards without a unit',
      args: ['convert', 'model.gguf', 'converted', '--shard-size', '5'],
      code: 2,
      message: /argument '5' is invalid\. Expected a size such as 500MB, 5GB or 2GiB\./,
    },
    {
      title: 'a folder to convert to without a name',
      args: ['convert', 'model.gguf', ''],
      code: 2,
      message: /'' is invalid for argument 'out'\. Expected the name of a folder\./,
    },
    {
      title: 'an out folder without a name',
      args: ['eval', '--out', ''],
      code: 2,
      message: /option '--out <dir>' argument '' is invalid\. Expected the name of a folder\./,
    },
    {
      title: 'a data folder without a name',
      args: ['eval', '--data-dir', ''],
      code: 2,
      message: /option '--data-dir <dir>' argument '' is invalid\. Expected the name of a folder\./,
    },
    {
      title: 'an out folder that is a file',
      args: ['eval', '--quiet', '--out', '/dev/null'],
      code: 1,
      message:
        /^error: \/dev\/null\/samples: a part of the path is a file, not a folder\. Name another --out folder\. \[OUTPUT\]\n$/,
    },
    {
      title: 'an out folder where none can be made',
      args: ['eval', '--quiet', '--out', '/proc/run'],
      code: 1,
      message:
        /^error: \/proc\/run\/samples: it cannot be made there; the file system may be read-only\..*\[OUTPUT\]\n$/,
    },
    {
      title: 'a requests file that is not there, said before a model is loaded',
      args: ['score', '--model', '/nowhere', '/nowhere.jsonl'],
      code: 1,
      message:
        /^error: \/nowhere\.jsonl: no such file\. Name a JSONL file, or - for stdin\. \[DATA_NOT_FOUND\]\n$/,
    },
    {
      title: 'a requests file that is a folder',
      args: ['generate', '--model', '/nowhere', '/'],
      code: 1,
      message: /^error: \/: is a folder, not a JSONL file/,
    },
    {
      title: 'a broken line',
      ...score('{"prompt": '),
      code: 1,
      message: /^error: stdin:2: not JSON \(.*\); expected one object a line\. \[DATA_INVALID\]\n$/,
    },
    {
      title: 'a line without prompt',
      ...score('{"continuations": ["b"]}'),
      code: 1,
      message: /stdin:2: no "prompt"; expected a text or a list of token ids\./,
    },
    {
      title: 'a prompt of another type',
      ...score('{"prompt": 5, "continuations": ["b"]}'),
      code: 1,
      message: /stdin:2: "prompt" is 5; expected a text or a list of token ids\./,
    },
    {
      title: 'no continuations',
      ...score('{"prompt": "a", "continuations": []}'),
      code: 1,
      message:
        /stdin:2: "continuations" is \[\]; expected a list of texts or of lists of token ids, at least one\./,
    },
    {
      title: 'an empty continuation',
      ...score('{"prompt": "a", "continuations": ["b", ""]}'),
      code: 1,
      message: /stdin:2: "continuations\[1\]" is ""; expected at least one character or id\./,
    },
    {
      title: 'a misspelt field',
      ...score('{"promt": "a", "continuations": ["b"]}'),
      code: 1,
      message: /stdin:2: no "prompt"; expected a text or a list of token ids\./,
    },
    {
      title: 'an id out of range',
      ...score('{"prompt": [999], "continuations": ["b"]}'),
      code: 1,
      message: /999.*\[TOKEN_OUT_OF_RANGE\]/,
    },
    {
      title: 'a request longer than the context',
      ...score(JSON.stringify({ prompt: 'x'.repeat(3000), continuations: ['b'] })),
      code: 1,
      message:
        /^error: stdin:2, continuation 0: 3001 prompt tokens .*\. Shorten it, or give --too-long truncate-left, truncate-right or skip \[CONTEXT_LENGTH\]\n$/,
    },
    {
      title: 'a prompt longer than the context',
      args: ['generate', '--quiet'],
      stdin: `\n{"prompt": "a"}\n${JSON.stringify({ prompt: 'x'.repeat(3000) })}`,
      code: 1,
      message: /^error: stdin:3: 3001 tokens leave no room for 1 new; .*give --too-long truncate-left/,
    },
    {
      title: 'more alternatives than the vocabulary has',
      args: ['score', '--quiet', '--top-k', '9999'],
      code: 1,
      message: /^error: --top-k is 9999; expected an integer from 0 to 258 \[INVALID_ARGUMENT\]\n$/,
    },
    {
      title: 'a conversation longer than the context, where there is no option for it',
      args: ['chat', '--quiet', '--template', 'release'],
      stdin: 'x'.repeat(3000),
      code: 1,
      message:
        /^error: the conversation: \d+ tokens leave no room .* positions\. Shorten it \[CONTEXT_LENGTH\]\n$/,
    },
    {
      title: 'an error for programs',
      args: ['eval', '--json', '--model', '/nowhere', '--quiet'],
      code: 1,
      message: /^\{"error":\{"code":"CHECKPOINT_NOT_FOUND","message":"\/nowhere: no such file or folder/,
    },
  ]
  for (const { title, args, stdin, code, message } of rows) {
    it(title, async () => {
      const result = await cli(args, stdin === undefined ? {} : { stdin })
      assert.match(result.stderr, message)
      assert.doesNotMatch(result.stderr, /\n +at /)
      assert.equal(result.code, code)
    })
  }

  it('a tokenizer that is broken is told with its code once', () =>
    withFolder(async dir => {
      cpSync('default/model', dir, { recursive: true })
      writeFileSync(join(dir, 'tokenizer.json'), '[]')
      const { stderr } = await cli(['info', dir])
      assert.equal(stderr, `error: ${dir}/tokenizer.json: the file is []; expected an object [TOKENIZER]\n`)
    }))

  it('MT_LLAMA_DEBUG=1 shows the stack', async () => {
    const { stderr } = await cli(['info', '/nowhere'], { env: { MT_LLAMA_DEBUG: '1' } })
    assert.match(stderr, /\n +at (async )?openCheckpoint/)
  })

  it('an error ends the program though more lines may come', async () => {
    const long = await cli(['generate', '--quiet'], {
      stdin: undefined,
      onStart: child => child.stdin!.write(`${JSON.stringify({ prompt: 'x'.repeat(3000) })}\n`),
    })
    assert.equal(long.code, 1)
    // The model fails while the program waits for the next line.
    const script = `
      import { chooseInput } from './src/cli/input.ts'
      import { answerLines } from './src/cli/json-lines.ts'
      const ask = async function* (requests) {
        const lines = requests[Symbol.asyncIterator]()
        await lines.next()
        lines.next().catch(() => {})
        throw new Error('of the model')
      }
      const io = { signal: new AbortController().signal, sayAtStop: () => {} }
      const answers = { takeFound: () => false }
      const job = { io, answers, input: await chooseInput('-', undefined), options: { onError: 'stop' } }
      answerLines(job, { fields: [], parse: line => line, ask }).catch(() => (process.exitCode = 7))`
    const child = spawn(process.execPath, ['--import', 'tsx', '--input-type=module', '--eval', script], {
      ...childLimit,
      cwd: root,
      stdio: ['pipe', 'inherit', 'inherit'],
    })
    child.stdin.write('{}\n')
    const [code] = await once(child, 'close')
    assert.equal(code, 7)
  })

  it('what comes before a line that is broken or too long is answered first', async () => {
    const long = 'x'.repeat(3000)
    const prompts = ['a', 'b', long, 'c'].map(prompt => JSON.stringify({ prompt })).join('\n')
    for (const [{ args, stdin }, answered] of [
      [score('{"prompt": '), 1],
      [score(JSON.stringify({ prompt: long, continuations: ['b'] })), 1],
      [{ args: ['generate', '--quiet', '--max-tokens', '3'], stdin: prompts }, 2],
    ] as const) {
      const { code, stdout } = await cli(args, { stdin })
      assert.deepEqual([code, jsonLines(stdout).length], [1, answered])
    }
  })
})
