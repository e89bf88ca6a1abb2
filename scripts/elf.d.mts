// Types of elf.mjs, for tests.
export function neededVersions(file: string): string[]
