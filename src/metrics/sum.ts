// A sum, in the order of the numbers.
export function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, one) => total + one, 0)
}
