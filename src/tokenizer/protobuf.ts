// Reads the protobuf wire format, as far as a SentencePiece model needs it.
import { tokenizerError } from './field.ts'

/** The value of a field: a number, or bytes. */
type Value = number | Buffer

/** The largest number of a field that SentencePiece defines itself: numbers from 200 on are extensions of others. */
const maxNumber = 199

/**
 * Yields the fields of a message one after the other, repeated ones too, without keeping them: a list may have millions of
 * entries of two bytes.
 * @param name the message's name, for errors
 * @throws TOKENIZER where the bytes are no message
 */
export function* fieldsOf(
  file: string,
  name: string,
  bytes: Buffer,
): Generator<[number: number, value: Value]> {
  let at = 0
  const varint = () => {
    let value = 0
    for (let shift = 0; shift < 70; shift += 7) {
      if (at >= bytes.length) throw broken(file, name, 'ends inside a number')
      const byte = bytes[at++]!
      value += (byte & 0x7f) * 2 ** shift
      if (byte < 0x80) return value
    }
    throw broken(file, name, 'holds a number of more than 70 bits')
  }
  const take = (length: number) => {
    if (length > bytes.length - at) {
      throw broken(file, name, `claims ${length} bytes at offset ${at} of its ${bytes.length}`)
    }
    at += length
    return bytes.subarray(at - length, at)
  }
  while (at < bytes.length) {
    const key = varint()
    const number = Math.floor(key / 8)
    const wire = key % 8
    if (wire === 0) yield [number, varint()]
    else if (wire === 1) yield [number, take(8)]
    else if (wire === 2) yield [number, take(varint())]
    else if (wire === 5) yield [number, take(4)]
    else throw broken(file, name, `has wire type ${wire} at offset ${at}`)
  }
}

/** The fields of one message by their numbers. A field that is repeated has its last value. */
export class Message {
  readonly #file: string
  readonly #name: string
  readonly #fields = new Map<number, Value>()

  /** @param name the message's name, for errors @throws TOKENIZER where the bytes are no message */
  constructor(file: string, name: string, bytes: Buffer) {
    this.#file = file
    this.#name = name
    for (const [number, value] of fieldsOf(file, name, bytes))
      if (number <= maxNumber) this.#fields.set(number, value)
  }

  /** The message in a field; an empty one, which has every default, where the field is missing. */
  message(number: number, name: string): Message {
    return new Message(this.#file, name, this.bytes(number, name))
  }

  bytes(number: number, name: string): Buffer {
    return this.#buffer(number, name) ?? Buffer.alloc(0)
  }

  string(number: number, name: string, fallback: string): string {
    return this.#buffer(number, name)?.toString('utf8') ?? fallback
  }

  integer(number: number, name: string, fallback: number): number {
    const value = this.#fields.get(number) ?? fallback
    if (typeof value !== 'number') throw this.#broken(`holds ${name}, which is no number`)
    return value
  }

  boolean(number: number, name: string, fallback: boolean): boolean {
    return this.integer(number, name, fallback ? 1 : 0) !== 0
  }

  float(number: number, name: string, fallback: number): number {
    const value = this.#fields.get(number)
    if (value === undefined) return fallback
    if (typeof value === 'number' || value.length !== 4)
      throw this.#broken(`holds ${name}, which is no float`)
    return value.readFloatLE(0)
  }

  #buffer(number: number, name: string): Buffer | undefined {
    const value = this.#fields.get(number)
    if (typeof value === 'number') throw this.#broken(`holds ${name}, which is a number`)
    return value
  }

  #broken(problem: string) {
    return broken(this.#file, this.#name, problem)
  }
}

function broken(file: string, name: string, problem: string) {
  return tokenizerError(file, `is not a SentencePiece model: ${name} ${problem}`)
}
