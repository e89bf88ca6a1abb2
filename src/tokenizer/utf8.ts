// Finds where characters end in UTF-8, for the decoders.

/** The character that undecodable bytes become. */
export const replacementCharacter = '\uFFFD'

/** The length of the character that starts at bytes[start]: 0 if none does, -1 if the bytes end inside one. */
export function characterLength(bytes: ArrayLike<number>, start: number): number {
  const lead = bytes[start]!
  if (lead < 0x80) return 1
  if (lead < 0xc2 || lead > 0xf4) return 0
  const length = lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4
  for (let i = 1; i < length; i++) {
    if (start + i >= bytes.length) return -1
    // The second byte rules out overlong forms, surrogates and what lies above U+10FFFF.
    const low = i > 1 ? 0x80 : lead === 0xe0 ? 0xa0 : lead === 0xf0 ? 0x90 : 0x80
    const high = i > 1 ? 0xbf : lead === 0xed ? 0x9f : lead === 0xf4 ? 0x8f : 0xbf
    const byte = bytes[start + i]!
    if (byte < low || byte > high) return 0
  }
  return length
}

/** The number of bytes at the end, 0 to 3, that begin a character which may still become whole. */
export function unfinishedBytes(bytes: ArrayLike<number>): number {
  for (let start = Math.max(0, bytes.length - 3); start < bytes.length; start++) {
    if (characterLength(bytes, start) === -1) return bytes.length - start
  }
  return 0
}
