// What the planner is run with; tests of determinism run others.
import type { Device } from '../native/types.ts'
import { gpuOrdinal } from './devices.ts'

export interface PlannerOptions {
  /** Tokens a pack should have; a longer sequence makes a pack of its own. @default maxPackTokens() */
  packTokens?: number
  /** Whether requests share prefixes. */
  share: boolean
}

export const defaultPlanner: PlannerOptions = { share: true }

/** SmolLM2-135M in bfloat16 took 390 us of processor time a token in packs of 256, 341 of 1,024, and 371 of 2,048. */
const processorPackTokens = 1024
/** Enough rows for matrix products to fill any GPU many times over. */
const gpuPackTokens = 16384
/** A GPU whose memory does not hold so many is not worth loading to. */
const minGpuPackTokens = 256

/** Tokens of a pack by default; fewer where a GPU's memory does not hold them. */
export function maxPackTokens(device: Device): number {
  return gpuOrdinal(device) === undefined ? processorPackTokens : gpuPackTokens
}

/** Tokens of a pack that there must be memory for, of those that there should be. */
export function minPackTokens(device: Device, wanted: number): number {
  return gpuOrdinal(device) === undefined ? wanted : Math.min(wanted, minGpuPackTokens)
}
