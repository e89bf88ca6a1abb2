// Limits what rendering may spend: a template is code from somewhere else, and must neither block nor fill the process.

/** Maximum steps, which take a core up to a second. A node evaluated, an item visited and 16 characters read are a step. */
const maxSteps = 4_000_000

/** Maximum UTF-16 units, 32 MiB to 64 MiB, of all texts that are made while rendering, the printed ones among them. */
const maxText = 2 ** 25

/** Maximum bits of a whole number. Python does not print larger ones either (sys.int_info.default_max_str_digits = 4300). */
const maxIntegerBits = 16_384

/** Maximum depth of macros and recursive loops within each other. Python stops at about 200 to 300 of them. */
const maxCalls = 150

/** The error for a budget that is used up; its message says which. */
export class BudgetError extends Error {}

export class Budget {
  private steps = maxSteps
  private text = maxText
  private calls = 0

  /** Takes steps from those that are left. @throws BudgetError */
  spend(steps: number): void {
    this.steps -= steps
    if (this.steps < 0) throw new BudgetError(`it takes more than ${maxSteps} steps`)
  }

  /** Takes the steps for reading a text of so many characters. @throws BudgetError */
  read(characters: number): void {
    this.spend(1 + (characters >>> 4))
  }

  /** Takes room for a text of so many characters. It is called before the text is made. @throws BudgetError */
  make(characters: number): void {
    this.text -= characters
    if (!(this.text >= 0)) throw new BudgetError(`it makes more than ${maxText} characters of text`)
    this.spend(1 + characters / 16)
  }

  /** Takes room for texts that are joined: what is added to the longest, whose memory is shared. @throws BudgetError */
  concatenate(lengths: readonly number[]): void {
    let total = 0
    let longest = 0
    for (const length of lengths) {
      total += length
      longest = Math.max(longest, length)
    }
    if (total > maxText) this.make(total)
    this.make(total - longest)
  }

  /** Checks that a whole number of about so many bits may be made. @throws BudgetError */
  makeInteger(bits: number): void {
    if (bits > maxIntegerBits)
      throw new BudgetError(`it makes a whole number of more than ${maxIntegerBits} bits`)
    this.spend(1 + (bits >>> 5))
  }

  /** Runs a macro or a recursive loop's body, one level deeper. @throws BudgetError */
  call<T>(body: () => T): T {
    if (this.calls >= maxCalls) throw new BudgetError(`macros or loops call each other ${maxCalls} deep`)
    this.calls++
    try {
      return body()
    } finally {
      this.calls--
    }
  }
}
