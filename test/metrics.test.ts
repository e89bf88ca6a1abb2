// Compares the metrics with the official scripts' answers, and tests ranking's corner cases.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { perCharacter, rank } from '../src/metrics/accuracy.ts'
import { type MlqaLanguage, mlqaMetric, normaliseMlqa } from '../src/metrics/mlqa.ts'
import { mlqaPunctuation } from '../src/metrics/mlqa-punctuation.ts'
import { strip, words } from '../src/metrics/python-text.ts'
import { normaliseSquad, squadMetric } from '../src/metrics/squad.ts'
import { carried, shared, sharedMissing } from './shared.ts'
import { skip } from './skip.ts'

interface GoldenRow {
  lang: MlqaLanguage
  pred: string
  golds: string[]
  em: number
  f1: number
  norm_pred: string
  norm_golds: string[]
}

/** The rows of this repository, and the larger set where it is there. */
function golden(name: 'squad' | 'mlqa'): GoldenRow[] {
  const files = [
    carried('metrics', `${name}.jsonl`),
    ...(sharedMissing ? [] : [shared('golden', `${name}_metric.jsonl`)]),
  ]
  return files.flatMap(file =>
    readFileSync(file, 'utf8')
      .trim()
      .split('\n')
      .map(line => JSON.parse(line)),
  )
}

describe('metrics', () => {
  describe('against the official scripts', () => {
    it('SQuAD scores and normalised texts are the same', () => {
      const rows = golden('squad')
      assert.equal(rows.length, sharedMissing ? 160 : 160 + 343)
      for (const row of rows) {
        const scores = squadMetric(row.pred, row.golds)
        assert.equal(100 * scores.exactMatch, row.em, JSON.stringify(row))
        assert.equal(100 * scores.f1, row.f1, JSON.stringify(row))
        assert.equal(normaliseSquad(row.pred), row.norm_pred)
        assert.deepEqual(row.golds.map(normaliseSquad), row.norm_golds)
      }
    })

    it('MLQA scores and normalised texts are the same in every language', () => {
      const rows = golden('mlqa')
      const larger = { en: 118, es: 60, de: 70, ar: 75, hi: 83, vi: 68, zh: 130 }
      for (const [language, count] of Object.entries(larger)) {
        const own = rows.filter(row => row.lang === language)
        assert.equal(own.length, sharedMissing ? 50 : 50 + count, language)
      }
      assert.equal(rows.length, sharedMissing ? 7 * 50 : 7 * 50 + 604)
      for (const row of rows) {
        const scores = mlqaMetric(row.lang)(row.pred, row.golds)
        assert.equal(100 * scores.exactMatch, row.em, JSON.stringify(row))
        assert.equal(100 * scores.f1, row.f1, JSON.stringify(row))
        assert.equal(normaliseMlqa(row.pred, row.lang), row.norm_pred)
        assert.deepEqual(
          row.golds.map(gold => normaliseMlqa(gold, row.lang)),
          row.norm_golds,
        )
      }
    })

    it('MLQA punctuation is the same over all of Unicode', function () {
      if (sharedMissing) skip(this, sharedMissing)
      const { ranges } = JSON.parse(readFileSync(shared('golden', 'mlqa_punct_ranges.json'), 'utf8'))
      const wanted = new Set<number>()
      for (const [low, high] of ranges) for (let code = low; code <= high; code++) wanted.add(code)
      for (let code = 0; code <= 0x10ffff; code++) {
        const held = mlqaPunctuation.test(String.fromCodePoint(code))
        assert.equal(held, wanted.has(code), `U+${code.toString(16)}`)
      }
    })
  })

  it('MLQA refuses a language it does not have, inherited names too', () => {
    for (const language of ['fr', 'toString']) {
      assert.throws(() => mlqaMetric(language), {
        code: 'INVALID_ARGUMENT',
        message: `MLQA has no language "${language}"; it has en, es, vi, de, ar, hi, zh.`,
      })
    }
  })

  it('ranking takes the highest, the lowest index of a tie, and says that it was one', () => {
    assert.deepEqual(rank([-3, -1, -2]), { prediction: 1, tied: false })
    assert.deepEqual(rank([-3, -1, -1]), { prediction: 1, tied: true })
    assert.deepEqual(rank([-1, -3, -3]), { prediction: 0, tied: false })
  })

  it('scores per character count code points', () => {
    assert.deepEqual(perCharacter([-6, -6], ['abc', '😀😀']), [-2, -3])
  })

  it("white space is Python's", () => {
    assert.equal(strip('\x1c\x85\u3000a\ufeff \n'), 'a\ufeff')
    assert.deepEqual(words(' a\x1fb\u2003c\ufeffd '), ['a', 'b', 'c\ufeffd'])
    assert.deepEqual(words(' \n'), [])
  })
})
