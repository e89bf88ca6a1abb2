// The package under every manager: installed, installed again, from the lockfile and rebuilt, on a PATH without a compiler,
// make or Python. The managers come from the npm registry into a temporary folder.
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { allOutput, bareBin, newApp, pack, root, run, runProgram, scoring } from './packed-app.ts'
import { skip } from './skip.ts'

interface Manager {
  name: string
  /** The package that holds the manager, and its program in there. */
  from: string
  program: string
  /** The arguments of one run after the other. TARBALL stands for the path of the tarball. */
  runs: string[][]
  /** Files of the app with the manager's settings. */
  settings?: Record<string, string>
}

const npmFlags = ['--prefer-offline', '--no-audit', '--no-fund']
const npmRuns = [['install', 'TARBALL'], ['install'], ['ci'], ['rebuild']].map(words => [
  ...words,
  ...npmFlags,
])
const managers: Manager[] = [
  { name: 'npm 10', from: 'npm-10@npm:npm@10', program: 'npm-10/bin/npm-cli.js', runs: npmRuns },
  { name: 'npm 11', from: 'npm-11@npm:npm@11', program: 'npm-11/bin/npm-cli.js', runs: npmRuns },
  {
    name: 'pnpm',
    from: 'pnpm@10',
    program: 'pnpm/bin/pnpm.cjs',
    runs: [['add', 'TARBALL'], ['install'], ['install', '--force', '--frozen-lockfile'], ['rebuild']],
    settings: { '.npmrc': 'store-dir=./store\n' },
  },
  {
    name: 'yarn 1',
    from: 'yarn@1',
    program: 'yarn/bin/yarn.js',
    runs: [
      ['add', 'file:TARBALL'],
      ['install', '--force'],
      ['install', '--frozen-lockfile', '--force'],
    ],
    settings: { '.yarnrc': 'cache-folder "./cache"\n' },
  },
  {
    name: 'yarn 4 with node_modules',
    from: '@yarnpkg/cli-dist@4',
    program: '@yarnpkg/cli-dist/bin/yarn.js',
    runs: [['add', 'mt-llama@file:TARBALL'], ['install'], ['install', '--immutable'], ['rebuild']],
    settings: {
      'yarn.lock': '',
      '.yarnrc.yml': 'nodeLinker: node-modules\nglobalFolder: ./cache\nenableTelemetry: false\n',
    },
  },
]

describe('the package under', function () {
  this.timeout(1_200_000)
  const work = mkdtempSync(path.join(tmpdir(), 'mt-llama-managers-'))
  after(() => rmSync(work, { recursive: true }))
  let tarball: string
  let bin: string
  let registry: string
  let program: string

  before(function () {
    if (!process.env.MT_LLAMA_VERIFY) skip(this, 'it installs four package managers; npm run verify')
    tarball = pack(work, 'cpu').tarball
    bin = bareBin(path.join(work, 'bin'))
    program = scoring(path.join(work, 'model')).imported
    const words = ['install', '--ignore-scripts', ...npmFlags, ...managers.map(({ from }) => from)]
    run(newApp(path.join(work, 'managers')), 'npm', words)
    registry = run(root, 'npm', ['config', 'get', 'registry']).trim()
  })

  for (const { name, program: manager, runs, settings = {} } of managers)
    it(`${name}: no run compiles, and each leaves a package that scores`, () => {
      const app = newApp(path.join(work, name))
      for (const [file, text] of Object.entries(settings)) writeFileSync(path.join(app, file), text)
      const env = {
        PATH: bin,
        // yarn 4 takes no settings of npm's, and asks for more than a word before it takes http
        YARN_NPM_REGISTRY_SERVER: registry,
        YARN_UNSAFE_HTTP_WHITELIST: '*',
        // By default yarn writes no lockfile in CI.
        YARN_ENABLE_IMMUTABLE_INSTALLS: 'false',
      }
      let scores: string | undefined
      for (const words of runs) {
        const args = words.map(word => word.replace('TARBALL', tarball))
        const said = allOutput(
          app,
          path.join(bin, 'node'),
          [path.join(work, 'managers', 'node_modules', manager), ...args],
          env,
        )
        assert.doesNotMatch(said, /gyp (info|err)|warn.*(script|prepare|mt-llama)/i)
        const printed = runProgram(app, bin, 'app.mjs', program)
        scores ??= printed
        assert.match(printed, /^\[-\d/)
        assert.equal(printed, scores)
      }
    })
})
