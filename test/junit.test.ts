// Tests the JUnit XML of a run: what a parser must read back, whatever names and texts hold.
import assert from 'node:assert/strict'
import { escaped, junitXml } from '../src/evaluation/gates/junit.ts'
import type { RunResults } from '../src/evaluation/results.ts'
import { settings } from './fake-model.ts'

describe('JUnit XML', () => {
  const rows: [what: string, text: string, wanted: string][] = [
    ['markup', '<a href="x">&amp;</a>', '&lt;a href=&quot;x&quot;&gt;&amp;amp;&lt;/a&gt;'],
    ['the end of a CDATA section', ']]>', ']]&gt;'],
    [
      'control characters, which XML 1.0 does not have',
      'a\0b\x08c\x0bd\x1fe\x7f',
      'a\ufffdb\ufffdc\ufffdd\ufffde\x7f',
    ],
    ['halves of surrogate pairs', 'a\ud83db\ude00', 'a\ufffdb\ufffd'],
    ['a whole pair', '😀', '😀'],
    ['characters that are none', '\ufffe\uffff', '\ufffd\ufffd'],
    ['line ends and tabs', 'a\r\n\tb', 'a&#13;\n\tb'],
  ]
  for (const [what, text, wanted] of rows) it(`takes ${what}`, () => assert.equal(escaped(text), wanted))

  const results = (status: 'complete' | 'partial'): RunResults => ({
    settings,
    model: { path: '/models/fake', fingerprint: 'f00d', dtype: 'float32', backend: 'fake', addBos: true },
    ...{ node: 'v20', platform: 'linux-x64', languageMeans: {}, tokenNotes: [] },
    tasks: {
      'a"<&\n': {
        ...{ title: 'A', headline: ['acc'], decimals: 1, status, files: [], samplesTotal: 4, samplesDone: 2 },
        metrics: { acc: { value: 0.5, standardError: null, bootstrapError: null, interval: null } },
        ...{
          skipped: 0,
          ties: 0,
          failed: 0,
          truncated: 0,
          notFinite: 0,
          timing: { tokens: 1, seconds: 1.5 },
        },
      },
    },
  })

  it('keeps names in their attributes, line ends in them too', () => {
    assert.equal(
      junitXml(results('complete'), [{ gate: 'g"\t', passed: false, found: '1 < 2' }]),
      `<?xml version="1.0" encoding="UTF-8"?>
<testsuites name="mt-llama eval" tests="2" failures="1" errors="0" skipped="0" time="1.500">
  <testsuite name="tasks" tests="1" failures="0" errors="0" skipped="0" time="1.500">
    <testcase classname="mt-llama.tasks" name="a&quot;&lt;&amp;&#10;" time="1.500">
      <system-out>acc 0.5
2 samples</system-out>
    </testcase>
  </testsuite>
  <testsuite name="gates" tests="1" failures="1" errors="0" skipped="0" time="0.000">
    <testcase classname="mt-llama.gates" name="g&quot;&#9;" time="0.000">
      <failure message="1 &lt; 2"/>
    </testcase>
  </testsuite>
</testsuites>
`,
    )
  })

  it('a run that was stopped has an error for the task, and its gates are skipped', () => {
    const text = junitXml(results('partial'), [{ gate: 'g' }])
    assert.match(text, /<testsuites name="mt-llama eval" tests="2" failures="0" errors="1" skipped="1"/)
    assert.match(text, /<error message="stopped after 2 of 4 samples"\/>/)
    assert.match(text, /<skipped message="not judged: the run was stopped"\/>/)
  })
})
