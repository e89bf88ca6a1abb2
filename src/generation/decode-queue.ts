// Runs the texts of all calls on one native session: prompts and new tokens of many texts share each step, and as texts
// end, waiting ones take their places, of each call in turn.

import { byPriority, type Priority } from '../calls/priority.ts'
import { inSlices, type Slices } from '../calls/slices.ts'
import { WorkDone } from '../calls/work-done.ts'
import { cancel, disposedError, nativeJob, newControl } from '../native/job.ts'
import type { Control, NativeModel, NativeNext } from '../native/types.ts'
import { joinAdjustments } from './adjustments.ts'
import { joinMasks } from './constraint/text-constraint.ts'
import type { Continuation } from './continuation.ts'
import { KvRows, sharedTokens, type TextRows } from './kv-rows.ts'

/** A call as the queue sees it. */
export interface DecodingCall {
  readonly priority: Priority
  /** Whether keys and values of its texts stay for a while, for texts that begin alike. */
  readonly keepsRows: boolean
  /** Texts that were read and not begun, in order; the queue takes from the front. */
  readonly waiting: Continuation[]
  /** Whether there are texts enough to begin with where nothing runs yet, or no more for now. */
  readonly isReady: boolean
  /** Text that became certain, and of what. */
  onText(piece: string, text: Continuation): void
  /** After each step with texts of the call: tokens it ran of them, and how many it brought to their end. */
  onStep(tokens: number, ended: number): void
  fail(error: unknown): void
}

/** Texts that a step may have: more of them no longer make a token cheaper. */
export const maxSequences = 64

/** A text in the session. */
interface Running extends TextRows {
  call: DecodingCall
  text: Continuation
}

export class DecodeQueue {
  readonly done = new WorkDone()
  private readonly stepTokens: number
  private readonly rows: KvRows
  private readonly calls = new Set<DecodingCall>()
  private running: Running[] = []
  /** Cancels the step that runs. */
  private control: Control | undefined
  private waking = false
  private looping = false
  private disposed = false

  /**
   * @param stepTokens tokens a step may have
   * @param kvTokens tokens of which there may be keys and values, over all texts that run or are kept
   */
  constructor(native: Pick<NativeModel, 'session'>, stepTokens: number, kvTokens: number) {
    this.stepTokens = stepTokens
    this.rows = new KvRows(native, kvTokens)
  }

  add(call: DecodingCall): void {
    if (this.disposed) call.fail(disposedError())
    else this.calls.add(call)
  }

  /** Forgets a call and its texts; a step that runs for no other call is cancelled. */
  remove(call: DecodingCall): void {
    this.calls.delete(call)
    this.textsEnded()
  }

  /** To be called where texts that may run have ended otherwise than by a token: a step for no other text is cancelled. */
  textsEnded(): void {
    if (this.control && !this.running.some(place => this.isWanted(place))) cancel(this.control)
  }

  /** To be called when texts wait, or a call has become ready. Calls made in one turn of the event loop begin together. */
  wake(): void {
    if (this.waking || this.looping) return
    this.waking = true
    setImmediate(() => {
      this.waking = false
      if (!this.looping) void this.loop()
    })
  }

  /** Fails every call; later ones fail at once. */
  dispose(): void {
    this.disposed = true
    for (const call of [...this.calls]) call.fail(disposedError())
  }

  /** Steps until no text runs and no call is ready. */
  private async loop(): Promise<void> {
    this.looping = true
    while (this.hasWork) {
      await this.admit()
      await this.prepare()
      this.dropForgotten()
      if (this.running.length > 0) await this.step()
      this.dropForgotten()
      // Where the model was disposed meanwhile, its memory is free already.
      if (!this.hasWork) await this.rows.settle().catch(() => {})
    }
    this.looping = false
  }

  private get hasWork(): boolean {
    return this.running.length > 0 || [...this.calls].some(({ isReady }) => isReady)
  }

  /** Gives free places to texts that wait. Where the next one finds no room, none passes it. */
  private async admit(): Promise<void> {
    const next = this.inTurn(maxSequences - this.running.length)
    if (next.length === 0) return
    try {
      const texts = next.map(({ text: { prompt, capacity } }) => ({ ids: prompt.ids, capacity }))
      for (const [i, place] of (await this.rows.take(texts)).entries()) {
        const { call, text } = next[i]!
        this.running.push({ call, text, ...place })
        // A call that has ended meanwhile has emptied its list.
        if (call.waiting[0] === text) call.waiting.shift()
        // Those that wait have had no place for longer.
        if (this.calls.delete(call)) this.calls.add(call)
      }
    } catch (error) {
      const { call, text } = next[0]!
      // A text that has ended meanwhile where it is needs no place, and its call no error.
      if (!text.ended) call.fail(error)
    }
  }

  /** The texts that wait, one of each call in turn, those of the first priority first. */
  private inTurn(most: number): { call: DecodingCall; text: Continuation }[] {
    const texts: { call: DecodingCall; text: Continuation }[] = []
    for (const calls of byPriority(this.calls)) {
      const longest = Math.max(...calls.map(({ waiting }) => waiting.length))
      for (let i = 0; i < longest; i++)
        for (const call of calls)
          if (i < call.waiting.length && texts.length < most) texts.push({ call, text: call.waiting[i]! })
    }
    return texts
  }

  /** Finds which tokens may come next in texts that have a constraint. One may end by that. */
  private async prepare(): Promise<void> {
    for (const place of this.running) {
      const { call, text } = place
      if (!this.isWanted(place)) continue
      const piece = await inSlices(this.whileWanted(place, text.prepare()))
      if (!this.calls.has(call) || !text.ended) continue
      if (piece !== '') this.callBack(call, () => call.onText(piece, text))
      this.callBack(call, () => call.onStep(0, 1))
    }
  }

  private *whileWanted(place: Running, work: Slices<string>): Slices<string> {
    for (;;) {
      const step = work.next()
      if (step.done) return step.value
      yield
      if (!this.isWanted(place)) return ''
    }
  }

  /** Gives one token to every text past its prompt, and the room that is left to prompts in their order. */
  private async step(): Promise<void> {
    // A step is short. Behind the packs of a large score() each token would wait for two of them.
    const isUrgent = this.running.some(({ call }) => call.priority !== 'low')
    try {
      await this.sharePrompts()
      const ready = this.running.filter(place => !this.promptSource(place))
      const parts = stepParts(ready, this.stepTokens)
      const { sequences, samplings, offsets, ids, adjustments, topCounts, masks } = concatenate(parts)
      const control = newControl()
      this.control = control
      const next = await nativeJob(() =>
        this.rows.session.step(
          ...([sequences, samplings, offsets, ids, control, isUrgent] as const),
          ...([adjustments, topCounts, masks] as const),
        ),
      ).finally(() => (this.control = undefined))
      this.done.add(parts.length, maxSequences)
      for (const { place, ids } of parts) place.length += ids.length
      // A text may end with this token, and its rows be gone.
      await this.sharePrompts()
      this.takeTokens(parts, next)
    } catch (error) {
      // Where it was cancelled, nobody is left to be told.
      const wanted = this.running.filter(place => this.isWanted(place))
      for (const call of new Set(wanted.map(({ call }) => call))) call.fail(error)
    }
  }

  /** Copies keys and values of prompts that have been run to their other texts. */
  private async sharePrompts(): Promise<void> {
    const copies: number[] = []
    for (const place of this.running) {
      const source = this.promptSource(place)
      const shared = sharedTokens(place.text.prompt.ids)
      if (!source || source.length < shared) continue
      copies.push(source.firstRow, place.firstRow, shared)
      place.length = shared
    }
    if (copies.length === 0) return
    await nativeJob(() => this.rows.session.copy(Int32Array.from(copies), newControl()))
  }

  /** The text that runs the prompt of this one; undefined where it does so itself, or has begun already. */
  private promptSource(place: Running): Running | undefined {
    const { prompt } = place.text
    if (place.length >= sharedTokens(prompt.ids)) return undefined
    const first = this.running.find(({ text }) => text.prompt === prompt)
    return first === place ? undefined : first
  }

  private takeTokens(parts: readonly StepPart[], next: NativeNext): void {
    const done = new Map<DecodingCall, { tokens: number; ended: number }>()
    for (const { place, ids, token } of withTokens(parts, next)) {
      const { call, text } = place
      if (!this.isWanted(place)) continue
      const ofCall = done.get(call) ?? { tokens: 0, ended: 0 }
      done.set(call, ofCall)
      ofCall.tokens += ids.length
      if (!token) continue
      const piece = text.push(token.id, token.logProb, token.alternatives)
      if (text.ended) ofCall.ended++
      if (piece !== '') this.callBack(call, () => call.onText(piece, text))
    }
    this.drop(({ text }) => text.ended)
    for (const [call, { tokens, ended }] of done)
      if (this.calls.has(call)) this.callBack(call, () => call.onStep(tokens, ended))
  }

  private dropForgotten(): void {
    this.drop(place => !this.isWanted(place))
  }

  /** Whether somebody waits for more of a text. */
  private isWanted({ call, text }: Running): boolean {
    return this.calls.has(call) && !text.ended
  }

  /** Takes texts out of the session. */
  private drop(isOver: (place: Running) => boolean): void {
    for (const place of this.running) if (isOver(place)) this.giveBack(place)
    this.running = this.running.filter(place => !isOver(place))
  }

  private giveBack({ call, text, firstRow, length }: Running): void {
    const { prompt, capacity, tokens } = text
    if (!call.keepsRows || length < prompt.ids.length) this.rows.give(firstRow, capacity)
    else this.rows.keep(firstRow, capacity, Int32Array.from([...prompt.ids, ...tokens]).subarray(0, length))
  }

  /** What a call's own listeners throw ends that call and no other. */
  private callBack(call: DecodingCall, tell: () => void): void {
    try {
      tell()
    } catch (error) {
      call.fail(error)
    }
  }
}

interface StepPart {
  place: Running
  ids: Int32Array
  /** Whether a new token follows: a prompt that is not at its end yet says nothing of what follows it. */
  choosesToken: boolean
}

function stepParts(running: readonly Running[], stepTokens: number): StepPart[] {
  const parts: StepPart[] = []
  let room = stepTokens
  for (const place of running) {
    const { prompt, tokens } = place.text
    const unread = prompt.ids.length - place.length
    if (unread > 0 && room <= 0) continue
    const ids =
      unread > 0
        ? prompt.ids.subarray(place.length, place.length + Math.min(unread, room))
        : Int32Array.of(tokens.at(-1)!)
    parts.push({ place, ids, choosesToken: unread <= ids.length })
    room -= ids.length
  }
  return parts
}

function concatenate(parts: readonly StepPart[]) {
  const sequences = new Int32Array(3 * parts.length)
  const offsets = new Int32Array(parts.length + 1)
  for (const [i, { place, ids }] of parts.entries()) {
    sequences.set([place.firstRow, place.length, place.text.stream], 3 * i)
    offsets[i + 1] = offsets[i]! + ids.length
  }
  const ids = new Int32Array(offsets.at(-1)!)
  for (const [i, part] of parts.entries()) ids.set(part.ids, offsets[i]!)
  return {
    ...{ sequences, samplings: parts.map(({ place }) => place.text.sampling), offsets, ids },
    adjustments: joinAdjustments(
      parts.map(({ place, choosesToken }) => (choosesToken ? place.text.adjustments : undefined)),
    ),
    topCounts: Int32Array.from(parts, topCountOf),
    masks: joinMasks(
      parts.map(({ place, choosesToken }) => (choosesToken ? place.text.constraint?.mask : undefined)),
    ),
  }
}

function topCountOf({ place, choosesToken }: StepPart): number {
  return choosesToken ? place.text.topLogProbs : 0
}

/** The parts of a step with the tokens that follow them. */
function withTokens(parts: readonly StepPart[], next: NativeNext) {
  let top = 0
  return parts.map((part, i) => {
    const start = top
    top += topCountOf(part)
    const alternatives = Array.from(next.topIds.subarray(start, top), (token, k) => ({
      token,
      logProb: next.topLogProbs[start + k]!,
    }))
    const token = { id: next.ids[i]!, logProb: next.logProbs[i]!, alternatives }
    return { ...part, token: part.choosesToken ? token : undefined }
  })
}
