// The settings of a LoRA run (Hu et al. 2021), with PEFT's defaults: which linear maps get an adapter, of which rank and scale.
import { boolean, check, type Kind, kind, positiveNumber, wholeNumber } from '../data/fields.ts'
import { isRecord } from '../data/record.ts'
import { shown } from '../data/shown.ts'
import type { MtLlamaError } from '../errors.ts'

/** The linear maps of a layer, in the order of the pass. */
export const projections = [
  ...(['q_proj', 'k_proj', 'v_proj', 'o_proj'] as const),
  ...(['gate_proj', 'up_proj', 'down_proj'] as const),
] as const
export type Projection = (typeof projections)[number]

/** What a configuration says of LoRA. */
export interface LoraOptions {
  /** The rank of each adapter: PEFT's `r`. @default 8 */
  rank?: number | undefined
  /** The product of an adapter is multiplied by alpha / rank: PEFT's `lora_alpha`. @default 8 */
  alpha?: number | undefined
  /** Whether it is multiplied by alpha / sqrt(rank) instead (Kalajdzievski 2023): PEFT's `use_rslora`. @default false */
  rslora?: boolean | undefined
  /** The maps of every layer that get an adapter: PEFT's `target_modules`. @default ['q_proj', 'v_proj'] */
  targets?: readonly Projection[] | 'all-linear' | undefined
  /** There is none. @default 0 */
  dropout?: 0 | undefined
}

/** All that counts. Targets are in the order of the pass; all of them are 'all-linear'. */
export type LoraSettings = { [Key in keyof Omit<LoraOptions, 'dropout'>]-?: NonNullable<LoraOptions[Key]> }

const defaults: LoraSettings = { rank: 8, alpha: 8, rslora: false, targets: ['q_proj', 'v_proj'] }

const kinds: { [Key in keyof LoraOptions]-?: Kind<NonNullable<LoraOptions[Key]>> } = {
  rank: wholeNumber(1, 2 ** 16),
  alpha: positiveNumber,
  rslora: boolean,
  targets: kind(
    `all-linear, or a list of ${projections.join(', ')}`,
    (value): value is Projection[] | 'all-linear' =>
      value === 'all-linear' ||
      (Array.isArray(value) && value.length > 0 && value.every(name => projections.includes(name))),
  ),
  dropout: kind('0, for adapters are trained without dropout', (value): value is 0 => value === 0),
}

/**
 * Checks what a configuration says of LoRA and fills in what it leaves open.
 * @param preset counts where the configuration says nothing
 * @param error makes the error of a message that names the setting: 'lora.rank is 0; ...'
 */
export function loraSettings(
  given: Readonly<Record<string, unknown>>,
  preset: LoraOptions,
  error: (message: string) => MtLlamaError,
): LoraSettings {
  const own: Record<string, unknown> = { ...defaults, ...preset }
  for (const [key, value] of Object.entries(given)) {
    if (!Object.hasOwn(kinds, key))
      throw error(`unknown key lora.${key}; there are ${Object.keys(kinds).join(', ')}`)
    if (value === undefined) continue
    own[key] = check(value, kinds[key as keyof LoraOptions] as Kind<unknown>, expected =>
      error(`lora.${key} is ${shown(value)}; expected ${expected}`),
    )
  }
  const { rank, alpha, rslora, targets } = own as unknown as LoraSettings
  const asked = projections.filter(name => targets === 'all-linear' || targets.includes(name))
  return { rank, alpha, rslora, targets: asked.length === projections.length ? 'all-linear' : asked }
}

/** What the product of an adapter is multiplied by. */
export function loraScale({ rank, alpha, rslora }: LoraSettings): number {
  return alpha / (rslora ? Math.sqrt(rank) : rank)
}

/** The targets by their names. */
export function targetsOf({ targets }: LoraSettings): readonly Projection[] {
  return targets === 'all-linear' ? projections : targets
}

export const loraSection = kind(
  'an object such as { rank: 8 }, or null to train all weights',
  (value): value is LoraOptions | null => value === null || isRecord(value),
)
