// What rendering a template may spend: a template is code from somewhere else, and must neither block nor fill the process.

/** Work: a node evaluated, an item visited or 16 characters read count as a step. Half a second to a second of one core. */
const maxSteps = 4_000_000

/** UTF-16 units of all texts made while rendering, what is printed among them: 32 MiB to 64 MiB. */
const maxText = 2 ** 25

/** Bits of a whole number: Python does not print larger ones either (sys.int_info.default_max_str_digits = 4300). */
const maxIntegerBits = 16_384

/** Macros and recursive loops within each other; Python stops at about 200 to 300 of them. */
const maxCalls = 150

/** A budget is used up; the message says which. */
export class BudgetError extends Error {}

export class Budget {
  private steps = maxSteps
  private text = maxText
  private calls = 0

  /** Takes `steps` of the work that is left. @throws BudgetError */
  spend(steps: number): void {
    this.steps -= steps
    if (this.steps < 0) throw new BudgetError(`it takes more than ${maxSteps} steps`)
  }

  /** Reads a text of so many characters. @throws BudgetError */
  read(characters: number): void {
    this.spend(1 + (characters >>> 4))
  }

  /** Makes a text of so many characters; to be asked before it is made. @throws BudgetError */
  make(characters: number): void {
    this.text -= characters
    if (!(this.text >= 0)) throw new BudgetError(`it makes more than ${maxText} characters of text`)
    this.spend(1 + characters / 16)
  }

  /** Makes a text of others, which share their memory with it: what is added to the longest counts. @throws BudgetError */
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

  /** Makes a whole number of about so many bits. @throws BudgetError */
  makeInteger(bits: number): void {
    if (bits > maxIntegerBits)
      throw new BudgetError(`it makes a whole number of more than ${maxIntegerBits} bits`)
    this.spend(1 + (bits >>> 5))
  }

  /** Runs a macro or a recursive loop's body. @throws BudgetError */
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
