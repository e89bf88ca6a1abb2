// JSON.parse() with turns of the event loop between: of large lists and objects it parses some members at a time, which a scan
// for the commas between them finds. A worker would not help: to take over what it has parsed costs this thread as much.
import type { Slices } from '../calls/slices.ts'

/** Bytes that are parsed at once, which takes about a millisecond. */
const pieceLength = 1 << 15

/** Lists and objects that lie deeper are not taken apart: each level is scanned once more, and no request has more of size. */
const maxLevel = 4

const [quote, backslash, comma, colon, openList, endList, openObject, endObject] = [...'"\\,:[]{}'].map(
  text => text.charCodeAt(0),
)

/**
 * What JSON.parse() gives of a text in UTF-8.
 * @param piece bytes that are parsed at once; tests have smaller ones
 * @throws SyntaxError
 */
export function* parseSliced(bytes: Buffer, piece = pieceLength, level = 0): Slices<unknown> {
  if (bytes.length <= piece || level === maxLevel) return parse(bytes)
  let [start, end] = [0, bytes.length]
  while (start < end && isSpace(bytes[start]!)) start++
  while (start < end && isSpace(bytes[end - 1]!)) end--
  const [first, last] = [bytes[start], bytes[end - 1]]
  const inner = bytes.subarray(start + 1, end - 1)
  if (first === openList && last === endList) return yield* parseMembers(inner, new List(), piece, level)
  if (first === openObject && last === endObject)
    return yield* parseMembers(inner, new Members(), piece, level)
  return parse(bytes)
}

/** What is made of the members of a list or an object. */
interface Whole {
  readonly value: unknown
  /** Adds some members that are small. */
  addAll(bytes: Buffer): void
  /** Adds one that is large. @param colonAt where the first colon stands in it, outside of texts, lists and objects */
  add(bytes: Buffer, colonAt: number, parsed: (bytes: Buffer) => Slices<unknown>): Slices<void>
}

/** @param inner what stands between the brackets */
function* parseMembers(inner: Buffer, whole: Whole, piece: number, level: number): Slices<unknown> {
  if (isBlank(inner)) return whole.value
  const addAll = (bytes: Buffer) => {
    if (isBlank(bytes)) throw new SyntaxError('a member is missing')
    whole.addAll(bytes)
  }
  /** Where the members begin that are not parsed, and the last of them. */
  let [from, start] = [0, 0]
  let [depth, isText, colonAt] = [0, false, -1]
  let nextStop = piece
  for (let at = 0; at <= inner.length; at++) {
    if (at >= nextStop) {
      nextStop = at + piece
      yield
    }
    const isEnd = at === inner.length
    const byte = inner[at]
    if (isEnd && (isText || depth > 0)) throw new SyntaxError('the text ends early')
    if (isText) {
      if (byte === backslash) at++
      else if (byte === quote) isText = false
    } else if (byte === quote) isText = true
    else if (byte === openList || byte === openObject) depth++
    else if (byte === endList || byte === endObject) {
      if (--depth < 0) throw new SyntaxError('a bracket ends what was not begun')
    } else if (byte === colon && depth === 0 && colonAt < start) colonAt = at
    else if (isEnd || (byte === comma && depth === 0)) {
      if (at - start > piece) {
        if (start > from) addAll(inner.subarray(from, start - 1))
        yield* whole.add(inner.subarray(start, at), colonAt - start, bytes =>
          parseSliced(bytes, piece, level + 1),
        )
        from = at + 1
      } else if (isEnd || at - from > piece) {
        addAll(inner.subarray(from, at))
        from = at + 1
      }
      start = at + 1
    }
  }
  return whole.value
}

class List implements Whole {
  readonly value: unknown[] = []

  addAll(bytes: Buffer): void {
    for (const each of JSON.parse(`[${bytes}]`) as unknown[]) this.value.push(each)
  }

  *add(bytes: Buffer, _: number, parsed: (bytes: Buffer) => Slices<unknown>): Slices<void> {
    this.value.push(yield* parsed(bytes))
  }
}

class Members implements Whole {
  readonly value: Record<string, unknown> = {}

  addAll(bytes: Buffer): void {
    for (const [name, each] of Object.entries(JSON.parse(`{${bytes}}`) as object)) this.set(name, each)
  }

  *add(bytes: Buffer, colonAt: number, parsed: (bytes: Buffer) => Slices<unknown>): Slices<void> {
    const name: unknown = colonAt < 0 ? undefined : parse(bytes.subarray(0, colonAt))
    if (typeof name !== 'string') throw new SyntaxError('a member has no name')
    this.set(name, yield* parsed(bytes.subarray(colonAt + 1)))
  }

  /** An assignment to __proto__ would be no member. */
  private set(name: string, value: unknown): void {
    Object.defineProperty(this.value, name, { value, enumerable: true, configurable: true, writable: true })
  }
}

function parse(bytes: Buffer): unknown {
  return JSON.parse(bytes.toString())
}

function isBlank(bytes: Buffer): boolean {
  return bytes.every(isSpace)
}

/** White space as JSON has it. */
function isSpace(byte: number): boolean {
  return byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09
}
