// Just enough of the protobuf wire format to read a SentencePiece model.
import { tokenizerError } from './field.ts'

/** The fields of one message, the last value where one is repeated and not asked for as a list. */
export class Message {
  readonly #file: string
  readonly #name: string
  readonly #fields = new Map<number, (number | Buffer)[]>()

  /** @param name of the message, for errors. @throws TOKENIZER where the bytes are no message */
  constructor(file: string, name: string, bytes: Buffer) {
    this.#file = file
    this.#name = name
    let at = 0
    const varint = () => {
      let value = 0
      for (let shift = 0; shift < 70; shift += 7) {
        if (at >= bytes.length) throw this.#broken('ends inside a number')
        const byte = bytes[at++]!
        value += (byte & 0x7f) * 2 ** shift
        if (byte < 0x80) return value
      }
      throw this.#broken('holds a number of more than 70 bits')
    }
    const take = (length: number) => {
      if (length > bytes.length - at) {
        throw this.#broken(`claims ${length} bytes at offset ${at} of its ${bytes.length}`)
      }
      at += length
      return bytes.subarray(at - length, at)
    }
    while (at < bytes.length) {
      const key = varint()
      const number = Math.floor(key / 8)
      const wire = key % 8
      let value: number | Buffer
      if (wire === 0) value = varint()
      else if (wire === 1) value = take(8)
      else if (wire === 2) value = take(varint())
      else if (wire === 5) value = take(4)
      else throw this.#broken(`has wire type ${wire} at offset ${at}`)
      const values = this.#fields.get(number)
      if (values === undefined) this.#fields.set(number, [value])
      else values.push(value)
    }
  }

  messages(number: number, name: string): Message[] {
    return this.#buffers(number, name).map((bytes, i) => new Message(this.#file, `${name}[${i}]`, bytes))
  }

  /** An empty message where it is not there, which has every default. */
  message(number: number, name: string): Message {
    return new Message(this.#file, name, this.bytes(number, name))
  }

  bytes(number: number, name: string): Buffer {
    return this.#buffers(number, name).at(-1) ?? Buffer.alloc(0)
  }

  string(number: number, name: string, fallback: string): string {
    return this.#buffers(number, name).at(-1)?.toString('utf8') ?? fallback
  }

  integer(number: number, name: string, fallback: number): number {
    const value = this.#fields.get(number)?.at(-1) ?? fallback
    if (typeof value !== 'number') throw this.#broken(`holds ${name}, which is no number`)
    return value
  }

  boolean(number: number, name: string, fallback: boolean): boolean {
    return this.integer(number, name, fallback ? 1 : 0) !== 0
  }

  float(number: number, name: string, fallback: number): number {
    const value = this.#fields.get(number)?.at(-1)
    if (value === undefined) return fallback
    if (typeof value === 'number' || value.length !== 4)
      throw this.#broken(`holds ${name}, which is no float`)
    return value.readFloatLE(0)
  }

  #buffers(number: number, name: string): Buffer[] {
    return (this.#fields.get(number) ?? []).map(value => {
      if (typeof value === 'number') throw this.#broken(`holds ${name}, which is a number`)
      return value
    })
  }

  #broken(problem: string) {
    return tokenizerError(this.#file, `is not a SentencePiece model: ${this.#name} ${problem}`)
  }
}
