// mt-llama chat on the embedded default: pipes and terminals, its commands, and answers that were cut.
import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { withFolder } from './checkpoint-files.ts'
import { cli, jsonLines, onTerminal } from './cli-run.ts'
import { skip } from './skip.ts'

describe('mt-llama chat', () => {
  it('answers each line of stdin, in either form', async () => {
    for (const template of ['checkpoint', 'release']) {
      const args = ['chat', '--template', template, '--max-tokens', '4', '--json', '--quiet']
      const { code, stdout, stderr } = await cli(args, { stdin: 'hello\n\nand you?\n' })
      assert.deepEqual([code, stderr], [0, ''])
      const lines = jsonLines(stdout)
      assert.deepEqual(
        lines.map(line => [line.role, typeof line.content]),
        [
          ['assistant', 'string'],
          ['assistant', 'string'],
        ],
      )
    }
  })

  it('takes commands: /help, /save FILE, /reset, /exit', () =>
    withFolder(async folder => {
      const [saved, again] = [join(folder, 'chat.json'), join(folder, 'again.json')]
      const lines = [
        '/help',
        'hello',
        `/save ${saved}`,
        'more',
        `/save  ${saved} `,
        '/reset',
        '/reset it',
        `/save ${again}`,
      ]
      const args = ['chat', '--template', 'release', '--max-tokens', '3', '--system', 'be kind', '--json']
      const { code, stdout, stderr } = await cli(args, {
        stdin: undefined,
        // The input stays open: /exit ends the program by itself.
        onStart: child => child.stdin!.write(`${[...lines, '/exit'].join('\n')}\n`),
      })
      assert.equal(code, 0, stderr)
      const answers = jsonLines(stdout).map(({ role, content }) => ({ role, content }))
      assert.equal(answers.length, 3)
      const system = { role: 'system', content: 'be kind' }
      const user = (content: string) => ({ role: 'user', content })
      const read = (path: string) => JSON.parse(readFileSync(path, 'utf8'))
      assert.deepEqual(read(saved), [system, user('hello'), answers[0], user('more'), answers[1]])
      // Only a command by itself is one.
      assert.deepEqual(read(again), [system, user('/reset it'), answers[2]])
      assert.match(stderr, /^\/reset +start over\n\/save FILE +write .*\n\/help +show .*\n\/exit +leave/m)
      assert.doesNotMatch(stderr, /cut/)
    }))

  it('replaces no file that it has not written, and goes on at a terminal', async function () {
    await withFolder(async folder => {
      const other = join(folder, 'other.json')
      writeFileSync(other, 'mine')
      const { code, stderr } = await cli(['chat', '--quiet'], { stdin: `/save ${other}\n` })
      assert.equal(code, 1)
      assert.match(stderr, /other\.json: is there already\. Name another file\. \[OUTPUT\]\n$/)
      const text = await onTerminal(
        ['chat', '--template', 'release'],
        [
          [/> $/, `/save ${other}\n`],
          [/is there already.*> $/s, '/save\n'],
          [/as in \/save chat\.json.*> $/s, '/exit\n'],
        ],
      )
      assert.equal(readFileSync(other, 'utf8'), 'mine')
      if (text === undefined) skip(this, 'no program script')
    })
  })

  it('says where an answer was cut', async () => {
    const chat = (...more: string[]) =>
      cli(['chat', '--template', 'release', '--max-tokens', '3', ...more], { stdin: 'hello\n' })
    const cut = await chat()
    assert.match(cut.stderr, /^\(cut at --max-tokens 3\)$/m)
    const whole = await chat('--stop', cut.stdout[0]!)
    assert.equal(whole.code, 0)
    assert.doesNotMatch(whole.stderr, /cut/)
  })

  it('goes on after a message that is too long, on a terminal', async function () {
    const refused =
      /the conversation: \d+ tokens leave no room .*Shorten it, or start over with \/reset.*> $/s
    const prompt = /> $/
    const text = await onTerminal(
      ['chat', '--template', 'release', '--max-tokens', '2'],
      [
        [prompt, `${'x'.repeat(3000)}\n`],
        [refused, '\x04'],
      ],
    )
    if (text === undefined) skip(this, 'no program script')
    assert.match(text, /Shorten it, or start over with \/reset/)
  })
})
