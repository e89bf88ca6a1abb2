// Tells objects with unknown fields, as JSON and rows of data hold them, from lists and all other values.

export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
