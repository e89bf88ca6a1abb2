// Trees of several calls that run as one pack. What those of different calls begin with alike is run once.
import { commonLength } from '../calls/common-length.ts'
import type { Segment } from './sequence.ts'
import { planTrees, segmentOf, type Tree, tokensOf } from './tree.ts'

/** Trees that could run as one, of a prefix that all have. */
interface Group {
  /** The prefix is the first `prefixLength` of these, after the segment. */
  ids: Int32Array
  segment: Segment | undefined
  prefixLength: number
  /** Sequences of tokens that come after the prefix. */
  branches: number
  /** Tokens to run: the prefix once, and the rest of each branch. */
  tokens: number
}

/** Trees that begin with fewer tokens alike are not looked at together. */
const minShared = 8
/** Scored tokens for each token of a pack's room: they are answered in one turn of the event loop. */
const maxScoredShare = 4

export class Load<Call> {
  readonly calls = new Map<Call, Tree[]>()
  /** Tokens to run, as reckoned by what trees were found to share. */
  tokens = 0
  private readonly share: boolean
  /** Groups by their first tokens. */
  private readonly groups = new Map<string, Group[]>()
  private isShared = false
  private scoredTokens = 0

  /** @param share false runs every tree by itself */
  constructor(share: boolean) {
    this.share = share
  }

  /** Takes a tree of a call, if at most `room` tokens are to run then; the first always. */
  add(call: Call, tree: Tree, room: number): boolean {
    const alone = groupOf(tree)
    const near = this.groupsNear(alone)
    let best = { more: alone.tokens, place: near.length, group: alone }
    for (const [place, other] of near.entries()) {
      const group = join(other, alone)
      const more = group.tokens - other.tokens
      if (more < best.more) best = { more, place, group }
    }
    const scored = scoredTokens(tree)
    const isFull = this.tokens + best.more > room || this.scoredTokens + scored > maxScoredShare * room
    if (isFull && this.calls.size > 0) return false
    this.isShared ||= best.place < near.length
    near[best.place] = best.group
    this.tokens += best.more
    this.scoredTokens += scored
    const own = this.calls.get(call)
    if (own) own.push(tree)
    else this.calls.set(call, [tree])
    return true
  }

  /** The trees to run. @param budget tokens that one should not exceed */
  plan(budget: number): Tree[] {
    const own = [...this.calls.values()].flat()
    if (!this.isShared) return own
    const sequences = own.flatMap(({ leaves }) => leaves.flatMap(leaf => leaf.sequences))
    const shared = planTrees(sequences, { budget, share: true })
    return tokensOf(shared) < tokensOf(own) ? shared : own
  }

  /** Those that begin like a group; what is added to them stays. */
  private groupsNear({ ids, prefixLength }: Group): Group[] {
    if (!this.share || prefixLength < minShared) return []
    const key = ids.subarray(0, minShared).join()
    const near = this.groups.get(key) ?? []
    this.groups.set(key, near)
    return near
  }
}

function groupOf(tree: Tree): Group {
  const [{ ids, length }] = tree.leaves as [Tree['leaves'][0]]
  const branches = tree.leaves.length
  const prefixLength = branches > 1 ? tree.prefixLength : length
  return { ids, segment: segmentOf(tree), prefixLength, branches, tokens: tree.tokens }
}

/** Two groups as one, whose prefix is what both prefixes begin with. */
function join(a: Group, b: Group): Group {
  const isNear = a.segment === b.segment
  const prefixLength = isNear ? commonLength(a.ids, a.prefixLength, b.ids, b.prefixLength) : 0
  const rest = (group: Group) =>
    group.tokens - group.prefixLength + group.branches * (group.prefixLength - prefixLength)
  return { ...a, prefixLength, branches: a.branches + b.branches, tokens: prefixLength + rest(a) + rest(b) }
}

function scoredTokens({ leaves }: Tree): number {
  return leaves.reduce(
    (sum, { sequences }) => sequences.reduce((own, { ids, first }) => own + ids.length - first, sum),
    0,
  )
}
