// Which parts of a grammar have a finite text: a rule that always holds itself has none.
import type { Grammar, Rule } from './grammar.ts'

export class FiniteTexts {
  private readonly rules = new Set<Rule>()

  /** @param root the grammar whose rules are looked at */
  constructor(root: Grammar) {
    const all = new Set<Rule>()
    collect(root, all)
    // Rules come before those that they hold, whose answer they wait for.
    const inward = [...all].reverse()
    for (let before = -1; before < this.rules.size; ) {
      before = this.rules.size
      for (const rule of inward) if (this.has(rule.grammar)) this.rules.add(rule)
    }
  }

  /** Whether some finite text is of the part. */
  has(part: Grammar): boolean {
    switch (part.kind) {
      case 'characters':
        return part.set.length > 0
      case 'sequence':
        return part.parts.every(inner => this.has(inner))
      case 'choice':
        return part.parts.some(inner => this.has(inner))
      case 'repeat':
        return part.min === 0 || this.has(part.part)
      case 'list':
        return part.items.every(item => item.optional || this.has(item.part))
      case 'rule':
        return this.rules.has(part.rule)
    }
  }
}

function collect(root: Grammar, rules: Set<Rule>): void {
  const open: Grammar[] = [root]
  for (let part = open.pop(); part !== undefined; part = open.pop()) {
    switch (part.kind) {
      case 'sequence':
      case 'choice':
        for (const inner of part.parts) open.push(inner)
        break
      case 'repeat':
        open.push(part.part)
        break
      case 'list':
        for (const item of part.items) open.push(item.part)
        open.push(part.separator)
        if (part.more) open.push(part.more)
        break
      case 'rule':
        if (rules.has(part.rule)) break
        rules.add(part.rule)
        open.push(part.rule.grammar)
    }
  }
}
