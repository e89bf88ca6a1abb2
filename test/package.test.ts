// The npm package as a user gets it: packed with a prebuild, installed with scripts off and no compiler, used by
// import, by require, by the command line and by tsc in strict mode.
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { loadModel } from '../src/index.ts'
import { writeRandomModel } from './boundary/random-model.ts'
import { skip } from './skip.ts'

const root = fileURLToPath(new URL('..', import.meta.url))
const request = { prompt: [1, 2, 3], continuations: [[4, 5], [6]] }

describe('the package', function () {
  this.timeout(1_200_000)
  const work = mkdtempSync(path.join(tmpdir(), 'mt-llama-package-'))
  const app = path.join(work, 'app')
  const model = path.join(work, 'model')
  // node and npm, and nothing else
  const bin = path.join(work, 'bin')
  let files: string[]
  let expected: number[]

  before(async () => {
    packBesideOther(['cpu', '--pack-destination', work])
    const tarball = readdirSync(work).find(name => name.endsWith('.tgz'))!
    files = run(work, 'tar', ['-tf', tarball])
      .split('\n')
      .map(file => file.replace('package/', ''))

    mkdirSync(bin)
    symlinkSync(process.execPath, path.join(bin, 'node'))
    symlinkSync(which('npm'), path.join(bin, 'npm'))
    mkdirSync(app)
    writeFileSync(path.join(app, 'package.json'), '{ "private": true }')
    const flags = ['--ignore-scripts', '--prefer-offline', '--no-audit', '--no-fund']
    run(app, path.join(bin, 'npm'), ['install', ...flags, path.join(work, tarball)], bin)

    writeRandomModel(model)
    const own = await loadModel(model, { device: 'cpu' })
    const [answer] = await own.score([request])
    expected = answer!.continuations.map(score => score.logLikelihood)
    await own.dispose()
  })
  after(() => rmSync(work, { recursive: true }))

  it('holds the build, its types, a prebuild, and what a build from source takes', () => {
    const wanted = [
      'dist/index.js',
      'dist/index.d.ts',
      'dist/cli/main.js',
      'docs/data.md',
      'README.md',
      'LICENSE',
      'THIRD-PARTY-NOTICES',
    ]
    wanted.push(`prebuilds/${process.platform}-${process.arch}/mt-llama.glibc.node`, 'binding.gyp')
    for (const list of ['native/sources.txt', 'native/sources_addon.txt'])
      wanted.push(list, ...readFileSync(path.join(root, list), 'utf8').trim().split('\n'))
    assert.deepEqual(
      wanted.filter(file => !files.includes(file)),
      [],
    )
    assert.deepEqual(
      files.filter(file => /^(test|bench|build|src|node_modules|scripts)\//.test(file)),
      [],
    )
  })

  it('scores through import, from the prebuild', () => {
    const output = runApp('app.mjs', `import { loadModel } from 'mt-llama'\n${program('await ')}`)
    assert.deepEqual(JSON.parse(output), expected)
    assert.ok(!readdirSync(path.join(app, 'node_modules', 'mt-llama')).includes('build'))
  })

  it('scores through require', () => {
    const output = runApp('app.cjs', requiring)
    assert.deepEqual(JSON.parse(output), expected)
  })

  it('has a command line', () => {
    const output = run(app, path.join(app, 'node_modules', '.bin', 'mt-llama'), ['--version'], bin)
    const { version } = JSON.parse(readFileSync(path.join(root, 'package.json'), 'utf8'))
    assert.equal(output.trim(), version)
  })

  it('evaluates its embedded default', () => {
    const mtLlama = path.join(app, 'node_modules', '.bin', 'mt-llama')
    const output = run(
      app,
      mtLlama,
      ['eval', '--limit', '1', '--quiet', '--out', path.join(work, 'results')],
      bin,
    )
    assert.ok(readdirSync(path.join(work, 'results')).includes('results.json'), output)
  })

  it('type-checks in a strict consumer, its own declarations included', () => {
    writeFileSync(path.join(app, 'app.mts'), typedProgram)
    writeFileSync(
      path.join(app, 'app.cts'),
      `import { loadModel } from 'mt-llama'\nexport const load = loadModel\n`,
    )
    const options = {
      strict: true,
      exactOptionalPropertyTypes: true,
      noUncheckedIndexedAccess: true,
      skipLibCheck: false,
      noEmit: true,
      target: 'es2022',
      lib: ['es2023', 'esnext.disposable'],
      module: 'nodenext',
      types: ['node'],
      typeRoots: [path.join(root, 'node_modules', '@types')],
    }
    writeFileSync(
      path.join(app, 'tsconfig.json'),
      JSON.stringify({ compilerOptions: options, files: ['app.mts', 'app.cts'] }),
    )
    run(app, process.execPath, [path.join(root, 'node_modules', 'typescript', 'bin', 'tsc'), '-p', '.'])

    writeFileSync(path.join(app, 'app.mts'), `import { loadModel } from 'mt-llama'\nloadModel(7)\n`)
    assert.throws(
      () =>
        run(app, process.execPath, [path.join(root, 'node_modules', 'typescript', 'bin', 'tsc'), '-p', '.']),
      /TS2345/,
    )
  })

  it('builds from source where there is no prebuild, as the error says', function () {
    if (!process.env.MT_LLAMA_VERIFY) skip(this, 'it compiles everything; npm run verify')
    const other = path.join(work, 'from-source')
    cpSync(app, other, { recursive: true })
    const home = path.join(other, 'node_modules', 'mt-llama')
    rmSync(path.join(home, 'prebuilds'), { recursive: true })
    assert.throws(() => runApp('app.cjs', requiring, other), /ADDON_NOT_FOUND[\s\S]*npx node-gyp rebuild/)
    // as npx would run it, with the headers beside node where they are
    const prefix = path.dirname(path.dirname(realpathSync(process.execPath)))
    const nodedir = existsSync(path.join(prefix, 'include', 'node')) ? [`--nodedir=${prefix}`] : []
    run(home, process.execPath, [
      path.join(root, 'node_modules', 'node-gyp', 'bin', 'node-gyp.js'),
      'rebuild',
      ...nodedir,
    ])
    assert.deepEqual(JSON.parse(runApp('app.cjs', requiring, other)), expected)
  })

  it('is packed with CUDA where there is nvcc, and works without a GPU', function () {
    if (!process.env.MT_LLAMA_VERIFY) skip(this, 'it compiles every kernel; npm run verify')
    if (process.platform !== 'linux' || process.arch !== 'x64' || !nvcc()) skip(this, 'no nvcc')
    const packed = path.join(work, 'cuda')
    const other = path.join(work, 'with-cuda')
    mkdirSync(packed)
    mkdirSync(other)
    const said = run(root, 'npm', ['run', 'package', '--', '--pack-destination', packed])
    assert.match(said, /\nprebuilds\/linux-x64\/mt-llama\.glibc\.node: with CUDA \(here: .+\), \d+\.\d MB; /)
    cpSync(app, other, { recursive: true })
    const home = path.join(other, 'node_modules', 'mt-llama')
    rmSync(home, { recursive: true })
    mkdirSync(home)
    const tarball = path.join(packed, readdirSync(packed)[0]!)
    run(home, 'tar', ['-xf', tarball, '--strip-components=1'])
    assert.deepEqual(JSON.parse(runApp('app.cjs', requiring, other)), expected)
    const devices = run(home, path.join(bin, 'node'), ['dist/cli/main.js', 'devices'], bin)
    assert.match(devices, /\ncuda(:\d)? /)
    assert.doesNotMatch(devices, /no CUDA/)
  })

  /** Packs while there is a prebuild for another C library, which does not load here. */
  function packBesideOther(args: string[]): void {
    const folder = path.join(root, 'prebuilds', `${process.platform}-${process.arch}`)
    const other = path.join(folder, 'mt-llama.musl.node')
    const isNew = !existsSync(other)
    mkdirSync(folder, { recursive: true })
    if (isNew) writeFileSync(other, '')
    try {
      run(root, 'npm', ['run', 'package', '--', ...args])
    } finally {
      if (isNew) rmSync(other)
    }
  }

  function runApp(name: string, source: string, folder = app): string {
    writeFileSync(path.join(folder, name), source)
    return run(folder, path.join(bin, 'node'), [name], bin)
  }

  const requiring = `const { loadModel } = require('mt-llama')\n${program('')}`

  function program(wait: string): string {
    return `
      const main = async () => {
        const model = await loadModel(${JSON.stringify(model)}, { device: 'cpu' })
        const [answer] = await model.score([${JSON.stringify(request)}])
        console.log(JSON.stringify(answer.continuations.map(score => score.logLikelihood)))
        await model.dispose()
      }
      ${wait}main()`
  }
})

const typedProgram = `
import { loadModel } from 'mt-llama'
const model = await loadModel('folder', { dtype: 'auto', threads: 2, signal: AbortSignal.timeout(1000) })
const answers = await model.score([{ prompt: [1], continuations: [[2]] }, { prompt: 'a', continuations: [' b'] }])
const logLikelihood: number | undefined = answers[0]?.continuations[0]?.logLikelihood
const greedy: boolean | undefined = answers[0]?.continuations[0]?.isGreedy
console.log(logLikelihood, greedy)
await model.dispose()
`

function run(cwd: string, command: string, args: string[], onlyPath?: string): string {
  const env = onlyPath === undefined ? process.env : { ...process.env, PATH: onlyPath }
  const { status, stdout, stderr, error } = spawnSync(command, args, { cwd, env, encoding: 'utf8' })
  if (error) throw error
  if (status !== 0) throw new Error(`${command} ${args.join(' ')}: exit code ${status}\n${stdout}\n${stderr}`)
  return stdout
}

/** The path of nvcc, '' where there is none. */
function nvcc(): string {
  const program = `import { findNvcc } from './scripts/cuda/toolkit.mjs'; console.log(findNvcc() ?? '')`
  return run(root, process.execPath, ['--input-type=module', '-e', program]).trim()
}

function which(name: string): string {
  for (const folder of process.env.PATH!.split(path.delimiter))
    try {
      return realpathSync(path.join(folder, name))
    } catch {}
  throw new Error(`${name} is not on PATH`)
}
