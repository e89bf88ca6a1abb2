// Tests a program that a bundler has put into one file, away from the package: it says what to do, or finds the addon by
// MT_LLAMA_PREBUILD.
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { buildSync, type Format } from 'esbuild'
import { writeRandomModel } from './boundary/random-model.ts'

const addon = createRequire(import.meta.url)('node-gyp-build').resolve(path.resolve('.')) as string
const program = `import { loadModel } from 'mt-llama'
const run = async () => {
  const model = await loadModel(process.argv[2], { threads: 1, device: 'cpu' })
  console.log('app ok', model.info.vocabSize)
  await model.dispose()
}
run().catch(({ code, message }) => console.log(code, message))
`

for (const format of ['esm', 'cjs'] satisfies Format[])
  describe(`a bundle as ${format}`, () => {
    const work = mkdtempSync(path.join(tmpdir(), 'mt-llama-bundled-'))
    const bundle = path.join(work, 'out', format === 'esm' ? 'app.mjs' : 'app.cjs')
    const model = path.join(work, 'model')

    before(() => {
      writeRandomModel(model)
      writeFileSync(path.join(work, 'entry.js'), program)
      buildSync({
        entryPoints: [path.join(work, 'entry.js')],
        outfile: bundle,
        alias: { 'mt-llama': path.resolve('src/index.ts') },
        bundle: true,
        platform: 'node',
        // The package holds JavaScript for this Node; its sources are TypeScript of a later year.
        target: 'node20.19',
        format,
        logLevel: 'error',
      })
    })
    after(() => rmSync(work, { recursive: true }))

    it('says that mt-llama is to be marked external, or MT_LLAMA_PREBUILD to be set', () => {
      assert.match(
        run(),
        /^ADDON_NOT_FOUND .*this code was bundled[\s\S]*--external:mt-llama[\s\S]*MT_LLAMA_PREBUILD/,
      )
    })

    it('works with the folder of a package in MT_LLAMA_PREBUILD', () => {
      assert.equal(run(path.resolve('.')), 'app ok 96\n')
    })

    it('works with a .node file in MT_LLAMA_PREBUILD, with nothing of the package beside it', () => {
      const file = path.join(work, 'mt-llama.node')
      copyFileSync(addon, file)
      assert.equal(run(file), 'app ok 96\n')
    })

    it('asks for the file where MT_LLAMA_PREBUILD names a folder that only node-gyp-build could look through', () => {
      const release = path.join(work, 'build', 'Release')
      mkdirSync(release, { recursive: true })
      copyFileSync(addon, path.join(release, 'mt_llama.node'))
      assert.match(
        run(work),
        /^ADDON_NOT_FOUND .*node-gyp-build, .*is not installed[\s\S]*MT_LLAMA_PREBUILD with the \.node file itself/,
      )
    })

    function run(prebuild?: string): string {
      const { MT_LLAMA_PREBUILD: _, ...rest } = process.env
      const { stdout, stderr, status } = spawnSync(process.execPath, [bundle, model], {
        encoding: 'utf8',
        env: prebuild === undefined ? rest : { ...rest, MT_LLAMA_PREBUILD: prebuild },
        timeout: 50_000,
        killSignal: 'SIGKILL',
      })
      assert.equal(status, 0, stderr)
      return stdout
    }
  })
