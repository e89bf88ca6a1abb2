// How much work a pattern can make of a text, told from the pattern alone.
import {
  type AlternativeNode,
  createAlternative,
  createQuantifier,
  type Node,
  type OnigurumaAst,
  type QuantifierNode,
} from 'oniguruma-parser/parser'
import { traverse } from 'oniguruma-parser/traverser'

/** A bound of `factor` * length ^ `degree`; a degree of Infinity stands for all that grows faster. */
interface Bound {
  factor: number
  degree: number
}

interface Costs {
  /** The number of ways a part can match from one place, which is how often what follows it may be tried. */
  ways: Bound
  /** The number of steps to go through all of these ways. */
  steps: Bound
}

/** The number of steps that surely take less than a second. */
const affordableSteps = 2 ** 30
/** A repetition that ends after so many counts by the number of its ends, a longer one by the length of the text. */
const fewRepetitions = 8

/** Bounds hold for texts of so many characters and more; below, every term counts as if the text had them. */
const shortLength = 16

const one: Bound = { factor: 1, degree: 0 }
const endless: Bound = { factor: 1, degree: Number.POSITIVE_INFINITY }

/** How long texts may be for the pattern to find all matches in affordable time. */
export interface SafeLengths {
  /** The maximum length of texts that hold anything; 0 where the pattern may backtrack endlessly. */
  any: number
  /** The maximum length of texts whose runs are short. */
  shortRuns: number
  /** What makes a run long: repetitions of all that the pattern repeats, so many times as `runSample` says. */
  longRun: OnigurumaAst | undefined
  /**
   * UTF-16 units after a place of a text of short runs that decide what matches there; Infinity where what precedes the
   * place counts too.
   */
  reach: number
}

/**
 * A run is what a repetition of single characters goes over. One of 4 * runSample UTF-16 units, be they pairs, holds
 * runSample characters after a multiple of runSample: so it is found by looking there alone.
 */
export const runSample = 128
export const shortRun = 4 * runSample

export function safeLengths(ast: OnigurumaAst): SafeLengths {
  const { factor, degree } = ast.body.map(searchSteps).reduce(sum)
  const longRun = longRuns(ast)
  return {
    // A search begins at every place of the text, and goes on to the end of the text, or of runs.
    any: Math.floor((affordableSteps / factor) ** (1 / (degree + 1))),
    shortRuns: longRun === undefined ? 0 : Math.floor(affordableSteps / factor / shortRun ** degree),
    longRun,
    reach: Math.max(...ast.body.map(reachOf)),
  }
}

function reachOf({ body }: AlternativeNode): number {
  return body.map(reachOfNode).reduce((sum, reach) => sum + reach, 0)
}

function reachOfNode(node: Node): number {
  switch (node.type) {
    case 'Character':
    case 'CharacterClass':
    case 'CharacterSet':
      return 2
    case 'Group':
    case 'CapturingGroup':
      return Math.max(...node.body.map(reachOf))
    case 'LookaroundAssertion':
      return node.kind === 'lookahead' ? Math.max(...node.body.map(reachOf)) : Number.POSITIVE_INFINITY
    case 'Quantifier':
      // A run ends at a character that is looked at.
      return node.max > fewRepetitions ? shortRun + 2 : node.max * reachOfNode(node.body)
    default:
      return Number.POSITIVE_INFINITY
  }
}

/** undefined where the pattern repeats more than single characters. */
function longRuns(ast: OnigurumaAst): OnigurumaAst | undefined {
  const runs: AlternativeNode[] = []
  let isKnown = true
  traverse(ast, {
    Quantifier({ node }) {
      if (node.max <= fewRepetitions) return
      let body = node.body
      while (body.type === 'Quantifier') body = body.body
      if (body.type === 'Character' || body.type === 'CharacterClass' || body.type === 'CharacterSet')
        runs.push(createAlternative({ body: [createQuantifier('greedy', runSample, runSample, body)] }))
      else isKnown = false
    },
    Backreference() {
      isKnown = false
    },
    CharacterSet({ node }) {
      if (node.variableLength) isKnown = false
    },
  })
  return isKnown && runs.length > 0 ? { ...ast, body: runs } : undefined
}

/**
 * Steps that an alternative of the whole pattern takes at one place without getting further. What may match nothing cannot
 * fail at the end of it, nor can a repetition once it has matched: what they go over is never gone back over.
 */
function searchSteps({ body }: AlternativeNode): Bound {
  let first = body.length
  while (first > 0 && isOptional(body[first - 1]!)) first--
  const last = body[first - 1]
  if (last?.type === 'Quantifier' && last.min === 1) first--
  const before = sequence(body.slice(0, first))
  const rounds = body.slice(first).map(node => costs((node as QuantifierNode).body).steps)
  return rounds.reduce((steps, round) => sum(steps, product(before.ways, round)), before.steps)
}

function isOptional(node: Node): boolean {
  return node.type === 'Quantifier' && node.min === 0
}

function sequence(nodes: readonly Node[]): Costs {
  let ways = one
  let steps = one
  for (const node of nodes) {
    const part = costs(node)
    steps = sum(steps, product(ways, part.steps))
    ways = product(ways, part.ways)
  }
  return { ways, steps }
}

function alternatives(bodies: readonly AlternativeNode[]): Costs {
  const all = bodies.map(({ body }) => sequence(body))
  return { ways: all.map(({ ways }) => ways).reduce(sum), steps: all.map(({ steps }) => steps).reduce(sum) }
}

function costs(node: Node): Costs {
  switch (node.type) {
    case 'Group':
    case 'CapturingGroup': {
      const inner = alternatives(node.body)
      return node.type === 'Group' && node.atomic ? { ...inner, ways: one } : inner
    }
    case 'LookaroundAssertion':
      return { ways: one, steps: alternatives(node.body).steps }
    case 'Quantifier':
      return repetition(node.min, node.max, node.kind === 'possessive', costs(node.body))
    case 'CharacterSet':
      // \R takes one character or two; other sets that vary may take any number.
      return node.variableLength
        ? { ways: { factor: 2, degree: 1 }, steps: { factor: 2, degree: 1 } }
        : single
    case 'Backreference':
      return { ways: one, steps: { factor: 1, degree: 1 } }
    case 'AbsenceFunction':
    case 'Subroutine':
      return { ways: endless, steps: endless }
    default:
      return single
  }
}

const single: Costs = { ways: one, steps: one }

function repetition(min: number, max: number, possessive: boolean, body: Costs): Costs {
  const isLong = max > fewRepetitions
  const repeated = isLong ? { factor: 1, degree: 1 } : { factor: max + 1, degree: 0 }
  if (body.ways.factor === 1 && body.ways.degree === 0) {
    const ways = possessive || min === max ? one : isLong ? repeated : { factor: max - min + 1, degree: 0 }
    return { ways, steps: product(repeated, body.steps) }
  }
  // Each round may match in several ways, and each of these is tried with every way of the rounds before.
  if (isLong) return { ways: possessive ? one : endless, steps: endless }
  let ways = one
  for (let round = 0; round < max; round++) ways = product(ways, body.ways)
  const all = product(repeated, ways)
  return { ways: possessive ? one : all, steps: product(all, body.steps) }
}

/** A term of a lower degree is next to nothing once a text has some characters. */
function sum(a: Bound, b: Bound): Bound {
  const [low, high] = a.degree < b.degree ? [a, b] : [b, a]
  const factor = low.degree < high.degree ? low.factor / shortLength : low.factor
  return { factor: high.factor + factor, degree: high.degree }
}

function product(a: Bound, b: Bound): Bound {
  return { factor: a.factor * b.factor, degree: a.degree + b.degree }
}
