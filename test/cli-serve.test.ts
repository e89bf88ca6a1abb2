// mt-llama serve as a program: says where it listens, answers, and ends well at a signal.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { type AddressInfo, createServer } from 'node:net'
import { join } from 'node:path'
import { withFolder } from './checkpoint-files.ts'
import { type CliResult, cli } from './cli-run.ts'
import { post } from './server-run.ts'

/** Runs it on a free port. @param body asks it; then it has a SIGTERM */
async function serve(args: readonly string[], body: (url: string) => Promise<void>): Promise<CliResult> {
  let failure: unknown
  const result = await cli(['serve', '--port', '0', ...args], {
    onStart: child => {
      let stdout = ''
      child.stdout!.on('data', text => {
        const isFirst = stdout === ''
        stdout += text
        if (!isFirst) return
        const [url] = /http:[^\s"]+/.exec(stdout)!
        body(url)
          .catch(error => {
            failure = error
          })
          .finally(() => child.kill('SIGTERM'))
      })
    },
  })
  if (failure) throw failure
  return result
}

describe('mt-llama serve', () => {
  it('names its address, answers, and ends well at SIGTERM', async () => {
    const { code, stdout, stderr } = await serve([], async url => {
      const { status, json } = await post(`${url}/v1/completions`, { prompt: 'Hi', max_tokens: 3 })
      assert.equal(status, 200)
      assert.equal(json.model, 'model')
    })
    assert.equal(code, 0)
    assert.match(stdout, /^http:\/\/127\.0\.0\.1:\d+\n$/)
    assert.match(stderr, /"route":"\/v1\/completions","status":200/)
  })

  it('takes keys of a file, a name and --json', () =>
    withFolder(async dir => {
      const file = join(dir, 'keys')
      writeFileSync(file, 'one\n\ntwo\n')
      const args = [
        '--api-key-file',
        file,
        '--api-key',
        'three',
        '--served-name',
        'mine',
        '--json',
        '--quiet',
      ]
      const { code, stdout, stderr } = await serve(args, async url => {
        for (const key of ['one', 'two', 'three']) {
          const found = await fetch(`${url}/v1/models`, { headers: { authorization: `Bearer ${key}` } })
          const { data } = (await found.json()) as { data: { id: string }[] }
          assert.equal(data[0]!.id, 'mine')
        }
        assert.equal((await fetch(`${url}/v1/models`)).status, 401)
      })
      assert.equal(code, 0)
      assert.ok(JSON.parse(stdout).url)
      assert.equal(stderr, '')
    }))

  it('warns where others can reach it without a key', async () => {
    const { stderr } = await serve(['--host', '0.0.0.0'], async () => {})
    assert.match(stderr, /warning: 0\.0\.0\.0 may be reached from other machines, and no key is needed/)
  })

  it('says why it cannot listen, and which keys it cannot read', () =>
    withFolder(async dir => {
      const file = join(dir, 'keys')
      writeFileSync(file, '\n \n')
      await using other = createServer().listen(0, '127.0.0.1')
      await once(other, 'listening')
      const { port } = other.address() as AddressInfo
      for (const [args, message] of [
        [
          ['--host', '203.0.113.1'],
          /^error: cannot listen on 203\.0\.113\.1, port 8080: EADDRNOTAVAIL\. \[OUTPUT\]$/m,
        ],
        [
          ['--port', `${port}`],
          /^error: cannot listen on 127\.0\.0\.1, port \d+: EADDRINUSE\. Another program has it; take another port, or 0/m,
        ],
        [['--api-key-file', join(dir, 'none')], /^error: .*none: ENOENT\. \[FILE_READ\]$/m],
        [['--api-key-file', file], /^error: .*keys has no key; expected one a line\. \[INVALID_ARGUMENT\]$/m],
        [['--api-key', ''], /Expected a key/],
      ] as const) {
        const { code, stderr } = await cli(['serve', ...args])
        assert.notEqual(code, 0)
        assert.match(stderr, message)
      }
    }))
})
