// Defines the nodes that the parser makes of a template.

export type Expression =
  | { kind: 'constant'; value: null | boolean | bigint | number | string }
  | { kind: 'name'; name: string }
  | { kind: 'list' | 'tuple' | 'concat'; items: Expression[] }
  | { kind: 'dict'; pairs: [key: Expression, value: Expression][] }
  /** `a.name` looks for an attribute first, `a['name']` for an item. */
  | { kind: 'attribute'; object: Expression; name: string }
  | { kind: 'item'; object: Expression; index: Expression }
  | { kind: 'slice'; parts: (Expression | undefined)[] }
  | { kind: 'call'; called: Expression; args: CallArguments }
  | { kind: 'filter'; value: Expression; name: string; args: CallArguments }
  | { kind: 'test'; value: Expression; name: string; args: CallArguments }
  | { kind: 'unary'; operator: '+' | '-' | 'not'; value: Expression }
  | { kind: 'binary'; operator: BinaryOperator; left: Expression; right: Expression }
  | { kind: 'and' | 'or'; left: Expression; right: Expression }
  | { kind: 'compare'; first: Expression; rest: { operator: Comparison; value: Expression }[] }
  | { kind: 'condition'; test: Expression; value: Expression; otherwise: Expression | undefined }
  /** The text of a block, which the block's filter is given. */
  | { kind: 'body'; statements: Statement[] }

export type BinaryOperator = '+' | '-' | '*' | '/' | '//' | '%' | '**'
export type Comparison = '==' | '!=' | '<' | '<=' | '>' | '>=' | 'in' | 'not in'

export interface CallArguments {
  positional: Expression[]
  keyword: [name: string, value: Expression][]
  /** The expressions of `*list` and `**dict`. */
  list?: Expression
  dict?: Expression
}

export type Target =
  | { kind: 'name'; name: string }
  | { kind: 'namespace'; name: string; attribute: string }
  | { kind: 'tuple'; items: Target[] }

export interface Signature {
  parameters: { name: string; fallback: Expression | undefined }[]
}

export interface MacroNode extends Signature {
  name: string
  body: Statement[]
  /** Those of `caller`, `varargs` and `kwargs` that the body reads. */
  reads: ReadonlySet<string>
}

export type Statement = { line: number } & (
  | { kind: 'text'; text: string }
  | { kind: 'print'; value: Expression }
  | { kind: 'if'; branches: { test: Expression; body: Statement[] }[]; otherwise: Statement[] }
  | ForNode
  | { kind: 'set'; target: Target; value: Expression }
  | { kind: 'scope'; names: [target: Target, value: Expression][]; body: Statement[] }
  | { kind: 'macro'; macro: MacroNode }
  | { kind: 'callBlock'; macro: MacroNode; call: Expression & { kind: 'call' } }
  | { kind: 'break' | 'continue' }
)

export interface ForNode {
  kind: 'for'
  target: Target
  items: Expression
  filter: Expression | undefined
  isRecursive: boolean
  body: Statement[]
  otherwise: Statement[]
}
