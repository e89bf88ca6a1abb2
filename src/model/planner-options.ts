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
/** So many rows of matrix products fill any GPU many times over. */
const gpuPackTokens = 16384
/** Tokens of a pack that a GPU must hold to be worth loading to. */
const minGpuPackTokens = 256

/** Tokens of a pack by default; fewer where a GPU's memory does not hold them. */
export function maxPackTokens(device: Device): number {
  return gpuOrdinal(device) === undefined ? processorPackTokens : gpuPackTokens
}

/** Tokens of a pack that a load needs memory for, where `wanted` would be best. */
export function minPackTokens(device: Device, wanted: number): number {
  return gpuOrdinal(device) === undefined ? wanted : Math.min(wanted, minGpuPackTokens)
}
