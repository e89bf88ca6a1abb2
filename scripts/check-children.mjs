// Checks that the tests give every child process a time limit: `childLimit` of test/child-limit.ts, or a `timeout` of its own.
import { readdirSync, readFileSync } from 'node:fs'

const starts = /\b(?:spawn|spawnSync|exec|execSync|execFile|execFileSync|fork)\(/g
let faults = 0
for (const name of readdirSync('test', { recursive: true }).filter(name => /\.[mc]?[jt]s$/.test(name))) {
  const text = readFileSync(`test/${name}`, 'utf8')
  if (!text.includes('node:child_process')) continue
  for (const { 0: start, index } of text.matchAll(starts)) {
    if (text[index - 1] === '.') continue
    if (/\b(childLimit|timeout)\b/.test(argumentsAt(text, index + start.length))) continue
    const line = text.slice(0, index).split('\n').length
    console.error(
      `test/${name}:${line}: a child without a time limit; give it childLimit (test/child-limit.ts)`,
    )
    faults++
  }
}
process.exitCode = faults > 0 ? 1 : 0

/** The text from here to the parenthesis that closes the call. */
function argumentsAt(text, start) {
  let depth = 1
  let end = start
  for (; end < text.length && depth > 0; end++) {
    if (text[end] === '(') depth++
    if (text[end] === ')') depth--
  }
  return text.slice(start, end)
}
