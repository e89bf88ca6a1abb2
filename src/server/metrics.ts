// What the server counts, for Prometheus.
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client'
import type { Model } from '../model.ts'
import type { Admission } from './admission.ts'

const seconds = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120]

export class Metrics {
  readonly registry = new Registry()
  readonly requests: Counter<'route' | 'status'>
  readonly tokens: Counter<'kind'>
  readonly abandonedTokens: Counter
  readonly firstToken: Histogram<'route'>
  readonly duration: Histogram<'route'>

  constructor(model: Model, admission: Admission) {
    const registers = [this.registry]
    collectDefaultMetrics({ register: this.registry })
    this.requests = new Counter({
      ...{ name: 'mt_llama_requests_total', help: 'Requests that were answered', registers },
      labelNames: ['route', 'status'],
    })
    this.tokens = new Counter({
      ...{ name: 'mt_llama_tokens_total', help: 'Tokens of prompts, and new ones', registers },
      labelNames: ['kind'],
    })
    this.abandonedTokens = new Counter({
      name: 'mt_llama_abandoned_tokens_total',
      help: 'Tokens that were run for requests whose client has gone before it had its answer',
      registers,
    })
    this.firstToken = new Histogram({
      ...{ name: 'mt_llama_first_token_seconds', help: 'Time until the first new token', registers },
      ...{ labelNames: ['route'], buckets: seconds },
    })
    this.duration = new Histogram({
      ...{ name: 'mt_llama_request_seconds', help: 'Time until the end of the answer', registers },
      ...{ labelNames: ['route'], buckets: seconds },
    })
    new Gauge({
      ...{ name: 'mt_llama_queue_tokens', help: 'Tokens of requests that are not answered yet', registers },
      collect() {
        this.set(admission.tokens)
      },
    })
    const works = [
      ['packs', 'Packs of scoring, and steps of generation'],
      ['used', 'Tokens in these packs, and texts in these steps'],
      ['room', 'What they would have held had each been full: used by room is how full they were'],
    ] as const
    for (const [name, help] of works)
      new Counter({
        ...{ name: `mt_llama_pack_${name}_total`, help, registers, labelNames: ['kind'] },
        collect() {
          this.reset()
          for (const kind of ['scoring', 'generation'] as const) this.inc({ kind }, model.done[kind][name])
        },
      })
  }
}
