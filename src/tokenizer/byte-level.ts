// GPT-2's spelling of bytes as printable characters: the alphabet of byte-level vocabularies.

/** The character that stands for each of the 256 bytes. */
export const byteCharacters: readonly string[] = makeByteCharacters()

const bytesByCharacter: ReadonlyMap<string, number> = new Map(byteCharacters.map((c, byte) => [c, byte]))

/** The bytes a token stands for. A token with any other character is taken as plain text. */
export function tokenBytes(token: string): Buffer {
  const bytes: number[] = []
  for (const character of token) {
    const byte = bytesByCharacter.get(character)
    if (byte === undefined) return Buffer.from(token, 'utf8')
    bytes.push(byte)
  }
  return Buffer.from(bytes)
}

/** Spells a text in the alphabet. */
export function byteSpelling(text: string): string {
  let out = ''
  for (const byte of Buffer.from(text, 'utf8')) out += byteCharacters[byte]
  return out
}

function makeByteCharacters(): string[] {
  const printable = (byte: number) =>
    (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte <= 0xac) || byte >= 0xae
  let next = 0x100
  return Array.from({ length: 256 }, (_, byte) => String.fromCharCode(printable(byte) ? byte : next++))
}
