// The learning rate of each step: a linear warm-up, then a schedule, as transformers' get_scheduler() has them.

export const scheduleKinds = ['constant', 'linear', 'cosine'] as const
export type ScheduleKind = (typeof scheduleKinds)[number]

export interface Schedule {
  kind: ScheduleKind
  /** The highest of the run. */
  learningRate: number
  /** Steps of the warm-up. */
  warmup: number
  /** Steps of the run. */
  steps: number
}

/**
 * The learning rate of a step, counted from 1: the value of get_*_schedule_with_warmup at step - 1. So the first step of a
 * warm-up has 0, and that of no warm-up the highest; `linear` and `cosine` would be at 0 one step after the last.
 */
export function learningRateOf(step: number, { kind, learningRate, warmup, steps }: Schedule): number {
  const done = step - 1
  if (done < warmup) return learningRate * (done / warmup)
  const progress = (done - warmup) / Math.max(1, steps - warmup)
  switch (kind) {
    case 'constant':
      return learningRate
    case 'linear':
      return learningRate * Math.max(0, 1 - progress)
    case 'cosine':
      return learningRate * Math.max(0, 0.5 * (1 + Math.cos(Math.PI * progress)))
  }
}

/** Steps of the warm-up. @param share of the run's steps; a part of a step counts whole, as in transformers' Trainer */
export function warmupOf(
  steps: number,
  { warmupSteps, warmupShare }: { warmupSteps: number | undefined; warmupShare: number | undefined },
): number {
  return warmupSteps ?? Math.ceil((warmupShare ?? 0) * steps)
}
