// Builds and runs the native tests: `test-native.mjs [address,undefined | thread] [options of ctest]`.
import { spawnSync } from 'node:child_process'
import { availableParallelism } from 'node:os'

const sanitizers = { 'address,undefined': 'asan', thread: 'tsan' }
const args = process.argv.slice(2)
const sanitize = args[0] in sanitizers ? args.shift() : ''
const folder = `build/${sanitize ? sanitizers[sanitize] : 'native'}`

// This writes what cuda_golden_test reads.
run(process.execPath, ['--import', 'tsx', 'test/write-golden.ts'])
run('cmake', ['-S', '.', '-B', folder, '-DMT_LLAMA_TESTS=ON', `-DMT_LLAMA_SANITIZE=${sanitize}`])
const jobs = ['--parallel', String(Math.min(availableParallelism(), 8))]
run('cmake', ['--build', folder, ...jobs])
// Most tests keep one core busy: the simulator runs the threads of a GPU as fibers.
run('ctest', ['--test-dir', folder, '--output-on-failure', '--no-tests=error', ...jobs, ...args])

function run(command, args) {
  const { status, error } = spawnSync(command, args, { stdio: 'inherit' })
  if (error) console.error(`${command}: ${error.message}`)
  if (status !== 0) process.exit(status ?? 1)
}
