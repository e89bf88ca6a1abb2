// Times an evaluation of ours, and keeps its samples.
import {
  type EvaluateOptions,
  evaluateStream,
  type Model,
  type RunResults,
  type TaskSample,
} from '../src/index.ts'
import { type Times, timer } from './harness-rival.ts'

export interface TimedEvaluation extends Times {
  samples: TaskSample[]
  results: RunResults
}

export async function timedEvaluation(model: Model, options: EvaluateOptions): Promise<TimedEvaluation> {
  const timed = timer()
  const stream = evaluateStream(model, options)
  const samples: TaskSample[] = []
  for (;;) {
    const { done, value } = await stream.next()
    if (done) return { ...timed(), samples, results: value }
    samples.push(value)
  }
}
