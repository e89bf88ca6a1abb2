// Which parts of a grammar have a finite text: a rule that always holds itself has none.
import type { Grammar, Rule } from './grammar.ts'

export class FiniteTexts {
  private readonly rules = new Set<Rule>()
  /** What is known of parts that hold others. A part that has a finite text by some of the rules has one by more of them. */
  private readonly known = new Map<Grammar, boolean>()
  /** Whether all rules are known. Before that a part without a finite text may yet turn out to have one. */
  private isComplete = false

  /** @param root the grammar whose rules are looked at */
  constructor(root: Grammar) {
    const users = usersOfRules(root)
    const open = [...users.keys()]
    for (let rule = open.pop(); rule !== undefined; rule = open.pop()) {
      if (this.rules.has(rule) || !this.has(rule.grammar)) continue
      this.rules.add(rule)
      for (const user of users.get(rule)!) open.push(user)
    }
    this.isComplete = true
  }

  /** Whether some finite text is of the part. */
  has(part: Grammar): boolean {
    if (part.kind === 'rule') return this.rules.has(part.rule)
    if (part.kind === 'characters') return part.set.length > 0
    const known = this.known.get(part)
    if (known !== undefined) return known
    const answer = this.find(part)
    if (answer || this.isComplete) this.known.set(part, answer)
    return answer
  }

  private find(part: Exclude<Grammar, { kind: 'rule' | 'characters' }>): boolean {
    switch (part.kind) {
      case 'sequence':
        return part.parts.every(inner => this.has(inner))
      case 'choice':
        return part.parts.some(inner => this.has(inner))
      case 'repeat':
        return part.min === 0 || this.has(part.part)
      case 'list':
        return part.items.every(item => item.optional || this.has(item.part))
    }
  }
}

/** The rules of a grammar, each with those that refer to it. */
function usersOfRules(root: Grammar): Map<Rule, Rule[]> {
  const users = new Map<Rule, Rule[]>()
  const open: Rule[] = []
  const collect = (grammar: Grammar, user: Rule | undefined) => {
    for (const rule of rulesWithin(grammar)) {
      if (!users.has(rule)) open.push(rule)
      const known = users.get(rule) ?? []
      users.set(rule, known)
      if (user) known.push(user)
    }
  }
  collect(root, undefined)
  for (let rule = open.pop(); rule !== undefined; rule = open.pop()) collect(rule.grammar, rule)
  return users
}

/** The rules that a grammar refers to, without what those refer to. */
function rulesWithin(grammar: Grammar): Set<Rule> {
  const rules = new Set<Rule>()
  const seen = new Set<Grammar>()
  const open: Grammar[] = [grammar]
  for (let part = open.pop(); part !== undefined; part = open.pop()) {
    if (part.kind === 'rule') rules.add(part.rule)
    if (part.kind === 'rule' || part.kind === 'characters' || seen.has(part)) continue
    seen.add(part)
    if (part.kind === 'repeat') {
      open.push(part.part)
    } else if (part.kind === 'list') {
      for (const item of part.items) open.push(item.part)
      open.push(part.separator)
      if (part.more) open.push(part.more)
    } else {
      for (const inner of part.parts) open.push(inner)
    }
  }
  return rules
}
