// What machine code says: how often the opcodes of interest occur in each kernel of a cubin, for sm_80 to sm_90a.
import { readFileSync } from 'node:fs'

// The low 9 bits of a 16-byte instruction, whatever the kind of its operands. probe.cu checks every row.
export const opcodes = {
  HMMA: 0x03c, // mma.sync of 16-bit numbers
  LDSM: 0x03b, // ldmatrix
  LDGSTS: 0x1ae, // cp.async
  FFMA: 0x023,
  HGMMA: 0x1f0, // wgmma of 16-bit numbers
  UTMALDG: 0x1b4, // TMA load of a tensor's box
  LDL: 0x183, // local memory
  STL: 0x187,
}

// Map from the (mangled) name of a kernel to {HMMA: count, ...}.
export function countOpcodes(file) {
  const kernels = new Map()
  for (const [name, code] of sections(readFileSync(file))) {
    if (!name.startsWith('.text.')) continue
    const histogram = new Uint32Array(512)
    for (let at = 0; at + 16 <= code.length; at += 16) histogram[code.readUInt16LE(at) & 0x1ff]++
    kernels.set(
      name.slice('.text.'.length),
      Object.fromEntries(Object.entries(opcodes).map(([opcode, bits]) => [opcode, histogram[bits]])),
    )
  }
  return kernels
}

// [name, bytes] of the sections of a 64-bit little-endian ELF file.
function* sections(elf) {
  if (elf.readUInt32BE(0) !== 0x7f454c46 || elf[4] !== 2 || elf[5] !== 1)
    throw new Error('a cubin must be a 64-bit little-endian ELF file')
  const table = Number(elf.readBigUInt64LE(0x28))
  const [size, count, namesIndex] = [0x3a, 0x3c, 0x3e].map(at => elf.readUInt16LE(at))
  const section = index => {
    const header = elf.subarray(table + index * size, table + (index + 1) * size)
    const start = Number(header.readBigUInt64LE(0x18))
    const bytes = header.readUInt32LE(4) === 8 ? 0 : Number(header.readBigUInt64LE(0x20)) // 8: takes no room
    return { name: header.readUInt32LE(0), data: elf.subarray(start, start + bytes) }
  }
  const names = section(namesIndex).data
  for (let i = 0; i < count; i++) {
    const { name, data } = section(i)
    yield [names.toString('latin1', name, names.indexOf(0, name)), data]
  }
}
