// Checks that native/sources.txt and native/sources_addon.txt hold every .cc under native, sorted. `--fix` writes them.
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'

const files = readdirSync('native', { recursive: true })
  .map(file => `native/${file.replaceAll('\\', '/')}`)
  .filter(file => file.endsWith('.cc'))
  .sort()
const isAddon = file => file.startsWith('native/addon/')

let wrong = 0
for (const [list, found] of [
  ['native/sources.txt', files.filter(file => !isAddon(file))],
  ['native/sources_addon.txt', files.filter(isAddon)],
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
