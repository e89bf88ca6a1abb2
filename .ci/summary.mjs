// Sums the reports in a folder: mocha's *.json and CTest's JUnit *.xml. Names every skipped and failed test and the
// slowest ones, and ends with the line `N passed, N failed, N skipped`. Exit code 1 where a test failed or a report is
// missing.
import { existsSync, readFileSync } from 'node:fs'
import { relative } from 'node:path'

const folder = process.argv[2]
const sum = { passed: 0, failed: 0, skipped: 0 }

for (const name of [
  'native.xml',
  'asan.xml',
  'tsan.xml',
  'fuzz.xml',
  'mocha.json',
  'mocha-alone.json',
  'mocha-cmake.json',
  'golden-host-device.json',
  'golden-asan.json',
]) {
  const file = `${folder}/${name}`
  if (!existsSync(file)) {
    console.log(`${name}: no report, the run broke off; counted as one failure`)
    sum.failed++
    continue
  }
  const text = readFileSync(file, 'utf8')
  const { passed, failed, skipped, times } = name.endsWith('.json')
    ? readMocha(JSON.parse(text))
    : readJunit(text)
  console.log(`${name}: ${passed} passed, ${failed.length} failed, ${skipped.length} skipped`)
  for (const test of failed) console.log(`  failed: ${test}`)
  for (const test of skipped) console.log(`  skipped: ${test}`)
  for (const { test, seconds } of times.toSorted((a, b) => b.seconds - a.seconds).slice(0, 5))
    console.log(`  slow: ${seconds.toFixed(0)} s ${test}`)
  sum.passed += passed
  sum.failed += failed.length
  sum.skipped += skipped.length
}
console.log(`${sum.passed} passed, ${sum.failed} failed, ${sum.skipped} skipped`)
process.exitCode = sum.failed > 0 || sum.passed === 0 ? 1 : 0

function readMocha({ passes, failures, pending }) {
  return {
    passed: passes.length,
    // A process that has ended midway has no test's title.
    failed: failures.map(
      test => `${test.fullTitle} (${relative('.', test.file ?? '')})\n    ${firstLines(test.err)}`,
    ),
    skipped: pending.map(test => test.fullTitle),
    times: passes.map(test => ({ test: test.fullTitle, seconds: test.duration / 1000 })),
  }
}

/** What an error says, and where it came about. */
function firstLines({ message = 'no message', stack = '' }) {
  return (stack || message).split('\n').slice(0, 8).join('\n    ')
}

function readJunit(xml) {
  const pattern =
    /<testcase name="(?<name>[^"]*)"[^>]* time="(?<time>[^"]*)"[^>]* status="(?<status>[^"]*)"[^>]*>(?<body>.*?)<\/testcase>/gs
  const tests = [...xml.matchAll(pattern)].map(match => match.groups)
  const of = status => tests.filter(test => test.status === status)
  // what a passing test says it left out
  for (const { name, body } of of('run'))
    for (const [note] of body.matchAll(/[^>\n]*(?:this processor lacks it|under a sanitizer).*/g))
      console.log(`  ${name}: ${note}`)
  const reason = ({ name, body }) =>
    `${name}: ${/(?:^|>)skipped: (.*)$/m.exec(body)?.[1] ?? 'no reason given'}`
  return {
    passed: of('run').length,
    failed: of('fail').map(({ name }) => name),
    skipped: [...of('notrun'), ...of('disabled')].map(reason),
    times: of('run').map(({ name, time }) => ({ test: name, seconds: Number(time) })),
  }
}
