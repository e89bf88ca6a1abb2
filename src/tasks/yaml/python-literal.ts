// Python's literals as ast.literal_eval() reads them: lists of choices, which templates print.
import { plainEnvironment } from '../../templates/environment.ts'
import type { Expression } from '../../templates/nodes.ts'
import { parseTemplate } from '../../templates/parser.ts'

/** A value of JavaScript; undefined where the text is no literal. Jinja spells its constants as Python does. */
export function pythonLiteral(text: string): unknown {
  let expression: Expression
  try {
    const [statement, ...others] = parseTemplate(`{{ ${text} }}`, plainEnvironment)
    if (statement?.kind !== 'print' || others.length > 0) return undefined
    expression = statement.value
    return constantOf(expression)
  } catch {
    return undefined
  }
}

/** @throws Error for what is no constant */
function constantOf(node: Expression): unknown {
  switch (node.kind) {
    case 'constant':
      return typeof node.value === 'bigint' ? Number(node.value) : node.value
    case 'list':
    case 'tuple':
      return node.items.map(constantOf)
    case 'unary': {
      const value = constantOf(node.value)
      if (node.operator !== 'not' && typeof value === 'number') return node.operator === '-' ? -value : value
      break
    }
  }
  throw new Error(`no literal: ${node.kind}`)
}
