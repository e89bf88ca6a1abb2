// Reads Python's pickles without Python: builds plain values, knows of no class or function but those it is given, and runs
// none of the file's. Opcodes: https://github.com/python/cpython/blob/main/Lib/pickletools.py
import { shown } from '../../data/shown.ts'
import { MtLlamaError } from '../../errors.ts'

/** A Python object as far as it is needed; tuples and lists are arrays. */
export type Value = null | boolean | number | bigint | string | Uint8Array | Value[] | Dict | object

export class Dict {
  readonly entries = new Map<Value, Value>()
}

/** A class or function that a pickle may name. */
export interface Global {
  name: string
  /** Makes what a call of it gives; absent where it may be named, but not called. */
  call?: (args: Value[], fault: Fault) => Value
}

/** Makes the error for what a pickle asks for: CHECKPOINT_CORRUPT by default. */
export type Fault = (what: string, code?: 'CHECKPOINT_CORRUPT' | 'CHECKPOINT_UNSUPPORTED') => MtLlamaError

export interface World {
  /** Classes and functions by their full names: 'collections.OrderedDict'. */
  globals: ReadonlyMap<string, Global>
  /** The object that lies outside of the pickle under this id. */
  persistent: (id: Value, fault: Fault) => Value
}

/** About what the values may take in memory, by the estimates below: 9,000 tensors. */
const MAX_BYTES = 12 * 2 ** 20

/** Python writes at most 1,000 entries of a dict, two values each, before it puts them into it. */
const MAX_STACK = 10_000

const MAX_NAME_BYTES = 256

/** What an array, a Map or an object takes in V8, and an element of it. */
const OBJECT_BYTES = 64
const LIST_BYTES = 192
const DICT_BYTES = 256
const ENTRY_BYTES = 48

/** Opcodes that are refused, by the names pickletools gives them, for the message. */
const refusedOpcodes: Readonly<Record<string, string>> = {
  ...{ P: 'PERSID', S: 'STRING', V: 'UNICODE', F: 'FLOAT', p: 'PUT', g: 'GET', l: 'LIST', d: 'DICT' },
  ...{ '0': 'POP', '1': 'POP_MARK', '2': 'DUP' },
  ...{ i: 'INST', o: 'OBJ', '\x81': 'NEWOBJ', '\x92': 'NEWOBJ_EX', '\x82': 'EXT1', '\x83': 'EXT2' },
  ...{ '\x84': 'EXT4', '\x8b': 'LONG4', '\x8f': 'EMPTY_SET', '\x90': 'ADDITEMS', '\x91': 'FROZENSET' },
  ...{ '\x96': 'BYTEARRAY8', '\x97': 'NEXT_BUFFER', '\x98': 'READONLY_BUFFER' },
}

export class Unpickler {
  /** The position of the next byte. */
  position: number
  private readonly bytes: Buffer
  private readonly world: World
  private readonly where: string
  private readonly fileOffset: number
  private readonly atEnd: string
  private stack: Value[] = []
  private marks: number[] = []
  private memo = new Map<number, Value>()
  private opcodeAt = 0
  private taken = 0

  /**
   * @param where begins the message of an error @param fileOffset of `bytes`, for messages
   * @param atEnd what is wrong where the bytes end before a pickle does
   */
  constructor(
    bytes: Buffer,
    world: World,
    { where, fileOffset, atEnd }: { where: string; fileOffset: number; atEnd: string },
  ) {
    this.bytes = bytes
    this.world = world
    this.where = where
    this.fileOffset = fileOffset
    this.atEnd = atEnd
    this.position = 0
  }

  /**
   * The next pickle's value.
   * @throws CHECKPOINT_CORRUPT, CHECKPOINT_UNSUPPORTED (an opcode or a name that is not read), naming the byte
   */
  load(): Value {
    this.stack = []
    this.marks = []
    this.memo = new Map()
    for (;;) {
      this.opcodeAt = this.position
      const opcode = this.byte()
      if (opcode === STOP) return this.pop()
      const run = operationOf[opcode]
      if (run === undefined) throw this.unknown(opcode)
      run(this)
    }
  }

  readonly fault: Fault = (what, code = 'CHECKPOINT_CORRUPT') =>
    new MtLlamaError(code, `${this.where}: byte ${this.fileOffset + this.opcodeAt}: ${what}`)

  private unknown(opcode: number): MtLlamaError {
    const hex = `0x${opcode.toString(16).padStart(2, '0')}`
    const name = refusedOpcodes[String.fromCharCode(opcode)]
    return name === undefined
      ? this.fault(`${hex} is no opcode of a pickle`)
      : this.fault(`the opcode ${name}, which no state dict needs`, 'CHECKPOINT_UNSUPPORTED')
  }

  /** Moves past `length` bytes. @returns where they begin */
  private skip(length: number): number {
    const start = this.position
    if (length > this.bytes.length - start) throw this.fault(this.atEnd)
    this.position += length
    return start
  }

  byte(): number {
    return this.bytes[this.skip(1)]!
  }

  u16(): number {
    return this.bytes.readUInt16LE(this.skip(2))
  }

  u32(): number {
    return this.bytes.readUInt32LE(this.skip(4))
  }

  i32(): number {
    return this.bytes.readInt32LE(this.skip(4))
  }

  /** A length; one past 2^53 is past every end. */
  u64(): number {
    return Number(this.bytes.readBigUInt64LE(this.skip(8)))
  }

  /** Reads a float as Python packs it, big-endian. */
  float(): number {
    return this.bytes.readDoubleBE(this.skip(8))
  }

  /** Two's complement, little-endian. */
  integer(length: number): number | bigint {
    const start = this.skip(length)
    const hex = Buffer.from(this.bytes.subarray(start, this.position)).reverse().toString('hex')
    this.take(OBJECT_BYTES + length)
    return safe(BigInt.asIntN(8 * length, BigInt(`0x0${hex}`)))
  }

  decimal(text: string): number | bigint {
    if (!/^-?\d{1,40}$/.test(text)) throw this.fault(`${shown(text)} is no whole number`)
    return safe(BigInt(text))
  }

  text(length: number): string {
    const start = this.skip(length)
    this.take(OBJECT_BYTES + length)
    return this.bytes.toString('utf8', start, this.position)
  }

  /** Not copied. */
  data(length: number): Uint8Array {
    const start = this.skip(length)
    this.take(2 * OBJECT_BYTES)
    return this.bytes.subarray(start, this.position)
  }

  line(): string {
    const end = this.bytes.indexOf(10, this.position)
    const length = (end < 0 ? this.bytes.length : end) - this.position
    if (length > MAX_NAME_BYTES) throw this.fault(`a name of more than ${MAX_NAME_BYTES} bytes`)
    const text = this.text(length)
    this.skip(1)
    return text
  }

  push(value: Value): void {
    if (this.stack.length === MAX_STACK) throw this.fault(`more than ${MAX_STACK} values wait on its stack`)
    this.stack.push(value)
  }

  pop(): Value {
    const floor = this.marks.at(-1) ?? 0
    if (this.stack.length <= floor) throw this.fault('takes a value from an empty stack')
    return this.stack.pop()!
  }

  top(): Value {
    const value = this.pop()
    this.stack.push(value)
    return value
  }

  mark(): void {
    if (this.marks.length === MAX_STACK) throw this.fault(`more than ${MAX_STACK} marks wait on its stack`)
    this.marks.push(this.stack.length)
  }

  /** Everything above the last mark. */
  popMark(): Value[] {
    const mark = this.marks.pop()
    if (mark === undefined) throw this.fault('looks for a mark, and there is none')
    return this.array(this.stack.splice(mark))
  }

  /** Counts a new array. */
  array(values: Value[]): Value[] {
    this.take(OBJECT_BYTES + 8 * values.length)
    return values
  }

  dict(): Dict {
    this.take(DICT_BYTES)
    return new Dict()
  }

  list(): Value[] {
    this.take(LIST_BYTES)
    return []
  }

  tuple(length: number): void {
    if (this.stack.length - length < (this.marks.at(-1) ?? 0))
      throw this.fault(`makes a tuple of ${length} from fewer values`)
    this.push(this.array(this.stack.splice(-length)))
  }

  remember(index: number): void {
    if (!this.memo.has(index)) this.take(ENTRY_BYTES)
    this.memo.set(index, this.top())
  }

  rememberNext(): void {
    this.remember(this.memo.size)
  }

  recall(index: number): void {
    const value = this.memo.get(index)
    if (value === undefined) throw this.fault(`recalls value ${index}, which was not kept`)
    this.push(value)
  }

  append(values: Value[]): void {
    const list = this.top()
    if (!Array.isArray(list)) throw this.fault(`appends to ${kindOf(list)}`)
    this.take(2 * 8 * values.length)
    for (const value of values) list.push(value)
  }

  /** @param items keys and values in turn */
  set(items: Value[]): void {
    const dict = this.top()
    if (!(dict instanceof Dict)) throw this.fault(`sets entries of ${kindOf(dict)}`)
    if (items.length % 2 !== 0) throw this.fault('sets a key without a value')
    this.take((ENTRY_BYTES * items.length) / 2)
    for (let i = 0; i < items.length; i += 2) dict.entries.set(items[i]!, items[i + 1]!)
  }

  global(module: Value, name: Value): Global {
    if (typeof module !== 'string' || typeof name !== 'string')
      throw this.fault(`names ${kindOf(module)} and ${kindOf(name)} as module and name`)
    const found = this.world.globals.get(`${module}.${name}`)
    if (found !== undefined) return found
    throw this.fault(
      `the pickle names ${shown(`${module}.${name}`)}, which no state dict needs; nothing of it is run. ` +
        'Save the tensors alone, by torch.save(model.state_dict(), FILE) or as safetensors',
      'CHECKPOINT_UNSUPPORTED',
    )
  }

  reduce(): void {
    const args = this.pop()
    const callee = this.pop() as Partial<Global> | null
    if (!Array.isArray(args) || typeof callee?.call !== 'function')
      throw this.fault(`calls ${kindOf(callee)} with ${kindOf(args)}`)
    // What is called may build a dict of a list that it is given.
    this.take(
      DICT_BYTES +
        args.reduce((sum: number, arg) => sum + (Array.isArray(arg) ? arg.length : 0), 0) * ENTRY_BYTES,
    )
    this.push(callee.call(args, this.fault))
  }

  /** Attributes of a dict, such as the _metadata of a state dict, are passed over; nothing else has any. */
  build(): void {
    this.pop()
    const target = this.top()
    if (!(target instanceof Dict))
      throw this.fault(`sets attributes of ${kindOf(target)}`, 'CHECKPOINT_UNSUPPORTED')
  }

  persistent(): void {
    this.take(DICT_BYTES)
    this.push(this.world.persistent(this.pop(), this.fault))
  }

  private take(bytes: number): void {
    this.taken += bytes
    if (this.taken > MAX_BYTES)
      throw this.fault(`makes values of more than ${MAX_BYTES / 2 ** 20} MiB; no state dict does`)
  }
}

/** Tells messages what a value is, never its text, which may be of any length and depth. */
export function kindOf(value: Value | undefined): string {
  if (value === undefined || value === null) return 'None'
  if (Array.isArray(value)) return 'a list'
  if (value instanceof Dict) return 'a dict'
  if (value instanceof Uint8Array) return 'bytes'
  if (typeof value === 'object')
    return 'name' in value && typeof value.name === 'string'
      ? value.name
      : `a ${value.constructor.name.toLowerCase()}`
  return `a ${typeof value}`
}

function safe(value: bigint): number | bigint {
  return Number.isSafeInteger(Number(value)) ? Number(value) : value
}

type Operation = (reader: Unpickler) => void

const STOP = 0x2e

/** What each opcode does, by its byte as a character. */
const operations: Readonly<Record<string, Operation>> = {
  '\x80': r => {
    const protocol = r.byte()
    if (protocol > 5)
      throw r.fault(`a pickle of protocol ${protocol}; 1 to 5 are read`, 'CHECKPOINT_UNSUPPORTED')
  },
  // FRAME says how many bytes come until the next, which helps readers of streams.
  '\x95': r => r.u64(),

  N: r => r.push(null),
  '\x88': r => r.push(true),
  '\x89': r => r.push(false),
  K: r => r.push(r.byte()),
  M: r => r.push(r.u16()),
  J: r => r.push(r.i32()),
  G: r => r.push(r.float()),
  '\x8a': r => r.push(r.integer(r.byte())),
  // INT and LONG of protocol 1; 00 and 01 are its booleans.
  I: r => {
    const line = r.line()
    r.push(line === '00' || line === '01' ? line === '01' : r.decimal(line))
  },
  L: r => r.push(r.decimal(r.line().replace(/L$/, ''))),

  X: r => r.push(r.text(r.u32())),
  '\x8c': r => r.push(r.text(r.byte())),
  '\x8d': r => r.push(r.text(r.u64())),
  // Python 2 wrote its texts so.
  U: r => r.push(r.text(r.byte())),
  T: r => r.push(r.text(r.u32())),
  C: r => r.push(r.data(r.byte())),
  B: r => r.push(r.data(r.u32())),
  '\x8e': r => r.push(r.data(r.u64())),

  '}': r => r.push(r.dict()),
  s: r => {
    const value = r.pop()
    r.set([r.pop(), value])
  },
  u: r => r.set(r.popMark()),
  ']': r => r.push(r.list()),
  a: r => r.append([r.pop()]),
  e: r => r.append(r.popMark()),
  ')': r => r.push(r.array([])),
  '\x85': r => r.tuple(1),
  '\x86': r => r.tuple(2),
  '\x87': r => r.tuple(3),
  '(': r => r.mark(),
  t: r => r.push(r.popMark()),

  q: r => r.remember(r.byte()),
  r: r => r.remember(r.u32()),
  '\x94': r => r.rememberNext(),
  h: r => r.recall(r.byte()),
  j: r => r.recall(r.u32()),

  c: r => {
    const module = r.line()
    r.push(r.global(module, r.line()))
  },
  '\x93': r => {
    const name = r.pop()
    r.push(r.global(r.pop(), name))
  },
  R: r => r.reduce(),
  b: r => r.build(),
  Q: r => r.persistent(),
}

/** The same by the byte, so that no text is made of each opcode. */
const operationOf = Array.from({ length: 256 }, (_, opcode) => operations[String.fromCharCode(opcode)])
