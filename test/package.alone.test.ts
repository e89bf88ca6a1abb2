// The npm package as a user gets it: packed with a prebuild, installed without a compiler, used by import, by require,
// by the command line and by tsc in strict mode; and built from its sources where there is no prebuild.
import assert from 'node:assert/strict'
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { neededVersions } from '../scripts/elf.mjs'
import { loadModel } from '../src/index.ts'
import { allOutput, bareBin, newApp, pack, root, run, runProgram, scoring } from './packed-app.ts'
import { skip } from './skip.ts'

const prebuild = `prebuilds/${process.platform}-${process.arch}/mt-llama.glibc.node`

describe('the package', function () {
  this.timeout(1_200_000)
  const work = mkdtempSync(path.join(tmpdir(), 'mt-llama-package-'))
  const app = path.join(work, 'app')
  const home = path.join(app, 'node_modules', 'mt-llama')
  let bin: string
  let programs: { imported: string; required: string }
  let files: string[]
  let expected: number[]

  before(async () => {
    const model = path.join(work, 'model')
    programs = scoring(model)
    // by the build that tests use, before packing
    const own = await loadModel(model, { device: 'cpu' })
    const [answer] = await own.score([{ prompt: [1, 2, 3], continuations: [[4, 5], [6]] }])
    expected = answer!.continuations.map(score => score.logLikelihood)
    await own.dispose()

    const { tarball } = pack(work, 'cpu')
    files = run(work, 'tar', ['-tf', tarball])
      .split('\n')
      .map(file => file.replace('package/', ''))
    bin = bareBin(path.join(work, 'bin'))
    newApp(app)
    npm('install', tarball)
  })
  after(() => rmSync(work, { recursive: true }))

  it('holds the build, its types, a prebuild, and what a build from source takes', () => {
    const wanted = [
      'dist/index.js',
      'dist/index.d.ts',
      'dist/index.d.cts',
      'dist/cli/main.js',
      'docs/bundlers.md',
      'docs/data.md',
      'README.md',
      'LICENSE',
      'THIRD-PARTY-NOTICES',
      prebuild,
      'from-source/binding.gyp',
    ]
    for (const list of ['sources', 'sources_addon', 'sources_no_cuda'])
      wanted.push(
        `from-source/native/${list}.txt`,
        ...readFileSync(path.join(root, `native/${list}.txt`), 'utf8')
          .trim()
          .split('\n')
          .map(file => `from-source/${file}`),
      )
    assert.deepEqual(
      wanted.filter(file => !files.includes(file)),
      [],
    )
  })

  it('holds what its sources include', () => {
    const missing = files
      .filter(file => /^from-source\/.*\.(cc|h|inc)$/.test(file))
      .flatMap(file =>
        [...readFileSync(path.join(home, file), 'utf8').matchAll(/^\s*#\s*include\s*"([^"]+)"/gm)].map(
          ([, other]) => [file, path.posix.join(path.posix.dirname(file), other!)],
        ),
      )
      .filter(([, other]) => !files.includes(other!))
    assert.deepEqual(missing, [])
  })

  it('holds nothing of development, of tests or of CUDA, and nothing that makes npm compile', () => {
    const strange =
      /^(test|bench|build|src|node_modules|scripts|native|\.ci)\/|simulator|backend\/cuda|^[^/]*\.gyp$/
    assert.deepEqual(
      files.filter(file => strange.test(file)),
      [],
    )
    const manifest = JSON.parse(readFileSync(path.join(home, 'package.json'), 'utf8'))
    assert.deepEqual(Object.keys(manifest.scripts), ['build-addon'])
    assert.equal(manifest.devDependencies, undefined)
    assert.equal(manifest.private, undefined)
  })

  it('has no link that leads out of it, and none in the README that a page of the registry does not have', () => {
    const pages = files.filter(file => /\.md$/.test(file))
    const links = pages.flatMap(page =>
      [...readFileSync(path.join(home, page), 'utf8').matchAll(/\]\(([^)]+)\)/g)].map(([, link]) => [
        page,
        link!,
      ]),
    )
    assert.ok(links.length > 10)
    const wrong = links.filter(([page, link]) => {
      if (/^(https:|#)/.test(link!)) return false
      const target = path.posix.join(path.posix.dirname(page!), link!.replace(/#.*/, ''))
      return page === 'README.md' || !files.includes(target)
    })
    assert.deepEqual(wrong, [])
  })

  it('runs the first program of its README, by the embedded model for one of the hub', () => {
    const [, program] = readFileSync(path.join(home, 'README.md'), 'utf8').match(/```js\n(.*?)```/s)!
    const embedded = `const path = ${JSON.stringify(path.join(home, 'default', 'model'))}\n`
    const here = program!.replace(/^const \{ path \} = await pullModel.*\n/m, embedded)
    assert.notEqual(here, program)
    const [scores, classified] = runProgram(app, bin, 'first.mjs', here).split('\n')
    assert.match(scores!, /^\[ -\d+\.\d+, -\d+\.\d+ \]$/)
    assert.match(classified!, /^(positive|negative) \[ 0\.\d+, 0\.\d+ \]$/)
  })

  it('has a prebuild that loads with glibc 2.28 and any libstdc++', function () {
    if (process.platform !== 'linux') skip(this, 'only Linux has glibc')
    const needed = neededVersions(path.join(home, prebuild))
    assert.ok(needed.some(line => line.startsWith('libc.so.6 GLIBC_2.')))
    const isOld = (line: string) => Number(line.match(/^\S+ GLIBC_2\.(\d+)(\.\d+)?$/)?.[1] ?? Infinity) <= 28
    assert.deepEqual(
      needed.filter(line => !isOld(line)),
      [],
    )
  })

  it('is installed again, from its lockfile, and rebuilt, without a compiler or a warning', () => {
    for (const words of [['install'], ['ci'], ['rebuild']]) {
      assert.doesNotMatch(npm(...words), /gyp (info|err)|warn.*(script|prepare|mt-llama)/i)
      assert.deepEqual(JSON.parse(runProgram(app, bin, 'app.mjs', programs.imported)), expected)
    }
  })

  it('scores through import, from the prebuild', () => {
    assert.deepEqual(JSON.parse(runProgram(app, bin, 'app.mjs', programs.imported)), expected)
    assert.ok(!readdirSync(path.join(home, 'from-source')).includes('build'))
  })

  it('scores through require', () => {
    assert.deepEqual(JSON.parse(runProgram(app, bin, 'app.cjs', programs.required)), expected)
  })

  it('has a command line', () => {
    const output = run(app, path.join(app, 'node_modules', '.bin', 'mt-llama'), ['--version'], { PATH: bin })
    const { version } = JSON.parse(readFileSync(path.join(root, 'package.json'), 'utf8'))
    assert.equal(output.trim(), version)
  })

  it('evaluates its embedded default', () => {
    const mtLlama = path.join(app, 'node_modules', '.bin', 'mt-llama')
    const results = path.join(work, 'results')
    const output = run(app, mtLlama, ['eval', '--limit', '1', '--quiet', '--out', results], { PATH: bin })
    assert.ok(readdirSync(results).includes('results.json'), output)
  })

  for (const module of ['node16', 'nodenext'])
    it(`type-checks in a strict consumer of ${module}, its own declarations included`, () => {
      const options = {
        strict: true,
        exactOptionalPropertyTypes: true,
        noUncheckedIndexedAccess: true,
        skipLibCheck: false,
        noEmit: true,
        target: 'es2022',
        lib: ['es2023', 'esnext.disposable'],
        module,
        types: ['node'],
        typeRoots: [path.join(root, 'node_modules', '@types')],
      }
      const programs = { 'app.mts': typedModule, 'app.cts': typedCommonJs, 'plain.ts': typedCommonJs }
      for (const [name, program] of Object.entries(programs)) writeFileSync(path.join(app, name), program)
      writeFileSync(
        path.join(app, 'tsconfig.json'),
        JSON.stringify({ compilerOptions: options, files: Object.keys(programs) }),
      )
      const tsc = path.join(root, 'node_modules', '@typescript', 'native', 'bin', 'tsc')
      run(app, process.execPath, [tsc, '-p', '.'])

      for (const name of ['app.mts', 'app.cts']) {
        writeFileSync(path.join(app, name), `import { loadModel } from 'mt-llama'\nloadModel(7)\n`)
        assert.throws(() => run(app, process.execPath, [tsc, '-p', '.']), new RegExp(`${name}.*TS2345`))
        writeFileSync(path.join(app, name), '')
      }
    })

  it('builds from source where there is no prebuild, by the command that the error names', function () {
    if (!process.env.MT_LLAMA_VERIFY) skip(this, 'it compiles everything; npm run verify')
    const other = path.join(work, 'from-source')
    cpSync(app, other, { recursive: true })
    rmSync(path.join(other, 'node_modules', 'mt-llama', 'prebuilds'), { recursive: true })
    let command: string | undefined
    assert.throws(
      () => runProgram(other, bin, 'app.cjs', programs.required),
      (error: Error) => {
        assert.match(error.message, /ADDON_NOT_FOUND/)
        command = error.message.match(/^ *(npm run build-addon .*)$/m)?.[1]
        return true
      },
    )
    run(other, 'sh', ['-c', command!])
    assert.deepEqual(JSON.parse(runProgram(other, bin, 'app.cjs', programs.required)), expected)
  })

  it('is packed with CUDA where there is nvcc, and works without a GPU', function () {
    if (!process.env.MT_LLAMA_VERIFY) skip(this, 'it compiles every kernel; npm run verify')
    if (process.platform !== 'linux' || process.arch !== 'x64' || !nvcc()) skip(this, 'no nvcc')
    const packed = path.join(work, 'cuda')
    const other = path.join(work, 'with-cuda')
    mkdirSync(packed)
    const { tarball, said } = pack(packed)
    assert.match(
      said,
      /\nprebuilds\/linux-x64\/mt-llama\.glibc\.node: with CUDA \(here: .+\), \d+\.\d MB, glibc 2\.\d+ and newer; /,
    )
    cpSync(app, other, { recursive: true })
    const replaced = path.join(other, 'node_modules', 'mt-llama')
    rmSync(replaced, { recursive: true })
    mkdirSync(replaced)
    run(replaced, 'tar', ['-xf', tarball, '--strip-components=1'])
    assert.deepEqual(JSON.parse(runProgram(other, bin, 'app.cjs', programs.required)), expected)
    const devices = run(replaced, path.join(bin, 'node'), ['dist/cli/main.js', 'devices'], { PATH: bin })
    assert.match(devices, /\ncuda(:\d)? /)
    assert.doesNotMatch(devices, /no CUDA/)
  })

  /** What npm says, on a PATH without a compiler. */
  function npm(...words: string[]): string {
    const flags = ['--prefer-offline', '--no-audit', '--no-fund']
    return allOutput(app, path.join(bin, 'npm'), [...words, ...flags], { PATH: bin })
  }
})

const typedModule = `
import { loadModel } from 'mt-llama'
const model = await loadModel('folder', { dtype: 'auto', threads: 2, signal: AbortSignal.timeout(1000) })
const answers = await model.score([{ prompt: [1], continuations: [[2]] }, { prompt: 'a', continuations: [' b'] }])
const logLikelihood: number | undefined = answers[0]?.continuations[0]?.logLikelihood
const greedy: boolean | undefined = answers[0]?.continuations[0]?.isGreedy
console.log(logLikelihood, greedy)
const { text } = await model.generate('Once')
const [several] = await model.generate(['Once'])
const { label } = await model.classify('Rain.', { labels: ['weather', { name: 'sports', text: 'sport' }] })
const [best] = await model.rank('Who?', ['a', 'b'])
console.log(text, several?.text, label, best?.index)
await model.dispose()
`

/** A file that requires: types, values and the class of errors, which is both. */
const typedCommonJs = `
import { type ErrorCode, loadModel, type Model, MtLlamaError, type ScoreResult } from 'mt-llama'
export const load: (path: string) => Promise<Model> = loadModel
export async function scored(model: Model): Promise<ScoreResult[]> {
  try {
    return await model.score([{ prompt: 'a', continuations: [' b'] }])
  } catch (error) {
    if (!(error instanceof MtLlamaError)) throw error
    const own: MtLlamaError = error
    const code: ErrorCode = own.code
    throw new Error(code)
  }
}
`

/** The path of nvcc, '' where there is none. */
function nvcc(): string {
  const program = `import { findNvcc } from './scripts/cuda/toolkit.mjs'; console.log(findNvcc() ?? '')`
  return run(root, process.execPath, ['--input-type=module', '-e', program]).trim()
}
