// Groups sequences into prefix trees one level deep, so that the fewest tokens are run.
import { commonLength } from '../calls/common-length.ts'
import { computedLength, type Segment, type Sequence } from './sequence.ts'

/** Sequences whose computed tokens are all a beginning of the longest one's, or equal to them. */
export interface Leaf {
  /** The ids of the longest sequence, whose computed tokens are the leaf's. */
  ids: Int32Array
  /** Computed tokens. */
  length: number
  /** One at least; all come after the same segment, or none. */
  sequences: Sequence[]
}

/** [prefix | leaf 1 | leaf 2 | ...]: the leaves share their first prefixLength tokens and each has more than those. */
export interface Tree {
  prefixLength: number
  leaves: Leaf[]
  /** Tokens to run: the prefix once and the rest of every leaf. */
  tokens: number
}

export interface TreeOptions {
  /** Tokens a tree should not exceed; one leaf may, and a tree of a long prefix. */
  budget: number
  /** false runs every sequence by itself, as the tests of determinism want it. */
  share: boolean
}

/** The trees of a window of sequences, in the order of their first requests, so that answers can go out early. */
export function planTrees(sequences: readonly Sequence[], { budget, share }: TreeOptions): Tree[] {
  if (!share) return sequences.map(s => single({ ids: s.ids, length: computedLength(s), sequences: [s] }))
  const trees = bySegment(sequences).flatMap(own =>
    group(mergeLeaves(own), budget).flatMap(g => split(g, budget)),
  )
  const order = new Map(trees.map(tree => [tree, firstRequest(tree)]))
  return trees.sort((a, b) => order.get(a)! - order.get(b)!)
}

/** Tokens to run of all trees. */
export function tokensOf(trees: readonly Tree[]): number {
  return trees.reduce((sum, { tokens }) => sum + tokens, 0)
}

/** The segment that all sequences of a tree come after. */
export function segmentOf({ leaves }: Tree): Segment | undefined {
  return leaves[0]!.sequences[0]!.segment
}

function bySegment(sequences: readonly Sequence[]): Sequence[][] {
  const groups = new Map<Segment | undefined, Sequence[]>()
  for (const sequence of sequences) {
    const own = groups.get(sequence.segment)
    if (own) own.push(sequence)
    else groups.set(sequence.segment, [sequence])
  }
  return [...groups.values()]
}

function firstRequest({ leaves }: Tree): number {
  let first = Number.POSITIVE_INFINITY
  for (const { sequences } of leaves) for (const { request } of sequences) first = Math.min(first, request)
  return first
}

/** The leaves in sorted order. Equal sequences share a leaf, and one that is a beginning of another shares that one's. */
function mergeLeaves(sequences: readonly Sequence[]): Leaf[] {
  const sorted = [...sequences].sort(compareComputed)
  const leaves: Leaf[] = []
  // A beginning sorts right before what begins with it, so walk from the end and let each look at the leaf after it.
  for (let i = sorted.length - 1; i >= 0; i--) {
    const sequence = sorted[i]!
    const length = computedLength(sequence)
    const next = leaves.at(-1)
    if (next && commonLength(sequence.ids, length, next.ids, next.length) === length)
      next.sequences.push(sequence)
    else leaves.push({ ids: sequence.ids, length, sequences: [sequence] })
  }
  return leaves.reverse()
}

interface Group {
  prefixLength: number
  leaves: Leaf[]
}

/** Leaves that share at least `depth` tokens, and the cheapest way found to run them. */
interface Node {
  depth: number
  count: number
  /** Sum of the leaves' lengths. */
  length: number
  /** Tokens of `groups`. */
  cost: number
  groups: Group[]
  leaves: Leaf[]
}

/**
 * Walks the tree of common prefixes bottom up. At each inner node of depth d with children c, either every child keeps
 * its own best plan, or one tree with prefix d takes in each child that is cheaper as branches of it than by itself.
 */
function group(leaves: Leaf[], budget: number): Group[] {
  const root: Node[] = []
  // Open inner nodes, shallow to deep; children wait beside their depth until it is closed.
  const open: { depth: number; children: Node[] }[] = [{ depth: 0, children: root }]
  for (let i = 0; i < leaves.length; i++) {
    const leaf = leaves[i]!
    const next = leaves[i + 1]
    const common = next ? commonLength(leaf.ids, leaf.length, next.ids, next.length) : 0
    let node: Node = leafNode(leaf)
    // Close what is deeper than the common prefix with the next leaf.
    for (;;) {
      const top = open.at(-1)!
      if (top.depth > common) {
        top.children.push(node)
        open.pop()
        node = close(top.depth, top.children, budget)
      } else if (top.depth === common) {
        top.children.push(node)
        break
      } else {
        open.push({ depth: common, children: [node] })
        break
      }
    }
  }
  return root.flatMap(node => node.groups)
}

function leafNode(leaf: Leaf): Node {
  const groups = [{ prefixLength: 0, leaves: [leaf] }]
  return { depth: leaf.length, count: 1, length: leaf.length, cost: leaf.length, groups, leaves: [leaf] }
}

function close(depth: number, children: Node[], budget: number): Node {
  const count = children.reduce((n, c) => n + c.count, 0)
  const length = children.reduce((n, c) => n + c.length, 0)
  const leaves = children.flatMap(c => c.leaves)
  const apart = children.reduce((n, c) => n + c.cost, 0)
  const joins = children.map(c => c.length - c.count * depth < c.cost)
  const rows = children.reduce((n, c, i) => n + (joins[i] ? c.length - c.count * depth : 0), 0)
  const others = children.reduce((n, c, i) => n + (joins[i] ? 0 : c.cost), 0)
  const shared = depth * Math.ceil(rows / branchRoom(depth, budget)) + rows + others
  if (shared >= apart)
    return { depth, count, length, leaves, cost: apart, groups: children.flatMap(c => c.groups) }
  const branches = children.flatMap((c, i) => (joins[i] ? c.leaves : []))
  const groups = [
    { prefixLength: depth, leaves: branches },
    ...children.flatMap((c, i) => (joins[i] ? [] : c.groups)),
  ]
  return { depth, count, length, leaves, cost: shared, groups }
}

/** Tokens that a tree's branches may have: the budget less the prefix, but more where a long prefix would be repeated too often. */
function branchRoom(prefixLength: number, budget: number): number {
  return Math.max(budget - prefixLength, Math.min(2 * prefixLength, 4 * budget))
}

/** A group as trees within the budget, the prefix repeated in each. */
function split({ prefixLength, leaves }: Group, budget: number): Tree[] {
  const room = branchRoom(prefixLength, budget)
  const trees: Tree[] = []
  let part: Leaf[] = []
  let rows = 0
  for (const leaf of leaves) {
    const more = leaf.length - prefixLength
    if (part.length > 0 && rows + more > room) {
      trees.push(tree(prefixLength, part, rows))
      part = []
      rows = 0
    }
    part.push(leaf)
    rows += more
  }
  trees.push(tree(prefixLength, part, rows))
  return trees
}

/** The same leaves in two trees, the prefix in each; undefined for one leaf. */
export function halves({ prefixLength, leaves }: Tree): [Tree, Tree] | undefined {
  if (leaves.length < 2) return undefined
  const middle = leaves.length >> 1
  const part = (leaves: Leaf[]) =>
    tree(
      prefixLength,
      leaves,
      leaves.reduce((n, { length }) => n + length - prefixLength, 0),
    )
  return [part(leaves.slice(0, middle)), part(leaves.slice(middle))]
}

function tree(prefixLength: number, leaves: Leaf[], rows: number): Tree {
  if (leaves.length === 1) return single(leaves[0]!)
  return { prefixLength, leaves, tokens: prefixLength + rows }
}

function single(leaf: Leaf): Tree {
  return { prefixLength: 0, leaves: [leaf], tokens: leaf.length }
}

function compareComputed(a: Sequence, b: Sequence): number {
  const lengthA = computedLength(a)
  const lengthB = computedLength(b)
  const common = commonLength(a.ids, lengthA, b.ids, lengthB)
  if (common < lengthA && common < lengthB) return a.ids[common]! - b.ids[common]!
  return lengthA - lengthB
}
