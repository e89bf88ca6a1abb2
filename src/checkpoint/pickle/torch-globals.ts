// The names that torch writes into a state dict, and what they mean: tensors as places in storages.
import { shown } from '../../data/shown.ts'
import { Dict, type Fault, type Global, kindOf, type Value } from './unpickler.ts'

/** Weights have two dimensions; a shape of thousands is made to overflow the product. */
const MAX_DIMENSIONS = 8

/** A number format: safetensors' name of it, and the bytes of an element. */
interface Format {
  type: string
  elementBytes: number
}

/** What the name of a storage's class or of a torch.dtype says. */
class FormatGlobal implements Global, Format {
  readonly name: string
  readonly type: string
  readonly elementBytes: number

  constructor(name: string, [type, elementBytes]: readonly [string, number]) {
    this.name = name
    this.type = type
    this.elementBytes = elementBytes
  }
}

/** A run of numbers in the file; tensors may share one. */
export class Storage implements Format {
  readonly key: string
  readonly type: string
  readonly elementBytes: number
  readonly elements: number

  constructor(key: string, { type, elementBytes }: Format, elements: number) {
    this.key = key
    this.type = type
    this.elementBytes = elementBytes
    this.elements = elements
  }
}

export class Tensor implements Format {
  readonly storage: Storage
  readonly type: string
  readonly elementBytes: number
  /** Elements from the storage's beginning. */
  readonly offset: number
  readonly shape: number[]
  /** Elements from one to the next, by dimension. */
  readonly strides: number[]

  constructor(storage: Storage, format: Format, place: Pick<Tensor, 'offset' | 'shape' | 'strides'>) {
    this.storage = storage
    this.type = format.type
    this.elementBytes = format.elementBytes
    this.offset = place.offset
    this.shape = place.shape
    this.strides = place.strides
  }
}

const storageFormats: Readonly<Record<string, readonly [string, number]>> = {
  FloatStorage: ['F32', 4],
  HalfStorage: ['F16', 2],
  BFloat16Storage: ['BF16', 2],
  DoubleStorage: ['F64', 8],
  LongStorage: ['I64', 8],
  IntStorage: ['I32', 4],
  ShortStorage: ['I16', 2],
  CharStorage: ['I8', 1],
  ByteStorage: ['U8', 1],
  BoolStorage: ['BOOL', 1],
  ComplexFloatStorage: ['C64', 8],
  ComplexDoubleStorage: ['C128', 16],
  UntypedStorage: ['U8', 1],
}

const dtypes: Readonly<Record<string, readonly [string, number]>> = {
  float32: ['F32', 4],
  float16: ['F16', 2],
  bfloat16: ['BF16', 2],
  float64: ['F64', 8],
  int64: ['I64', 8],
  int32: ['I32', 4],
  int16: ['I16', 2],
  int8: ['I8', 1],
  uint8: ['U8', 1],
  uint16: ['U16', 2],
  uint32: ['U32', 4],
  uint64: ['U64', 8],
  bool: ['BOOL', 1],
  float8_e4m3fn: ['F8_E4M3', 1],
  float8_e5m2: ['F8_E5M2', 1],
  complex64: ['C64', 8],
  complex128: ['C128', 16],
}

const rebuildTensor: readonly Global[] = [
  { name: 'torch._utils._rebuild_tensor', call: (args, fault) => rebuilt(args, fault) },
  {
    name: 'torch._utils._rebuild_tensor_v2',
    // requires_grad and the hooks for gradients come before the metadata.
    call: (args, fault) => rebuilt(args, fault, { metadata: args[6] }),
  },
  {
    name: 'torch._utils._rebuild_tensor_v3',
    call: (args, fault) => rebuilt(args, fault, { dtype: args[6], metadata: args[7] }),
  },
]

const callable: readonly Global[] = [
  { name: 'collections.OrderedDict', call: ([items = []], fault) => dictOf(items, fault) },
  ...rebuildTensor,
  { name: 'torch._utils._rebuild_parameter', call: tensorArgument },
  { name: 'torch._utils._rebuild_parameter_with_state', call: tensorArgument },
  {
    // A tensor to which a program has given attributes: (function, class, its arguments, attributes).
    name: 'torch._tensor._rebuild_from_type_v2',
    call: ([inner, type, args], fault) => {
      const rebuild = rebuildTensor.find(known => known === inner)
      if (rebuild?.call === undefined || !Array.isArray(args))
        throw fault(`rebuilds a tensor by ${kindOf(inner)} with ${kindOf(args)}`)
      if (!classes.some(known => known === type)) throw fault(`rebuilds a tensor as ${kindOf(type)}`)
      return rebuild.call(args, fault)
    },
  },
  {
    name: 'torch.Size',
    call: ([size], fault) => {
      if (Array.isArray(size)) return size
      throw fault(`makes a shape of ${kindOf(size)}`)
    },
  },
  { name: 'torch.device', call: () => null },
]

const classes: readonly Global[] = [{ name: 'torch.Tensor' }, { name: 'torch.nn.parameter.Parameter' }]

/** Every name that a state dict may hold, by itself. */
export const torchGlobals: ReadonlyMap<string, Global> = new Map(
  [
    ...callable,
    ...classes,
    ...Object.entries(storageFormats).flatMap(([name, format]) =>
      ['torch', 'torch.cuda', 'torch.storage'].map(module => new FormatGlobal(`${module}.${name}`, format)),
    ),
    ...Object.entries(dtypes).map(([name, format]) => new FormatGlobal(`torch.${name}`, format)),
  ].map(known => [known.name, known]),
)

/** Storages of one file, as tensors ask for them. */
export class Storages {
  readonly byKey = new Map<string, Storage>()

  /** @param id ('storage', class, key, device, number of elements), and in the old format what part of another it is */
  readonly persistent = (id: Value, fault: Fault): Storage => {
    const [what, format, key, , elements, view = null] = Array.isArray(id) ? id : []
    if (what !== 'storage')
      throw fault(
        `asks for ${kindOf(what)} ${shown(what)} from outside; a state dict has storages alone`,
        'CHECKPOINT_UNSUPPORTED',
      )
    if (!(format instanceof FormatGlobal) || typeof key !== 'string' || !isCount(elements))
      throw fault(`a storage of ${kindOf(format)}, key ${kindOf(key)}, size ${kindOf(elements)}`)
    if (view !== null)
      throw fault(`storage ${shown(key)} is a part of another, which is not read`, 'CHECKPOINT_UNSUPPORTED')
    const known = this.byKey.get(key)
    if (known !== undefined) {
      if (known.type === format.type && known.elements === elements) return known
      throw fault(
        `storage ${shown(key)} is ${elements} of ${format.type}, and before it was ${known.elements} of ${known.type}`,
      )
    }
    const storage = new Storage(key, format, elements)
    this.byKey.set(key, storage)
    return storage
  }
}

/** @param extra what newer versions of the function are given more */
function rebuilt(
  [storage, offset, size, strides]: Value[],
  fault: Fault,
  extra: { dtype?: Value | undefined; metadata?: Value | undefined } = {},
): Tensor {
  if (!(storage instanceof Storage)) throw fault(`a tensor in ${kindOf(storage)}, not in a storage`)
  const format = extra.dtype ?? storage
  if (!(format instanceof FormatGlobal || format instanceof Storage))
    throw fault(`a tensor of ${kindOf(extra.dtype)}, not of a dtype`)
  if (extra.metadata instanceof Dict && extra.metadata.entries.size > 0) {
    const names = [...extra.metadata.entries.keys()]
    throw fault(`a tensor marked as ${shown(names)}; save a clone() of it`, 'CHECKPOINT_UNSUPPORTED')
  }
  if (!isCount(offset) || !isShape(size) || !isShape(strides) || size.length !== strides.length)
    throw fault(
      `a tensor with offset ${kindOf(offset)}, shape ${shown(size)}, strides ${shown(strides)}; ` +
        `expected whole numbers, none negative, of at most ${MAX_DIMENSIONS} dimensions`,
    )
  // Numbers would be rounded past 2^53, so the product is a BigInt.
  const last = size.includes(0)
    ? BigInt(offset) - 1n
    : size.reduce((sum, n, i) => sum + BigInt(n - 1) * BigInt(strides[i]!), BigInt(offset))
  const needs = (last + 1n) * BigInt(format.elementBytes)
  const has = storage.elements * storage.elementBytes
  if (needs > has)
    throw fault(
      `a tensor with offset ${offset}, shape ${shown(size)}, strides ${shown(strides)} ends at byte ${needs} of its ` +
        `storage, which has ${has}`,
    )
  return new Tensor(storage, format, { offset, shape: size, strides })
}

function tensorArgument([tensor]: Value[], fault: Fault): Tensor {
  if (tensor instanceof Tensor) return tensor
  throw fault(`a parameter of ${kindOf(tensor)}, not of a tensor`)
}

/** Python 2 gives an OrderedDict its entries as a list of pairs. */
function dictOf(items: Value, fault: Fault): Dict {
  const dict = new Dict()
  if (!Array.isArray(items)) throw fault(`makes a dict of ${kindOf(items)}`)
  for (const item of items) {
    if (!Array.isArray(item) || item.length !== 2) throw fault(`makes a dict of a list with ${kindOf(item)}`)
    dict.entries.set(item[0]!, item[1]!)
  }
  return dict
}

function isCount(value: Value | undefined): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0
}

function isShape(value: Value | undefined): value is number[] {
  return Array.isArray(value) && value.length <= MAX_DIMENSIONS && value.every(isCount)
}
