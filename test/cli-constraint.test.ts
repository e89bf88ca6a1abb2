// mt-llama generate and chat with --regex and --json-schema.
import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { withFolder } from './checkpoint-files.ts'
import { cli } from './cli-run.ts'
import { defaultModel } from './tiny-model.ts'

const model = ['--model', defaultModel, '--quiet'] as const
const hot = ['--temperature', '1.5', '--seed', '3'] as const

describe('--regex and --json-schema', () => {
  it('generate: the text of each prompt matches the expression', async () => {
    const args = ['generate', '--prompt', 'x', '--regex', '[a-z]{4}', ...hot, ...model]
    const { code, stdout, stderr } = await cli(args)
    assert.deepEqual([code, stderr], [0, ''])
    const { text, finishReason } = JSON.parse(stdout)
    assert.match(text, /^[a-z]{4}$/)
    assert.equal(finishReason, 'stop')
  })

  it('generate and chat: the text is JSON for the schema of the file', () =>
    withFolder(async dir => {
      const file = join(dir, 'schema.json')
      writeFileSync(file, '{"type": "array", "items": {"enum": ["a", "b"]}, "minItems": 2, "maxItems": 2}')
      const isRight = (text: string) => {
        const value: unknown = JSON.parse(text)
        assert.ok(
          Array.isArray(value) && value.length === 2 && value.every(item => 'ab'.includes(item)),
          text,
        )
      }
      const texts = await cli(['generate', '--prompt', 'x', '--json-schema', file, ...hot, ...model])
      assert.deepEqual([texts.code, texts.stderr], [0, ''])
      isRight(JSON.parse(texts.stdout).text)
      const chat = ['chat', '--template', 'release', '--json', '--json-schema', file, ...hot, ...model]
      const answers = await cli(chat, { stdin: 'Hello\nAgain\n' })
      assert.equal(answers.code, 0, answers.stderr)
      const lines = answers.stdout.trim().split('\n')
      assert.equal(lines.length, 2)
      for (const line of lines) isRight(JSON.parse(line).content)
    }))

  it('what is wrong is told before a model is loaded, by flag or file', () =>
    withFolder(async dir => {
      const file = join(dir, 'schema.json')
      const rows: [content: string | undefined, args: string[], code: number, message: RegExp][] = [
        [
          undefined,
          ['--regex', 'a(b'],
          2,
          /--regex: regex is "a\(b": at character 3 it has a group without its \)\./,
        ],
        [undefined, ['--json-schema', file], 1, /schema\.json: cannot be read/],
        ['{"type": ', ['--json-schema', file], 1, /schema\.json: is not JSON \(/],
        [
          '{"properties": {"x": {"format": "dates"}}}',
          ['--json-schema', file],
          1,
          /schema\.json: the schema: jsonSchema at #\/properties\/x has the "format" "dates"; supported are /,
        ],
        [
          '5',
          ['--json-schema', file],
          1,
          /schema\.json: the schema has the jsonSchema 5; expected a JSON schema/,
        ],
        ['{}', ['--json-schema', file, '--regex', 'a'], 2, /cannot be used with option/],
      ]
      for (const [content, args, code, message] of rows) {
        if (content !== undefined) writeFileSync(file, content)
        const result = await cli(['generate', '--prompt', 'x', '--model', join(dir, 'none'), ...args])
        assert.match(result.stderr, message)
        assert.equal(result.code, code, result.stderr)
      }
    }))

  it('an error of a text names the flag', async () => {
    const args = ['generate', '--prompt', 'x', '--regex', 'abc', '--logit-bias', '98=-Infinity', ...model]
    const { code, stderr } = await cli(args)
    assert.notEqual(code, 0)
    assert.match(
      stderr,
      /no token may come next. Of those that lead on by --regex the vocabulary has none, or --logit-bias bans them all/,
    )
  })
})
