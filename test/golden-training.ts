// Steps of golden training: their pack, their optimizer, and how near own numbers have to be.
import { strict as assert } from 'node:assert'
import type { NativeStep, NativeTrainPack } from '../src/native/types.ts'
import type { ArrayEntry } from './safetensors-arrays.ts'

/** case.json of a golden checkpoint with train.safetensors: what PyTorch made of three steps. */
export interface TrainCase {
  losses: number[]
  grad_norms: number[]
  optimizer: {
    lr: number
    betas: [number, number]
    eps: number
    weight_decay: number
    clip_norm: number
  }
}

/** Of a gradient, as a share of the tensor's largest; of loss and norm of the first step and of the third, as a share. */
export const gradientTolerance = 2e-5
export const firstTolerance = 2e-6
export const thirdTolerance = 1e-2
/** Of a weight after one step of AdamW with the golden gradients, absolute. */
const updateTolerance = 2e-7

/** Each sequence is a tree of its own; a position is scored where the next one has a label. */
export function goldenPack(golden: Map<string, ArrayEntry>): NativeTrainPack {
  const { shape, data: ids } = golden.get('input_ids') as ArrayEntry
  const labels = (golden.get('labels') as ArrayEntry).data
  const [sequences, length] = shape as [number, number]
  const rows: number[] = []
  for (let at = 0; at < ids.length; at++)
    if ((at + 1) % length !== 0 && labels[at + 1] !== -100) rows.push(at)
  return {
    ids: Int32Array.from(ids),
    positions: Int32Array.from(ids, (_, at) => at % length),
    branchStart: Int32Array.from(ids, (_, at) => at - (at % length)),
    trees: Int32Array.from(
      Array.from({ length: sequences }, (_, i) => [i * length, (i + 1) * length, 0]).flat(),
    ),
    rows: Int32Array.from(rows),
    targets: Int32Array.from(rows, row => labels[row + 1] as number),
    weights: new Float32Array(rows.length).fill(1 / rows.length),
  }
}

export function stepOf({ optimizer }: TrainCase, step: number): NativeStep {
  const [beta1, beta2] = optimizer.betas
  return {
    ...{ step, beta1, beta2, learningRate: optimizer.lr, eps: optimizer.eps },
    ...{ weightDecay: optimizer.weight_decay, maxNorm: optimizer.clip_norm, decayVectors: true },
  }
}

export function tensor(golden: Map<string, ArrayEntry>, name: string): Float32Array {
  const entry = golden.get(name)
  assert.ok(entry?.data instanceof Float32Array, `${name} is not among the golden tensors`)
  return entry.data
}

export function near(own: number, want: number, tolerance: number, what: string) {
  assert.ok(Math.abs(own - want) <= tolerance * Math.abs(want), `${what} is ${own}, want ${want}`)
}

/** Holds each number to a share of the largest. */
export function closeTo(own: Float32Array, want: Float32Array, tolerance: number, what: string) {
  assert.equal(own.length, want.length, what)
  const largest = want.reduce((max, value) => Math.max(max, Math.abs(value)), 0)
  for (let i = 0; i < want.length; i++) {
    const error = Math.abs((own[i] as number) - (want[i] as number))
    assert.ok(
      error <= tolerance * largest,
      `${what}[${i}] is ${own[i]}, want ${want[i]}; ${error / largest} of the largest`,
    )
  }
}

/** Holds weights after one step of AdamW with the golden gradients to the golden ones. */
export function updatedAs(own: Float32Array, want: Float32Array, what: string) {
  const worst = Math.max(...own.map((value, i) => Math.abs(value - (want[i] as number))))
  assert.ok(worst <= updateTolerance, `${what} is off by ${worst}`)
}
