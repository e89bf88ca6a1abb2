// Builds and runs the native tests: `test-native.mjs [address,undefined | thread] [options of ctest]`.
// They lie in the folder of the addon with the host device layer, whose compiled sources they share.
import { availableParallelism } from 'node:os'
import { run } from './run.mjs'

const addons = { 'address,undefined': 'host-device-asan', thread: undefined }
const args = process.argv.slice(2)
const addon = args[0] in addons ? addons[args[0]] : 'host-device'
const sanitize = args[0] in addons ? args.shift() : ''
const folder = addon ? `build/${addon}/build` : 'build/tsan'

// This writes what cuda_golden_test reads.
run(process.execPath, ['--import', 'tsx', 'test/write-golden.ts'])
if (addon) run(process.execPath, ['scripts/build.mjs', addon])
run('cmake', ['-S', '.', '-B', folder, '-DMT_LLAMA_TESTS=ON', `-DMT_LLAMA_SANITIZE=${sanitize}`])
const jobs = ['--parallel', String(Math.min(availableParallelism(), 8))]
run('cmake', ['--build', folder, ...jobs])
// Most tests keep one core busy: the simulator runs the threads of a GPU as fibers.
run('ctest', ['--test-dir', folder, '--output-on-failure', '--no-tests=error', ...jobs, ...args])
