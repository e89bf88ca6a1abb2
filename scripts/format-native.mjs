// Checks the C++ files with clang-format; `--fix` rewrites them.
import { spawnSync } from 'node:child_process'
import { readdirSync } from 'node:fs'

const files = ['native', 'test/native', 'test/fuzz/native', 'bench/native'].flatMap(folder =>
  readdirSync(folder, { recursive: true })
    .filter(file => /\.(cc|h|inc|cu|cuh)$/.test(file))
    .map(file => `${folder}/${file}`),
)
const mode = process.argv.includes('--fix') ? ['-i'] : ['--dry-run', '-Werror']
const { status } = spawnSync('npx', ['--no-install', 'clang-format', ...mode, ...files], { stdio: 'inherit' })
process.exitCode = status ?? 1
