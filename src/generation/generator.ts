// Runs generations on native sessions: prompts and new tokens of many texts share each step.
import type { Control, NativeModel, NativeSampling, NativeSession } from '../binding.ts'
import { cancel, disposedError, nativeJob, newControl, onAbort } from '../scoring/native-job.ts'
import type { Continuation } from './continuation.ts'
import { KvBudget } from './kv-budget.ts'

export interface GeneratorLimits {
  /** Most tokens of one step. */
  stepTokens: number
  /** Keys and values of one position. */
  kvBytesPerToken: number
  /** Bytes for keys and values, over all generations that run. */
  kvBytes: number
}

export interface GeneratorCallbacks {
  /** Text that became certain. */
  onText: (continuation: Continuation, piece: string) => void
  /** After each step: tokens it ran. */
  onStep: (tokens: number) => void
}

/** More texts a step no longer make a token cheaper. */
const mostSequences = 64

interface Run {
  control: Control
  fail: (error: unknown) => void
}

export class Generator {
  private readonly native: Pick<NativeModel, 'session'>
  private readonly limits: GeneratorLimits
  private readonly budget: KvBudget
  private readonly runs = new Set<Run>()
  private disposed = false

  constructor(native: Pick<NativeModel, 'session'>, limits: GeneratorLimits) {
    this.native = native
    this.limits = limits
    this.budget = new KvBudget(limits.kvBytes)
  }

  /**
   * Generates each continuation to its end.
   * @param signal rejects with ABORTED
   */
  async run(
    continuations: readonly Continuation[],
    sampling: NativeSampling,
    callbacks: GeneratorCallbacks,
    signal: AbortSignal | undefined,
  ): Promise<void> {
    if (this.disposed) throw disposedError()
    const control = newControl()
    let stopListening = () => {}
    try {
      await new Promise<void>((resolve, reject) => {
        const run: Run = {
          control,
          fail: error => {
            cancel(control)
            reject(error)
          },
        }
        this.runs.add(run)
        stopListening = onAbort(signal, run.fail)
        this.runGroups(continuations, sampling, control, callbacks)
          .then(resolve, reject)
          .finally(() => this.runs.delete(run))
      })
    } finally {
      stopListening()
    }
  }

  dispose(): void {
    this.disposed = true
    for (const run of this.runs) run.fail(disposedError())
  }

  private async runGroups(
    continuations: readonly Continuation[],
    sampling: NativeSampling,
    control: Control,
    callbacks: GeneratorCallbacks,
  ): Promise<void> {
    const { kvBytesPerToken, kvBytes } = this.limits
    for (let from = 0; from < continuations.length; ) {
      let to = from
      let bytes = 0
      while (to < continuations.length && to - from < mostSequences) {
        const more = continuations[to]!.capacity * kvBytesPerToken
        if (to > from && bytes + more > kvBytes) break
        bytes += more
        to++
      }
      const release = await this.budget.acquire(bytes)
      try {
        if (Atomics.load(control, 0) !== 0) return
        await this.runGroup(continuations.slice(from, to), sampling, control, callbacks)
      } finally {
        release()
      }
      from = to
    }
  }

  private async runGroup(
    group: Continuation[],
    sampling: NativeSampling,
    control: Control,
    callbacks: GeneratorCallbacks,
  ): Promise<void> {
    const session = this.native.session(
      Int32Array.from(group, continuation => continuation.capacity),
      Int32Array.from(group, continuation => continuation.stream),
      sampling,
    )
    try {
      await decode(session, group, this.limits.stepTokens, control, callbacks)
    } finally {
      session.dispose()
    }
  }
}

/** Each step gives one token to every text past its prompt, and what room is left to prompts in order. */
async function decode(
  session: NativeSession,
  group: Continuation[],
  stepTokens: number,
  control: Control,
  { onText, onStep }: GeneratorCallbacks,
): Promise<void> {
  /** Prompt tokens run so far. */
  const read = group.map(() => 0)
  let open = group.map((_, i) => i)
  while (open.length > 0) {
    const parts: { index: number; ids: Int32Array }[] = []
    let room = stepTokens
    for (const index of open) {
      const { prompt, tokens } = group[index]!
      const left = prompt.ids.length - read[index]!
      if (left === 0) {
        parts.push({ index, ids: Int32Array.of(tokens.at(-1)!) })
        room--
      } else if (room > 0) {
        const ids = prompt.ids.subarray(read[index]!, read[index]! + Math.min(left, room))
        parts.push({ index, ids })
        read[index]! += ids.length
        room -= ids.length
      }
    }
    const step = concatenate(parts)
    const next = await nativeJob(() => session.step(step.sequences, step.offsets, step.ids, control))
    for (const [i, { index }] of parts.entries()) {
      const continuation = group[index]!
      // A prompt that is not at its end yet says nothing of what follows it.
      if (read[index]! < continuation.prompt.ids.length) continue
      const piece = continuation.push(next.ids[i]!, next.logProbs[i]!)
      if (piece !== '') onText(continuation, piece)
    }
    open = open.filter(index => group[index]!.finishReason === undefined)
    onStep(step.ids.length)
  }
}

function concatenate(parts: { index: number; ids: Int32Array }[]) {
  const offsets = new Int32Array(parts.length + 1)
  for (const [i, { ids }] of parts.entries()) offsets[i + 1] = offsets[i]! + ids.length
  const ids = new Int32Array(offsets.at(-1)!)
  for (const [i, part] of parts.entries()) ids.set(part.ids, offsets[i]!)
  return { sequences: Int32Array.from(parts, ({ index }) => index), offsets, ids }
}
