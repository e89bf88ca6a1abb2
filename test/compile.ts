// Compiles src to dist where it has changed since, for the tests of the command line, which run the program as users do:
// one run of tsc takes as long as two children take that compile what they import by tsx.
import { execFileSync } from 'node:child_process'
import { readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { childLimit } from './child-limit.ts'

const root = fileURLToPath(new URL('..', import.meta.url))

/** Mocha calls this once before all tests (.mocharc.json), whatever the number of its processes. */
export function mochaGlobalSetup(): void {
  const compiled = statSync(join(root, 'dist/cli/main.js'), { throwIfNoEntry: false })?.mtimeMs ?? 0
  const sources = readdirSync(join(root, 'src'), { recursive: true, encoding: 'utf8' })
  const isNewer = (file: string) => statSync(join(root, file)).mtimeMs > compiled
  if (
    ![
      'tsconfig.json',
      'tsconfig.build.json',
      'scripts/build-ts.mjs',
      ...sources.map(file => join('src', file)),
    ].some(isNewer)
  )
    return
  execFileSync(process.execPath, ['scripts/build-ts.mjs'], { ...childLimit, cwd: root, stdio: 'inherit' })
}
