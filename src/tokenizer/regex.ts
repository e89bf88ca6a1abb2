// Patterns of tokenizer.json (Oniguruma's syntax) as JavaScript regular expressions of equal meaning.
import { generate } from 'oniguruma-parser/generator'
import {
  type AlternativeElementNode,
  type CharacterClassElementNode,
  type CharacterClassNode,
  createCharacter,
  createCharacterClass,
  createGroup,
  createPosixClass,
  type GroupNode,
  type OnigurumaAst,
  parse,
} from 'oniguruma-parser/parser'
import { traverse } from 'oniguruma-parser/traverser'
import { toRegExpDetails } from 'oniguruma-to-es'
import { shown } from '../data/shown.ts'
import { type Field, tokenizerError } from './field.ts'
import { literalRegex, Pattern } from './pattern.ts'
import { safeLengths } from './regex-cost.ts'

/** `{ "String": text }` or `{ "Regex": pattern }`. */
export function readPattern(field: Field): Pattern {
  const literal = field.get('String')
  if (!literal.missing) return new Pattern(literalRegex(literal.string()))
  return translateRegex(field.get('Regex').string(), field.file)
}

/**
 * @param file named in the error
 * @throws TOKENIZER for a construct that has no equal here
 */
export function translateRegex(pattern: string, file: string): Pattern {
  try {
    const ast = parse(pattern, { normalizeUnknownPropertyNames: true })
    adjust(ast)
    const regex = toRegex(ast)
    const { any, shortRuns, longRun, reach } = safeLengths(ast)
    return new Pattern(regex, {
      origin: { file, text: pattern, safeLength: any, safeLengthOfShortRuns: shortRuns },
      runs: longRun && { longRun: toRegex(longRun), reach },
    })
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause)
    throw tokenizerError(file, `pattern ${shown(pattern)} is not supported: ${reason}`, { cause })
  }
}

function toRegex(ast: OnigurumaAst): RegExp {
  const own = generate(ast)
  // The target is fixed, so that every version of Node gets the same expression.
  const { pattern, flags } = toRegExpDetails(own.pattern, {
    ...{ flags: own.flags, target: 'ES2024', accuracy: 'strict' },
    ...{ avoidSubclass: true, global: true },
  })
  return new RegExp(pattern, flags)
}

/**
 * Spells out what oniguruma-to-es takes to mean something else than the Oniguruma of the tokenizers library does: words, and
 * all letters whose case is ignored. JavaScript's flag for that would change what \p{L} and the like hold.
 */
function adjust(ast: OnigurumaAst): void {
  // Whether case is ignored, group by group; the modifier (?i) holds to the end of its group.
  const ignoring = [ast.flags.ignoreCase]
  ast.flags.ignoreCase = false
  const modify = (flags: GroupNode['flags']) => {
    if (flags?.enable?.ignoreCase) ignoring[ignoring.length - 1] = true
    if (flags?.disable?.ignoreCase) ignoring[ignoring.length - 1] = false
    delete flags?.enable?.ignoreCase
    delete flags?.disable?.ignoreCase
  }
  const refuse = (what: string) => {
    if (ignoring.at(-1)) throw new SyntaxError(`${what} in a group that ignores case`)
  }
  traverse(ast, {
    CharacterSet({ node, parent, replaceWith }) {
      const inClass = parent?.type === 'CharacterClass'
      const name = node.value?.toLowerCase()
      if (inClass && name !== undefined && !withAllCases.has(name)) refuse(`a class with ${node.value}`)
      if (node.kind !== 'word' && name !== 'word') return
      const negate = node.negate === true
      if (inClass) replaceWith(createPosixClass('word', { negate }))
      else replaceWith(createCharacterClass({ negate, body: wordClass() }))
    },
    Assertion({ node, replaceWith }) {
      if (node.kind !== 'word_boundary') return
      const edges = parse(node.negate ? notAtWordBoundary : atWordBoundary)
      replaceWith(createGroup({ body: edges.body }))
    },
    Group: {
      enter({ node }) {
        ignoring.push(ignoring.at(-1)!)
        modify(node.flags)
      },
      exit() {
        ignoring.pop()
      },
    },
    CapturingGroup: {
      enter() {
        ignoring.push(ignoring.at(-1)!)
      },
      exit() {
        ignoring.pop()
      },
    },
    Directive({ node, parent, remove }) {
      if (node.kind !== 'flags') return
      modify(node.flags)
      if (ignoring.at(-1) && parent.type === 'Alternative') refuseFoldings(parent.body)
      if (!Object.values(node.flags).some(flags => Object.keys(flags ?? {}).length > 0)) remove()
    },
    Backreference() {
      refuse('a backreference')
    },
    Alternative({ node, key, container }) {
      if (ignoring.at(-1)) refuseFoldings(node.body)
      // Oniguruma reads a(?i)b|c as a(?i:b|c), and oniguruma-to-es as a(?i:b)|(?i:c).
      const isLast = Number(key) + 1 === container?.length
      const isInside = node.body.some(
        (part, i) => i > 0 && part.type === 'Directive' && part.kind === 'flags',
      )
      if (isInside && !isLast) throw new SyntaxError('a modifier inside an alternative that others follow')
    },
    CharacterClassRange({ node, replaceWithMultiple, skip }) {
      skip()
      if (!ignoring.at(-1)) return
      const { min, max } = node
      if (max.value - min.value > maxRange) refuse('a range of so many characters')
      const codes = Array.from({ length: max.value - min.value + 1 }, (_, i) => min.value + i)
      const others = new Set(codes.flatMap(caseVariants).filter(code => code < min.value || code > max.value))
      replaceWithMultiple([node, ...Array.from(others, code => createCharacter(code))])
    },
    Character({ node, parent, replaceWith, replaceWithMultiple }) {
      if (!ignoring.at(-1)) return
      refuseFoldings([node])
      const codes = caseVariants(node.value)
      if (codes.length < 2) return
      const equal = codes.map(code => createCharacter(code))
      if (parent?.type === 'CharacterClass') replaceWithMultiple(equal)
      else replaceWith(createCharacterClass({ body: equal }))
    },
  })
}

/** The properties and POSIX classes that hold a letter in all its cases or in none. */
const withAllCases = new Set(
  'l letter n number nd nl no p punctuation s symbol z separator c han alpha alnum digit space word punct any'.split(
    ' ',
  ),
)
/** Characters of a range whose cases are looked up one by one. */
const maxRange = 0x1000

/**
 * What \w, \p{Word} and \b take for part of a word: not all numbers of Unicode but the decimal ones, and those of Latin-1.
 * Within a class \w means [:word:], which lacks ² ³ ¹ ¼ ½ ¾.
 */
const word = '[[:word:]\u00b2\u00b3\u00b9\u00bc-\u00be]'
const atWordBoundary = `(?<=${word})(?!${word})|(?<!${word})(?=${word})`
const notAtWordBoundary = `(?<=${word})(?=${word})|(?<!${word})(?!${word})`

function wordClass(): CharacterClassElementNode[] {
  const [element] = parse(word).body[0]!.body
  return (element as CharacterClassNode).body
}

/** Characters that are equal to others besides their own upper and lower case. */
const oddCases =
  '\u017f\u212a\u212b\u00b5\u03c2\u03d0\u03d1\u03d5\u03d6\u03f0\u03f1\u03f4\u03f5\u1e9b\u1fbe\u0345\u1fd3\u1fe3\u1c80\u1c81\u1c82\u1c83\u1c84\u1c85\u1c86\u1c87\u1c88\ufb05\ufb06\u01c5\u01c8\u01cb\u01f2'

/** The characters that are equal to one where case is ignored, itself among them. */
function caseVariants(code: number): number[] {
  const character = String.fromCodePoint(code)
  if (!/[\p{Changes_When_Casemapped}\p{Changes_When_Casefolded}]/u.test(character)) return [code]
  const equals = new RegExp(`^${character}$`, 'iu')
  const mapped = [character, ...oddCases].flatMap(c => [c, c.toLowerCase(), c.toUpperCase()])
  const again = mapped.flatMap(c => [c, c.toUpperCase().toLowerCase(), c.toLowerCase().toUpperCase()])
  return Array.from(new Set(again.filter(c => equals.test(c))), c => c.codePointAt(0)!)
}

/** Where case is ignored Oniguruma matches `ss` with ß, and JavaScript does not. */
function refuseFoldings(elements: readonly AlternativeElementNode[]): void {
  let run = ''
  for (const element of elements) {
    run += element.type === 'Character' ? String.fromCodePoint(element.value).toLowerCase() : '\n'
  }
  for (const [character, folded] of foldings()) {
    if (run.includes(folded) || run.includes(character)) {
      throw new SyntaxError(
        `${shown(folded)} in a group that ignores case has ${shown(character)} for an equal`,
      )
    }
  }
}

/** Characters that are equal to several where case is ignored. */
function foldings(): [character: string, folded: string][] {
  const all: [string, string][] = []
  for (const [first, last] of [
    [0xdf, 0x587],
    [0x1e96, 0x1ffc],
    [0xfb00, 0xfb17],
  ] as const) {
    for (let code = first; code <= last; code++) {
      const character = String.fromCharCode(code)
      const lower = character.toLowerCase()
      const folded = lower.length > 1 ? lower : character.toUpperCase().toLowerCase()
      if (folded.length > 1) all.push([character, folded])
    }
  }
  return all
}
