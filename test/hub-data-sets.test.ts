// The table of evaluation sets: what it names is where the built-in tasks look, in every language of protocol release.
import assert from 'node:assert/strict'
import { findDataSets } from '../src/hub/data-sets.ts'
import { languages } from '../src/protocols/release/languages.ts'
import { builtInTasks, cardTasks } from '../src/tasks/built-in/registry.ts'

describe('the table of evaluation sets', () => {
  it('has every built-in task, in the folder and under a name that the task looks for', () => {
    for (const { name, data } of builtInTasks.values()) {
      const [set, ...others] = findDataSets([name])
      assert.deepEqual([set!.folder, others], [data.folder, []], name)
      assert.ok(data.stems.includes(set!.stem), `${name} is saved as ${set!.stem}`)
    }
  })

  it("has the card's tasks together", () => {
    const names = findDataSets(['card']).map(({ name }) => name)
    assert.deepEqual(names.sort(), cardTasks.map(({ name }) => name).sort())
  })

  // TyDiQA is one file of all languages, and the reviews of marc-2 and marc-5 cannot be had.
  for (const name of ['xnli', 'pawsx', 'xcopa', 'xwinograd', 'xstorycloze', 'xquad', 'mlqa'] as const) {
    it(`has the languages of ${name}`, () => {
      const sets = findDataSets([`${name}.all`])
      assert.deepEqual(
        sets.map(set => set.name).sort(),
        languages[name].map(language => `${name}.${language}`).sort(),
      )
    })
  }

  it('gives a file that several names stand for once', () => {
    assert.equal(
      findDataSets(['xquad', 'xquad.en', 'xquad.all', 'card']).filter(set => set.stem === 'xquad.en').length,
      1,
    )
    const files = findDataSets(['card', 'mnli_mismatched', 'xquad.all', 'mlqa.all']).map(
      set => `${set.folder}/${set.stem}`,
    )
    assert.equal(new Set(files).size, files.length)
  })
})
