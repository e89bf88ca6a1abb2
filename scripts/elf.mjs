// Reads 64-bit little-endian ELF files: their sections, and what a shared object needs of the system it runs on.
import { readFileSync } from 'node:fs'

// [{name, data, link}] of the sections of a file's bytes; `link` is the index of the section that it refers to.
export function sections(elf) {
  if (elf.readUInt32BE(0) !== 0x7f454c46 || elf[4] !== 2 || elf[5] !== 1)
    throw new Error('not a 64-bit little-endian ELF file')
  const table = Number(elf.readBigUInt64LE(0x28))
  const [size, count, namesIndex] = [0x3a, 0x3c, 0x3e].map(at => elf.readUInt16LE(at))
  const found = Array.from({ length: count }, (_, index) => {
    const header = elf.subarray(table + index * size, table + (index + 1) * size)
    const start = Number(header.readBigUInt64LE(0x18))
    const bytes = header.readUInt32LE(4) === 8 ? 0 : Number(header.readBigUInt64LE(0x20)) // 8: takes no room
    return {
      name: header.readUInt32LE(0),
      data: elf.subarray(start, start + bytes),
      link: header.readUInt32LE(0x28),
    }
  })
  const names = found[namesIndex].data
  return found.map(section => ({ ...section, name: text(names, section.name) }))
}

// What a shared object asks of others, as 'libc.so.6 GLIBC_2.28': a line for each version of each library's symbols
// (section .gnu.version_r: records of 16 bytes, each with a list of records of 16 bytes).
export function neededVersions(file) {
  const all = sections(readFileSync(file))
  const section = all.find(({ name }) => name === '.gnu.version_r')
  if (!section) return []
  const { data, link } = section
  const names = all[link].data
  const needed = []
  for (let library = 0, more = data.length > 0; more; ) {
    for (
      let version = library + data.readUInt32LE(library + 8), left = data.readUInt16LE(library + 2);
      left > 0;
      left--
    ) {
      needed.push(
        `${text(names, data.readUInt32LE(library + 4))} ${text(names, data.readUInt32LE(version + 8))}`,
      )
      version += data.readUInt32LE(version + 12)
    }
    const next = data.readUInt32LE(library + 12)
    library += next
    more = next > 0
  }
  return needed
}

function text(names, at) {
  return names.toString('latin1', at, names.indexOf(0, at))
}
