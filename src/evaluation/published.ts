// The figures of the MT-LLaMA model card, in percent: accuracy, or F1 and exact match.

/** Figures of a task's headline metrics, in their order. */
export type PublishedFigures = readonly number[]

/** By the model's name, then by the task's. */
export const published: Readonly<Record<string, Readonly<Record<string, PublishedFigures>>>> = {
  'LLaMA-7b (card)': {
    ...{ xquad: [9.5, 2.0], tydiqa: [14.3, 2.6], mlqa: [13.4, 3.3], squad: [29.4, 11.5] },
    ...{ sst2: [50.5], openbookqa: [32.4] },
    ...{ copa: [56.0], winogrande: [49.3], wic: [51.7], mnli: [30.2], rte: [52.7] },
  },
  'MT-LLaMA-7b (card)': {
    ...{ xquad: [42.3, 31.1], tydiqa: [38.9, 26.9], mlqa: [45.4, 31.5], squad: [85.9, 77.6] },
    ...{ sst2: [92.6], openbookqa: [38.2] },
    ...{ copa: [88.0], winogrande: [54.9], wic: [52.2], mnli: [49.6], rte: [79.1] },
  },
}
