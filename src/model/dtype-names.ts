// The names of number formats: ours, and the short ones of other libraries.
import type { DType } from '../native/types.ts'

const shortNames = {
  fp32: 'float32',
  f32: 'float32',
  bf16: 'bfloat16',
  fp16: 'float16',
  f16: 'float16',
} as const

export type DTypeName = DType | keyof typeof shortNames

export const dtypeNames: readonly DTypeName[] = [
  ...(['float32', 'bfloat16', 'float16'] as const),
  ...(Object.keys(shortNames) as DTypeName[]),
]

/** Our name. */
export function dtypeOf<Name extends string>(name: Name): Exclude<Name, keyof typeof shortNames> {
  const ours = (shortNames as Readonly<Record<string, DType>>)[name] ?? name
  return ours as Exclude<Name, keyof typeof shortNames>
}
