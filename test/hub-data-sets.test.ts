// The table of evaluation sets: what it names is where the built-in tasks look.
import assert from 'node:assert/strict'
import { findDataSets } from '../src/hub/data-sets.ts'
import { builtInTasks, cardTasks, languageSets } from '../src/tasks/built-in/registry.ts'

/** The reviews of marc-2 and marc-5 cannot be had. */
const isOnHub = ({ name }: { name: string }) => !name.startsWith('marc')
const filesOf = (...names: string[]) => findDataSets(names).map(({ folder, stem }) => `${folder}/${stem}`)

describe('the table of evaluation sets', () => {
  it('has every built-in task, in the folder and under a name that the task looks for', () => {
    const tasks = [...builtInTasks.values()].filter(isOnHub)
    assert.ok(tasks.length > 80)
    for (const { name, data } of tasks) {
      const [set, ...others] = findDataSets([name])
      assert.deepEqual([set!.folder, others], [data.folder, []], name)
      assert.ok(data.stems.includes(set!.stem), `${name} is saved as ${set!.stem}`)
    }
  })

  it("has the card's tasks together", () => {
    assert.deepEqual(filesOf('card').sort(), filesOf(...cardTasks.map(({ name }) => name)).sort())
  })

  for (const { name, tasks } of languageSets.filter(isOnHub)) {
    it(`has the languages of ${name} together`, () => {
      assert.deepEqual(filesOf(name), filesOf(...Array.from(tasks.values(), task => task.name)))
    })
  }

  it('gives a file that several names stand for once', () => {
    const files = filesOf('card', 'mnli_mismatched', 'xquad', 'xquad-all', 'mlqa-all', 'tydiqa_ar')
    assert.equal(new Set(files).size, files.length)
    assert.equal(files.filter(file => file === 'xquad/xquad.en').length, 1)
  })

  it('says of the reviews that they were withdrawn', () => {
    for (const name of ['marc-2', 'marc-5', 'marc-2_de'])
      assert.throws(
        () => findDataSets([name]),
        /amazon_reviews_multi was withdrawn from the hub by its owner/,
      )
  })
})
