// Ends a process or a Worker in every way, in every stage of a model's life: each in a child process that may neither hang
// nor crash. child.ts has the stages and the exits.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { deep, writeRandomModel } from './random-model.ts'

const stages = [
  'nothing',
  'addon',
  'loading',
  'loaded',
  'scoring',
  'queued',
  'stepping',
  'session',
  'disposing',
  'disposed',
]

/** How the child ends, and the exit code that says it did so on purpose. */
const exits: Record<string, number> = {
  'process.exit': 3,
  throw: 1,
  'worker.terminate': 3,
  'process.exit in a worker': 3,
  'throw in a worker': 3,
  'end of the script': 0,
}

/** Time in ms after which a child counts as hung: the longest job would take minutes, the others take milliseconds. */
const hangs = 30_000

describe('exits', () => {
  const folder = mkdtempSync(path.join(tmpdir(), 'mt-llama-exits-'))
  writeRandomModel(folder, deep)
  after(() => rmSync(folder, { recursive: true }))

  for (const stage of stages)
    it(`in stage "${stage}" end the process cleanly`, async () => {
      const outcomes = await inPairs(Object.keys(exits), exit => runChild(folder, stage, exit))
      for (const [i, [exit, code]] of Object.entries(exits).entries()) {
        const { output, ...outcome } = outcomes[i]!
        assert.deepEqual(outcome, { code, signal: null }, `${stage}, ${exit}: ${output}`)
        assert.ok(output.includes(`reached ${stage}`), `${stage}, ${exit}: ${output}`)
        assert.ok(
          !output.includes('job ended') || code === 0,
          `${stage}, ${exit} waited for the job: ${output}`,
        )
      }
    }).timeout(2 * hangs)
})

interface Outcome {
  code: number | null
  signal: NodeJS.Signals | null
  output: string
}

function runChild(folder: string, stage: string, exit: string): Promise<Outcome> {
  const child = fileURLToPath(new URL('child.ts', import.meta.url))
  const run = spawn(process.execPath, ['--import', 'tsx', child, folder, stage, exit], {
    timeout: hangs,
    killSignal: 'SIGKILL',
  })
  let output = ''
  const collect = (data: Buffer) => {
    output += data
  }
  run.stdout.on('data', collect)
  run.stderr.on('data', collect)
  return new Promise(resolve => run.on('close', (code, signal) => resolve({ code, signal, output })))
}

/** How many children run at a time; each is at least one busy thread. */
async function inPairs<In, Out>(items: In[], work: (item: In) => Promise<Out>): Promise<Out[]> {
  const out: Out[] = []
  for (let i = 0; i < items.length; i += 2) out.push(...(await Promise.all(items.slice(i, i + 2).map(work))))
  return out
}
