// A run as JUnit XML, which build servers show: a test case for each task, and one for each gate.
import type { RunResults, TaskResult } from '../results.ts'
import type { GateOutcome } from './gate.ts'

interface TestCase {
  name: string
  seconds: number
  /** What the case is not passed by; undefined passes it. */
  fault?: { kind: 'failure' | 'error' | 'skipped'; message: string }
  output?: string
}

/** @param gates their outcomes; the names alone where they were not judged, since the run was stopped */
export function junitXml(results: RunResults, gates: readonly (GateOutcome | { gate: string })[]): string {
  const tasks = Object.entries(results.tasks).map(([name, result]) => taskCase(name, result))
  const suites: [name: string, cases: TestCase[]][] = [['tasks', tasks]]
  if (gates.length > 0) suites.push(['gates', gates.map(gateCase)])
  const all = suites.flatMap(([, cases]) => cases)
  const lines = [
    '<?xml version="1.0" encoding="UTF-8"?>',
    `<testsuites name="mt-llama eval"${counts(all)}>`,
    ...suites.flatMap(([name, cases]) => [
      `  <testsuite${attribute('name', name)}${counts(cases)}>`,
      ...cases.flatMap(one => caseLines(`mt-llama.${name}`, one)),
      '  </testsuite>',
    ]),
    '</testsuites>',
  ]
  return `${lines.join('\n')}\n`
}

function taskCase(name: string, result: TaskResult): TestCase {
  const { status, samplesDone, samplesTotal, headline, metrics, timing } = result
  const figures = headline.map(metric => {
    const { value, interval } = metrics[metric]!
    return `${metric} ${value}${interval ? ` (95 %: ${interval.low} to ${interval.high})` : ''}`
  })
  return {
    ...{ name, seconds: timing.seconds, output: `${figures.join('\n')}\n${samplesDone} samples` },
    ...(status === 'partial' && {
      fault: { kind: 'error', message: `stopped after ${samplesDone} of ${samplesTotal} samples` },
    }),
  }
}

function gateCase(outcome: GateOutcome | { gate: string }): TestCase {
  const base = { name: outcome.gate, seconds: 0 }
  if (!('passed' in outcome))
    return { ...base, fault: { kind: 'skipped', message: 'not judged: the run was stopped' } }
  if (outcome.passed) return { ...base, output: outcome.found }
  return { ...base, fault: { kind: 'failure', message: outcome.found } }
}

function counts(cases: readonly TestCase[]): string {
  const number = (kind: string) => cases.filter(({ fault }) => fault?.kind === kind).length
  const seconds = cases.reduce((sum, one) => sum + one.seconds, 0)
  return [
    attribute('tests', cases.length),
    attribute('failures', number('failure')),
    attribute('errors', number('error')),
    attribute('skipped', number('skipped')),
    attribute('time', seconds.toFixed(3)),
  ].join('')
}

function caseLines(className: string, { name, seconds, fault, output }: TestCase): string[] {
  const head = `    <testcase${attribute('classname', className)}${attribute('name', name)}${attribute('time', seconds.toFixed(3))}>`
  const lines = [head]
  if (fault) lines.push(`      <${fault.kind}${attribute('message', fault.message)}/>`)
  if (output !== undefined) lines.push(`      <system-out>${escaped(output)}</system-out>`)
  return [...lines, '    </testcase>']
}

function attribute(name: string, value: string | number): string {
  // A parser makes a space of each line end and tab in an attribute, unless it is a reference.
  const text = escaped(`${value}`).replace(/[\t\n]/g, char => `&#${char.charCodeAt(0)};`)
  return ` ${name}="${text}"`
}

/** The characters that XML 1.0 (section 2.2) does not have, not even as references; halves of surrogate pairs are among them. */
const forbidden = /[^\t\n\r\u{20}-\u{d7ff}\u{e000}-\u{fffd}\u{10000}-\u{10ffff}]/gu

const references: Readonly<Record<string, string>> = {
  ...{ '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' },
  // A parser makes a line feed of it.
  '\r': '&#13;',
}

/** A text made safe for XML; what XML cannot hold is replaced by U+FFFD. */
export function escaped(text: string): string {
  return text.replace(forbidden, '\ufffd').replace(/[&<>"\r]/g, char => references[char]!)
}
