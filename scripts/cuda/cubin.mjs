// Counts how often the opcodes of interest occur in each kernel of a cubin, for sm_80 to sm_90a.
import { readFileSync } from 'node:fs'
import { sections } from '../elf.mjs'

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
  for (const { name, data: code } of sections(readFileSync(file))) {
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
