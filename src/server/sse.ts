// Server-sent events, as OpenAI's API streams them: one object each, and [DONE] at the end.
import type { StreamAnswer } from './route.ts'

export function eventStream(events: AsyncIterable<object>): StreamAnswer {
  return {
    type: 'text/event-stream',
    pieces: written(events),
    failed: error => eventOf(error) + doneEvent,
  }
}

const doneEvent = 'data: [DONE]\n\n'

async function* written(events: AsyncIterable<object>): AsyncGenerator<string, void, undefined> {
  for await (const event of events) yield eventOf(event)
  yield doneEvent
}

function eventOf(value: object): string {
  return `data: ${JSON.stringify(value)}\n\n`
}
