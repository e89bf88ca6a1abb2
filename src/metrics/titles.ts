// How tables and notes name metrics; a metric that is not listed goes by its own name.

/** Heads of columns. */
const heads: Readonly<Record<string, string>> = {
  ...{ acc: 'Acc.', auc: 'AUC', f1: 'F1', exact_match: 'EM' },
  ...{ acc_mean: 'mean', acc_median: 'median', acc_min: 'min', acc_max: 'max' },
}

/** What notes say of a metric. */
const descriptions: Readonly<Record<string, string>> = {
  acc_norm: 'Accuracy by log-likelihood per character',
  acc_bytes: 'Accuracy by log-likelihood per byte',
  acc_mutual_info: 'Accuracy by log-likelihood less that of the choice alone (PMI)',
  acc_per_token: 'Accuracy by log-likelihood per token',
}

export function metricHead(name: string): string {
  return heads[name] ?? name
}

export function metricDescription(name: string): string {
  return descriptions[name] ?? heads[name] ?? name
}
