// Writes JSON of any size with turns of the event loop between, past the length that a string may have.
import { type Slices, sliceItems } from '../calls/slices.ts'

/** Characters that take about a millisecond to write. */
const pieceLength = 1 << 16

/** JSON.stringify() of an object as bytes: its lists are written some entries at a time, all else at once. */
export function* jsonBytes(value: object): Slices<Buffer[]> {
  const pieces: Buffer[] = []
  let text = '{'
  for (const [name, field] of Object.entries(value)) {
    if (field === undefined) continue
    if (text !== '{' || pieces.length > 0) text += ','
    text += `${JSON.stringify(name)}:`
    if (!Array.isArray(field)) {
      text += JSON.stringify(field)
      continue
    }
    // Entries that are objects may be long, such as vectors; numbers and texts are short.
    const step = typeof field[0] === 'object' ? 1 : sliceItems
    for (let i = 0; i < field.length; i += step) {
      text += (i === 0 ? '[' : ',') + JSON.stringify(field.slice(i, i + step)).slice(1, -1)
      if (text.length < pieceLength) continue
      pieces.push(Buffer.from(text))
      text = ''
      yield
    }
    text += field.length === 0 ? '[]' : ']'
  }
  pieces.push(Buffer.from(`${text}}`))
  return pieces
}
