// Which of the calls that overlap go first.
import { choiceOption } from './options.ts'

/** 'high' goes before all others, 'low' takes what these leave. */
export type Priority = 'high' | 'normal' | 'low'

interface Prioritized {
  readonly priority: Priority
}

/** From the first to the last. */
const priorities: readonly Priority[] = ['high', 'normal', 'low']

/** The calls in groups of one priority, the first group first; none is empty. */
export function byPriority<Call extends Prioritized>(calls: Iterable<Call>): Call[][] {
  const all = [...calls]
  return priorities
    .map(priority => all.filter(call => call.priority === priority))
    .filter(group => group.length > 0)
}

/** Whether one of `calls` has a higher priority than all of `others`; there are some of both. */
export function goBefore(calls: readonly Prioritized[], others: readonly Prioritized[]): boolean {
  const first = (all: readonly Prioritized[]) => priorities.indexOf(byPriority(all)[0]![0]!.priority)
  return first(calls) < first(others)
}

/** @throws INVALID_ARGUMENT */
export function priorityOption(options: { readonly priority?: Priority }): Priority {
  return choiceOption(options, 'priority', priorities, 'normal')
}
