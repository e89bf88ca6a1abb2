// mt-llama score on a model that gives NaN: an error that names the line, or null where that is asked for.
import assert from 'node:assert/strict'
import { cli, jsonLines } from './cli-run.ts'
import { randomTinyTensors, withTinyModel } from './tiny-model.ts'

/** Weights that are finite, though what the norms scale is not. */
const tensors = randomTinyTensors((name, values) => {
  if (name.includes('norm')) values.fill(1e38)
})
const stdin = ['a', 'b']
  .map(id => JSON.stringify({ id, prompt: [2], continuations: [[3], [4, 5]] }))
  .join('\n')
const score = (...more: string[]) => run('score', '--top-k', '1', ...more)

function run(command: string, ...more: string[]) {
  return withTinyModel({ tensors }, (_, dir) =>
    cli([command, '--model', dir, '--quiet', '--dtype', 'float32', ...more], { stdin }),
  )
}

describe('mt-llama score, of scores that are NaN', () => {
  it('is an error that names the line, the cause and the way out', async () => {
    const { code, stdout, stderr } = await score()
    assert.deepEqual([code, stdout], [1, ''])
    assert.equal(
      stderr,
      'error: stdin:1, continuation 0: a log-probability is NaN or infinite. Most likely the checkpoint is broken; --allow-nan prints null for such a number and goes on. [SCORE_NOT_FINITE]\n',
    )
  })

  it('prints null under --allow-nan', async () => {
    const { code, stdout } = await score('--allow-nan')
    assert.equal(code, 0)
    const answers = jsonLines(stdout)
    assert.deepEqual(
      answers.map(answer => answer.id),
      ['a', 'b'],
    )
    for (const { continuations } of answers)
      for (const { logLikelihood, tokenLogProbs, isGreedy } of continuations)
        assert.deepEqual([logLikelihood, tokenLogProbs[0], isGreedy], [null, null, false])
  })

  it('is the error of its line under --on-error skip, of generate too', async () => {
    for (const command of ['score', 'generate']) {
      const { code, stdout } = await run(command, '--on-error', 'skip')
      assert.equal(code, 0)
      assert.deepEqual(
        jsonLines(stdout).map(({ id, error }) => [id, error.code, error.message.slice(0, 7)]),
        [
          ['a', 'SCORE_NOT_FINITE', 'stdin:1'],
          ['b', 'SCORE_NOT_FINITE', 'stdin:2'],
        ],
      )
    }
  })
})
