// Which of the calls that overlap go first.
import { choiceOption } from './options.ts'

/** 'high' goes before all others, 'low' takes what these leave. */
export type Priority = 'high' | 'normal' | 'low'

/** From the first to the last. */
export const priorities: readonly Priority[] = ['high', 'normal', 'low']

export function comesBefore(a: Priority, b: Priority): boolean {
  return priorities.indexOf(a) < priorities.indexOf(b)
}

/** @throws INVALID_ARGUMENT */
export function priorityOption(options: { readonly priority?: Priority }): Priority {
  return choiceOption(options, 'priority', priorities, 'normal')
}
