// References of a schema that lead to themselves without a value between, of which no reading would end.
import type { Schema } from './schema-fields.ts'

/** A reference within the schema that another one means. */
export interface Step {
  schema: Schema
  from: string
  to: string
}

/** A step of a circle of them; undefined where there is none. */
export function circleOf(steps: readonly Step[]): Step | undefined {
  // Steps to where none goes on are taken away until there are no more of those; what is left leads into a circle.
  const left = new Set(steps)
  const into = new Map<string, Step[]>()
  const goingOn = new Map<string, number>()
  for (const step of steps) {
    into.set(step.to, into.get(step.to) ?? [])
    into.get(step.to)!.push(step)
    goingOn.set(step.from, (goingOn.get(step.from) ?? 0) + 1)
  }
  const ends = [...into.keys()].filter(name => !goingOn.has(name))
  for (let end = ends.pop(); end !== undefined; end = ends.pop())
    for (const step of into.get(end) ?? []) {
      left.delete(step)
      const others = goingOn.get(step.from)! - 1
      goingOn.set(step.from, others)
      if (others === 0) ends.push(step.from)
    }
  const next = new Map([...left].map(step => [step.from, step]))
  const seen = new Set<Step>()
  let [at] = left
  for (; at && !seen.has(at); at = next.get(at.to)) seen.add(at)
  return at
}
