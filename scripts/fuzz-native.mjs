// Runs the native fuzz targets under libFuzzer, AddressSanitizer and UBSan, with clang: `fuzz-native.mjs [SECONDS] [options of
// ctest]`, 60 seconds a target, one target a core, `-R NAME` for those of a name. Inputs that reach new code are kept in
// build/fuzz/corpus, one that crashes beside it. Prints a row a target: runs, and the edges of the code that they have reached.
import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { run } from './run.mjs'

const [seconds = '60', ...options] = process.argv.slice(2)
const folder = 'build/fuzz'
const compiler = process.env.CXX ?? findClang()
const jobs = ['--parallel', String(availableParallelism())]

run('cmake', [
  ...['-S', '.', '-B', folder, `-DMT_LLAMA_FUZZ=${seconds}`, '-DMT_LLAMA_SANITIZE=address,undefined'],
  `-DCMAKE_CXX_COMPILER=${compiler}`,
])
run('cmake', ['--build', folder, ...jobs])
run('ctest', ['--test-dir', folder, '--output-on-failure', '--no-tests=error', ...jobs, ...options])

const log = readFileSync(`${folder}/Testing/Temporary/LastTest.log`, 'utf8')
const rows = log
  .split(/^\d+\/\d+ Testing: /m)
  .slice(1)
  .map(output => {
    const [target] = output.split('\n', 1)
    const [, edges] = /DONE\s+cov: (\d+)/.exec(output)
    const [, runs] = /number_of_executed_units:\s*(\d+)/.exec(output)
    return `| ${target} | ${runs} | ${edges} |`
  })
console.log(['| target | runs | edges |', '|---|---|---|', ...rows.sort()].join('\n'))

function findClang() {
  const names = ['clang++', ...Array.from({ length: 10 }, (_, i) => `clang++-${23 - i}`)]
  const found = names.find(name => spawnSync(name, ['--version'], { timeout: 10_000 }).status === 0)
  if (found) return found
  console.error(`none of ${names.join(', ')} is there; on Debian: apt install clang libclang-rt-dev`)
  process.exit(1)
}
