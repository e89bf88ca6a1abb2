// Random arguments for the addon's functions: controls, packs, and objects with a wrong field.
import type { Control, NativeConfig, NativePack } from '../../src/native/types.ts'
import { newControl, randomPack } from '../boundary/random-model.ts'
import type { Random } from './random.ts'

// biome-ignore lint/suspicious/noExplicitAny: wrong types are what is tested
type Anything = any

/** Makes shared memory for control, which may be cancelled now or soon, or a value of any kind. */
export function randomControl(random: Random): Control {
  if (random.chance(0.1)) return random.anything() as Anything
  return random.chance(0.2) ? cancelledSoon(random) : newControl()
}

export function cancelledSoon(random: Random): Control {
  const control = newControl()
  const cancel = () => Atomics.store(control, 0, random.pick([1, -1, 2 ** 31 - 1]))
  if (random.chance(0.3)) cancel()
  else setTimeout(cancel, random.int(0, 20))
  return control
}

/** Replaces a field of an object by something else. */
export function spoil<T extends object>(random: Random, object: T): T {
  const copy = { ...object } as Record<string, unknown>
  const name = random.pick(Object.keys(copy))
  if (random.chance(0.1)) delete copy[name]
  else if (typeof copy[name] === 'number' && random.chance(0.6)) copy[name] = random.oddNumber()
  else copy[name] = random.anything()
  return copy as T
}

/** A pack of which up to three arrays are changed. */
export function mutatedPack(random: Random, config: NativeConfig): NativePack {
  const pack: NativePack = {
    ...randomPack(config, random.int(1, 4), random.int(1, 40)),
    topK: random.int(0, 3),
  }
  for (let i = random.int(0, 3); i > 0; i--) {
    const name = random.pick(['ids', 'positions', 'branchStart', 'trees', 'rows', 'targets'] as const)
    const array = Int32Array.from(pack[name])
    const at = random.below(array.length + 1)
    random.make<void>([
      () => void array.fill(random.int(-2, 100), at, at + 1),
      () =>
        void array.fill(
          random.pick([2 ** 31 - 1, -(2 ** 31), config.vocabSize, config.contextLength]),
          at,
          at + 1,
        ),
      () => void array.copyWithin(0, at),
      () => void array.reverse(),
    ])
    pack[name] = random.chance(0.2) ? array.slice(0, at) : array
  }
  return random.chance(0.15) ? spoil(random, pack) : pack
}
