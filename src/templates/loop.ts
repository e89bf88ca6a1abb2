// The variable `loop`: counts without looking further ahead than it is asked to, since a filter of the loop may see what its body sets.
import {
  type Arguments,
  AttributeObject,
  Callable,
  orElse,
  TemplateError,
  Undefined,
  type Value,
} from './values.ts'

export class Loop extends AttributeObject {
  readonly typeName = 'LoopContext'
  private items: Iterator<Value>
  private index0 = -1
  private previous: Value | undefined
  private current: Value | undefined
  /** The next item, where the body has asked for it ahead of its turn. */
  private peeked: IteratorResult<Value> | undefined
  private total: number | undefined
  private lastChanged: readonly Value[] | undefined

  private readonly depth0: number
  private readonly same: (a: Value, b: Value) => boolean
  /** Runs the body of a recursive loop on other items; undefined for other loops. */
  readonly recurse: ((items: Value) => Value) | undefined

  constructor(
    items: Iterator<Value>,
    total: number | undefined,
    how: {
      depth0: number
      same: (a: Value, b: Value) => boolean
      recurse: ((items: Value) => Value) | undefined
    },
  ) {
    super()
    this.items = items
    this.total = total
    this.depth0 = how.depth0
    this.same = how.same
    this.recurse = how.recurse
  }

  /** Goes to the next item and returns it; undefined after the last. */
  next(): Value | undefined {
    const { value, done } = this.peeked ?? this.items.next()
    this.peeked = undefined
    if (done) return undefined
    this.index0++
    this.previous = this.current
    this.current = value
    return value
  }

  get length(): number {
    if (this.total === undefined) {
      const rest = this.peeked?.done === false ? [this.peeked.value] : []
      for (let next = this.items.next(); !next.done; next = this.items.next()) rest.push(next.value)
      this.items = rest.values()
      this.peeked = undefined
      this.total = this.index0 + 1 + rest.length
    }
    return this.total
  }

  attribute(name: string): Value | undefined {
    const int = BigInt
    switch (name) {
      case 'index':
        return int(this.index0 + 1)
      case 'index0':
        return int(this.index0)
      case 'revindex':
        return int(this.length - this.index0)
      case 'revindex0':
        return int(this.length - this.index0 - 1)
      case 'length':
        return int(this.length)
      case 'first':
        return this.index0 === 0
      case 'last':
        return this.peek() === undefined
      case 'previtem':
        return orElse(this.previous, () => new Undefined('there is no previous item'))
      case 'nextitem':
        return orElse(this.peek(), () => new Undefined('there is no next item'))
      case 'depth':
        return int(this.depth0 + 1)
      case 'depth0':
        return int(this.depth0)
      case 'cycle':
        return new Callable('cycle', ({ positional }) => {
          if (positional.length === 0) throw new TemplateError('no items for cycling given')
          return positional[this.index0 % positional.length]!
        })
      case 'changed':
        return new Callable('changed', args => this.changed(args))
      default:
        return undefined
    }
  }

  private peek(): Value | undefined {
    this.peeked ??= this.items.next()
    return this.peeked.done ? undefined : this.peeked.value
  }

  private changed({ positional }: Arguments): boolean {
    const last = this.lastChanged
    this.lastChanged = positional
    return !(last?.length === positional.length && last.every((value, i) => this.same(value, positional[i]!)))
  }
}
