// Runs the native fuzz targets under libFuzzer, AddressSanitizer and UBSan, with clang: `fuzz-native.mjs [SECONDS] [TARGET]`,
// 60 seconds a target. Inputs that reach new code are kept in build/fuzz/corpus, one that crashes beside it. Prints a row a
// target: runs, and the edges of the code that they have reached.
import { spawnSync } from 'node:child_process'
import { mkdirSync, readdirSync } from 'node:fs'
import path from 'node:path'

const [seconds = '60', only = ''] = process.argv.slice(2)
const folder = 'build/fuzz'
const compiler = process.env.CXX ?? findClang()

run('cmake', [
  ...['-S', '.', '-B', folder, '-DMT_LLAMA_FUZZ=ON', '-DMT_LLAMA_SANITIZE=address,undefined'],
  `-DCMAKE_CXX_COMPILER=${compiler}`,
])
run('cmake', ['--build', folder, '--parallel', '2'])

const targets = readdirSync('test/fuzz/native')
  .filter(file => file.endsWith('_fuzz.cc') && file.includes(only))
  .map(file => path.basename(file, '.cc'))
const rows = targets.map(target => {
  const corpus = `${folder}/corpus/${target}`
  mkdirSync(corpus, { recursive: true })
  const output = run(
    `${folder}/${target}`,
    [
      corpus,
      // Its weighing of inputs by how rare their features are takes more time than the targets themselves.
      '-entropic=0',
      `-max_total_time=${seconds}`,
      '-max_len=2000',
      '-timeout=20',
      '-print_final_stats=1',
      `-artifact_prefix=${folder}/`,
    ],
    1000 * (Number(seconds) + 120),
  )
  const runs = /number_of_executed_units:\s*(\d+)/.exec(output)?.[1]
  const [, edges] = output.match(/.*DONE\s+cov: (\d+)/) ?? []
  return `| ${target} | ${runs} | ${edges} |`
})
console.log(['| target | runs | edges |', '|---|---|---|', ...rows].join('\n'))

function findClang() {
  const names = ['clang++', ...Array.from({ length: 10 }, (_, i) => `clang++-${23 - i}`)]
  const found = names.find(name => spawnSync(name, ['--version'], { timeout: 10_000 }).status === 0)
  if (found) return found
  console.error(`none of ${names.join(', ')} is there; on Debian: apt install clang libclang-rt-dev`)
  process.exit(1)
}

/** @returns what it has written to standard error */
function run(command, args, timeout = 3_600_000) {
  const { status, error, stderr } = spawnSync(command, args, {
    stdio: ['ignore', 'inherit', 'pipe'],
    encoding: 'utf8',
    maxBuffer: 2 ** 28,
    timeout,
    killSignal: 'SIGKILL',
  })
  process.stderr.write(stderr ?? '')
  if (error) console.error(`${command}: ${error.message}`)
  if (status !== 0) process.exit(status ?? 1)
  return stderr
}
