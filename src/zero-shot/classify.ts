// Zero-shot classification: the label that the model finds the likeliest continuation of a prompt about the text.
import { booleanOption, checkOptions, choiceOption, optionNames, optionOf } from '../calls/options.ts'
import type { ReadRequest } from '../scoring/read-request.ts'
import { type Calibration, contentFreeTexts, logMeans, logSoftmax } from './calibration.ts'
import type { ItemJudge } from './judge.ts'
import { type Label, type ReadLabel, readLabels } from './labels.ts'
import { type JudgeOptions, judgeOptionNames } from './options.ts'
import { following, type Printed, readTemplate } from './template.ts'

export interface ClassifyOptions extends JudgeOptions {
  /** At least two, or one with multiLabel; each once. */
  labels: readonly Label[]
  /**
   * The prompt that a label follows, after a space unless there is white space already: a text with {text}, or a function of
   * the text. With multiLabel it asks whether one label fits, to be answered with Yes or No: a text with {text} and {label},
   * or a function of both.
   * @default 'Text: {text}\nLabel:', with multiLabel 'Text: {text}\nLabel: {label}\nDoes the label fit the text, Yes or No?'
   */
  template?: string | ((text: string, label: string) => string)
  /** Judge each label by itself: its score is the probability of Yes against No, and any number of labels may fit. @default false */
  multiLabel?: boolean
  /**
   * Corrects for labels that the model finds likely whatever the text is. The few prompts for it are scored once a call.
   * - 'none': probabilities as the model gives them;
   * - 'pmi': each is divided by the label's probability after the template of the empty text (domain conditional PMI:
   *   Holtzman et al. 2021, "Surface form competition: why the highest probability answer isn't always right");
   * - 'contextual': each is divided by the label's mean probability on "N/A", "[MASK]" and the empty text (Zhao et al. 2021,
   *   "Calibrate before use: improving few-shot performance of language models").
   *
   * What is divided is brought to sum to 1 again. @default 'none'
   */
  calibrate?: Calibration
}

const classifyOptionNames = optionNames<ClassifyOptions>({
  labels: true,
  template: true,
  multiLabel: true,
  calibrate: true,
  ...judgeOptionNames,
})

/** What a text was classified as. */
export interface Classification {
  /** The name of the best label, which is labels[0]. */
  label: string
  /** The names of all labels, the best first; of equal ones the one that was given first. */
  labels: string[]
  /**
   * One for each of `labels`, 0 to 1. They sum to 1: the soft-max of the labels' log-likelihoods, which are sums over their
   * tokens, since e to that sum is the probability that the label follows the prompt, while no probability belongs to a mean.
   * With multiLabel, each is the same of Yes against No.
   */
  scores: number[]
  /** Tokens cut from the prompt by `tooLong`. */
  truncatedTokens: number
}

const oneOf = 'Text: {text}\nLabel:'
const eachOf = 'Text: {text}\nLabel: {label}\nDoes the label fit the text, Yes or No?'
/** What follows a prompt about one label, if the label fits and if not. */
const verdicts = ['Yes', 'No']

export class Classifier implements ItemJudge<Classification> {
  readonly itemName = 'text'
  private readonly labels: readonly ReadLabel[]
  private readonly multiLabel: boolean
  private readonly print: Printed
  private readonly contentFree: readonly string[]
  /** [questions][words] ln of what the probabilities are divided by; known with the first text. */
  private baselines: number[][] = []

  /** @throws INVALID_ARGUMENT */
  constructor(options: ClassifyOptions) {
    checkOptions(options, classifyOptionNames)
    this.multiLabel = booleanOption(options, 'multiLabel', false)
    this.labels = readLabels(options, this.multiLabel ? 1 : 2)
    const [template, names] = this.multiLabel ? [eachOf, ['text', 'label']] : [oneOf, ['text']]
    this.print = readTemplate(optionOf(options, 'template', template), names)
    this.contentFree =
      contentFreeTexts[choiceOption(options, 'calibrate', ['none', 'pmi', 'contextual'], 'none')]
  }

  /** The questions about the text, those with the first text followed by the same about each content-free one. */
  asks(text: string, index: number): ReadRequest[] {
    const texts = index === 0 ? [text, ...this.contentFree] : [text]
    return texts.flatMap(each => this.questions(each))
  }

  judge(logLikelihoods: readonly number[], truncatedTokens: number): Classification {
    // [texts * questions][words]
    const answers = chunks(logLikelihoods, this.multiLabel ? verdicts.length : this.labels.length)
    const questions = this.multiLabel ? this.labels.length : 1
    const [own, ...contentFree] = chunks(answers, questions)
    if (contentFree.length > 0)
      this.baselines = own!.map((_, question) =>
        logMeans(contentFree.map(text => logSoftmax(text[question]!))),
      )
    const probabilities = own!.map((words, question) => {
      const baseline = this.baselines[question]
      return logSoftmax(words.map((value, word) => value - (baseline?.[word] ?? 0))).map(Math.exp)
    })
    const scores = this.multiLabel ? probabilities.map(([yes]) => yes!) : probabilities[0]!
    const ranked = this.labels
      .map(({ name }, i) => ({ name, score: scores[i]! }))
      .sort((a, b) => b.score - a.score)
    const labels = ranked.map(({ name }) => name)
    return { label: labels[0]!, labels, scores: ranked.map(({ score }) => score), truncatedTokens }
  }

  private questions(text: string): ReadRequest[] {
    if (!this.multiLabel)
      return [
        question(
          this.print(text),
          this.labels.map(label => label.text),
        ),
      ]
    return this.labels.map(label => question(this.print(text, label.text), verdicts))
  }
}

function question(prompt: string, words: readonly string[]): ReadRequest {
  return { prompt, continuations: words.map(word => following(prompt, word)) }
}

function chunks<Item>(items: readonly Item[], size: number): Item[][] {
  return Array.from({ length: items.length / size }, (_, i) => items.slice(i * size, (i + 1) * size))
}
