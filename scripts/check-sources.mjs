// Checks that native/sources*.txt hold every .cc and .cu under native, sorted. `--fix` writes them. native/simulator
// is part of the tests, not of the addon: CMakeLists.txt names it.
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'

const files = readdirSync('native', { recursive: true })
  .map(file => `native/${file.replaceAll('\\', '/')}`)
  .filter(file => /\.(cc|cu)$/.test(file))
  .sort()
const isAddon = file => file.startsWith('native/addon/')
const isNoCuda = file => file === 'native/backend/no_cuda.cc'
const isCuda = file => file.startsWith('native/backend/cuda/')
const isSimulator = file => file.startsWith('native/simulator/')

let wrong = 0
for (const [list, found] of [
  [
    'native/sources.txt',
    files.filter(file => ![isAddon, isCuda, isNoCuda, isSimulator].some(is => is(file))),
  ],
  ['native/sources_addon.txt', files.filter(isAddon)],
  ['native/sources_cuda.txt', files.filter(isCuda)],
  ['native/sources_no_cuda.txt', files.filter(isNoCuda)],
]) {
  const want = found.map(file => `${file}\n`).join('')
  if (process.argv.includes('--fix')) {
    writeFileSync(list, want)
    continue
  }
  const have = readFileSync(list, 'utf8')
  if (have === want) continue
  const listed = have.split('\n').filter(Boolean)
  const missing = found.filter(file => !listed.includes(file))
  const gone = listed.filter(file => !found.includes(file))
  console.error(
    `${list}: missing [${missing}], without a file [${gone}], or out of order; run: npm run fix:sources`,
  )
  wrong = 1
}
process.exitCode = wrong
