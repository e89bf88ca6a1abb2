// Runs the programs in examples/ as their first lines say.
import { strict as assert } from 'node:assert'
import { spawnSync } from 'node:child_process'
import { readdirSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { childLimit } from './child-limit.ts'
import { shared, sharedMissing } from './shared.ts'
import { skip } from './skip.ts'
import { defaultModel } from './tiny-model.ts'

const root = fileURLToPath(new URL('..', import.meta.url))

function run(example: string, args: string[], input = ''): string[] {
  const command = ['--import', 'tsx', `examples/${example}.ts`, ...args]
  const { stdout, stderr, status } = spawnSync(process.execPath, command, {
    ...childLimit,
    cwd: root,
    input,
    encoding: 'utf8',
  })
  assert.equal(status, 0, stderr)
  return stdout.trimEnd().split('\n')
}

interface Example {
  name: string
  args: string[]
  input?: string
  /** What the program prints with SmolLM2-135M. */
  expected: RegExp[]
  /** Lines that the program prints with any model. */
  lines?: number
}

const texts = [
  { text: 'The weather was fine, so they went for a walk in the park.' },
  { text: '' },
  { text: 'zq xv kkj wpo bnmx qqlr hhg vvd ztx' },
  { text: 'He opened the door and saw his old friend waiting outside.' },
]

const examples: Example[] = [
  {
    name: 'zero-shot-classification',
    args: ['The film was terrible and boring.', 'positive', 'negative'],
    expected: [/^0\.[5-9]\d\d negative$/, /^0\.[0-4]\d\d positive$/],
    lines: 2,
  },
  {
    name: 'rerank',
    args: [
      'Who wrote Faust?',
      'Bread is baked from flour and water.',
      'Goethe finished the play Faust in 1831.',
    ],
    expected: [/^-\d+\.\d\d Goethe/, /^-\d+\.\d\d Bread/],
    lines: 2,
  },
  {
    name: 'filter-jsonl',
    args: ['-6'],
    input: texts.map(text => `${JSON.stringify(text)}\n`).join(''),
    expected: [/weather/, /old friend/],
  },
]

describe('examples', () => {
  it('are all here', () => {
    const files = readdirSync(`${root}/examples`).filter(file => file.endsWith('.ts'))
    assert.deepEqual(files, examples.map(({ name }) => `${name}.ts`).sort())
  })
  for (const { name, args, input, expected, lines } of examples) {
    it(`${name} runs on the embedded model`, () => {
      const output = run(name, [defaultModel, ...args], input)
      if (lines !== undefined) assert.equal(output.length, lines)
    })
    it(`${name} makes sense on a trained one`, function () {
      if (sharedMissing) skip(this, sharedMissing)
      const output = run(name, [shared('models', 'smollm2-135m', 'model-q4_1.gguf'), ...args], input)
      assert.equal(output.length, expected.length, output.join('\n'))
      for (const [i, line] of output.entries()) assert.match(line, expected[i]!)
    })
  }
})
