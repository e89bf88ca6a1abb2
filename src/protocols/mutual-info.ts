// The metric that compares choices by how much likelier a prompt makes them (PMI), which costs the scores of choices alone.
import { mutualInformation, rank } from '../metrics/accuracy.ts'
import type { Form, Protocol, RankAnswer, RankForm } from './protocol.ts'

/** Its name, which is lm-evaluation-harness's. */
export const mutualInfo = 'acc_mutual_info'

/** @param answer to an ask whose form has isUnconditionalAsked */
export function likeliestByMutualInfo({ logLikelihoods, unconditional }: RankAnswer): number {
  return rank(mutualInformation(logLikelihoods, unconditional!)).prediction
}

/** A protocol whose rankings have the metric too. */
export function withMutualInfo(protocol: Protocol): Protocol {
  return {
    ...protocol,
    form: task => {
      const form = protocol.form(task)
      return form && formWithMutualInfo(form)
    },
  }
}

/** A form with the metric, where it ranks choices and has not got it. */
export function formWithMutualInfo(form: Form): Form {
  if (form.kind !== 'rank' || form.hasOneChoice || form.isUnconditionalAsked) return form
  const judge: RankForm['judge'] = (ask, answer) => {
    const { golds = [ask.gold] } = ask
    const outcome = form.judge(ask, answer)
    const right = Number(golds.includes(likeliestByMutualInfo(answer)))
    return { ...outcome, scores: { ...outcome.scores, [mutualInfo]: right } }
  }
  return { ...form, isUnconditionalAsked: true, metrics: [...form.metrics, mutualInfo], judge }
}
