// examples/slurm.sh and examples/kubernetes.yaml: the shards that their tasks run, and the Jobs against Kubernetes' own types.
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseAllDocuments } from 'yaml'
import { childLimit } from './child-limit.ts'
import { root } from './cli-run.ts'
import { defaultModel } from './tiny-model.ts'

interface Job {
  metadata: { name: string }
  spec: {
    completions?: number
    template: { spec: { containers: { command: string[]; args?: string[] }[] } }
  }
}

describe('examples for clusters', () => {
  let folder: string
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'mt-llama-cluster-'))
    mkdirSync(join(folder, 'bin'))
  })
  afterEach(() => rmSync(folder, { recursive: true }))

  /** Runs a command where a program of the name `name` is the script. */
  const runWith = (name: string, script: string, command: string[], env: Record<string, string>) => {
    const program = join(folder, 'bin', name)
    writeFileSync(program, `#!/bin/sh\n${script}\n`)
    chmodSync(program, 0o755)
    const [file, ...args] = command as [string, ...string[]]
    return spawnSync(file, args, {
      ...childLimit,
      cwd: root,
      encoding: 'utf8',
      env: { ...process.env, PATH: `${join(folder, 'bin')}:${process.env.PATH}`, ...env },
    })
  }

  describe('slurm.sh', () => {
    const script = join(root, 'examples/slurm.sh')

    it('asks for as many tasks as it cuts shards, counted from 1', () => {
      const text = readFileSync(script, 'utf8')
      const [, first, last] = /^#SBATCH --array=(\d+)-(\d+)/m.exec(text)!
      const [, shards] = /^shards=(\d+)$/m.exec(text)!
      assert.deepEqual([first, last], ['1', shards])
    })

    it('runs the shard of its task, and ends with its exit code', () => {
      const input = join(folder, 'requests.jsonl')
      writeFileSync(input, '{"prompt": "a", "continuations": ["b"]}\n'.repeat(70))
      const run = (id: string, model: string) =>
        runWith(
          'npx',
          `shift; exec ${process.execPath} ${root}/dist/cli/main.js "$@"`,
          ['bash', script, input, model, join(folder, 'scores')],
          { SLURM_ARRAY_TASK_ID: id, SLURM_CPUS_PER_TASK: '1' },
        )
      for (const id of ['3', '64']) {
        const { status, stderr } = run(id, defaultModel)
        assert.equal(status, 0, stderr)
      }
      assert.deepEqual(
        readdirSync(join(folder, 'scores')).filter(name => name.endsWith('.jsonl')),
        ['shard-03-of-64.jsonl', 'shard-64-of-64.jsonl'],
      )
      assert.equal(run('5', '/nowhere').status, 1)
    })
  })

  describe('kubernetes.yaml', () => {
    const text = readFileSync(join(root, 'examples/kubernetes.yaml'), 'utf8')
    const documents = parseAllDocuments(text)
    const jobs = documents.map(document => document.toJS() as Job)

    it('is YAML of Jobs whose fields Kubernetes knows', () => {
      assert.deepEqual(
        documents.flatMap(({ errors, warnings }) => [...errors, ...warnings]),
        [],
      )
      // TypeScript refuses fields of a literal that a type has not: kubernetes-types are made from Kubernetes' OpenAPI description.
      const check = (name: string, values: readonly unknown[]) => {
        const file = join(folder, `${name}.ts`)
        writeFileSync(
          file,
          `import type { Job } from '${join(root, 'node_modules/kubernetes-types/batch/v1.d.ts')}'\n${values
            .map((value, i) => `export const job${i}: Job = ${JSON.stringify(value)}\n`)
            .join('')}`,
        )
        const tsc = join(root, 'node_modules/@typescript/native/bin/tsc')
        const options = ['--noEmit', '--strict', '--skipLibCheck', '--module', 'nodenext', '--types', '']
        return spawnSync(process.execPath, [tsc, ...options, file], {
          ...childLimit,
          cwd: folder,
          encoding: 'utf8',
        })
      }
      const { status, stdout } = check('jobs', jobs)
      assert.equal(status, 0, stdout)
      const misspelt = JSON.parse(
        JSON.stringify(jobs[0]).replace('backoffLimitPerIndex', 'backoffLimitByIndex'),
      )
      assert.match(
        check('misspelt', [misspelt]).stdout,
        /"backoffLimitByIndex"' does not exist in type 'JobSpec'/,
      )
    })

    it('runs each shard once, by an index that counts from 0', () => {
      const [score, merge] = jobs as [Job, Job]
      const { completions } = score.spec
      const { command, args = [] } = score.spec.template.spec.containers[0]!
      for (const index of [0, completions! - 1]) {
        const { stdout, stderr } = runWith('mt-llama', 'echo "$@"', [...command, ...args], {
          JOB_COMPLETION_INDEX: `${index}`,
        })
        assert.match(stdout, new RegExp(` --shard ${index + 1}/${completions} --out /work/scores\n$`), stderr)
      }
      const joined = merge.spec.template.spec.containers[0]!
      assert.deepEqual(joined.command, ['mt-llama', 'merge', '/work/scores'])
    })
  })
})
