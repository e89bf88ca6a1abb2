// Defines environments of Jinja: the settings, filters and global names that templates are written for.
import { filters } from './filters.ts'
import { globals } from './globals.ts'
import { tojson } from './html-json.ts'
import type { WhiteSpace } from './lexer.ts'
import { random } from './random.ts'
import type { Filter } from './runtime.ts'
import type { Value } from './values.ts'

export interface Environment {
  whiteSpace: WhiteSpace
  /** Whether what is not there fails as soon as it is printed, compared, iterated or asked whether it is true (StrictUndefined). */
  isStrict: boolean
  filters: ReadonlyMap<string, Filter>
  /** The names that every template has. */
  globals: ReadonlyMap<string, Value>
  /** Whether the methods that change lists and dicts are refused, and long ranges. */
  isSandboxed: boolean
  /** The tags break, continue and generation. */
  hasChatTags: boolean
}

/** The environment of transformers' chat templates. */
export const chatEnvironment: Environment = {
  whiteSpace: { trimBlocks: true, lstripBlocks: true, keepTrailingNewline: false },
  isStrict: false,
  filters,
  globals,
  isSandboxed: true,
  hasChatTags: true,
}

/** `jinja2.Environment()`, without any setting. */
export const plainEnvironment: Environment = {
  whiteSpace: { trimBlocks: false, lstripBlocks: false, keepTrailingNewline: false },
  isStrict: false,
  filters: new Map([...filters, ['random', random], ['tojson', tojson]]),
  globals,
  isSandboxed: false,
  hasChatTags: false,
}
