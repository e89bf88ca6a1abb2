// Tests that events of many streams, made at once, are each handed out in a turn of the event loop of its own, in order.
import assert from 'node:assert/strict'
import { EventQueue } from '../src/server/event-queue.ts'

describe('queues of events', () => {
  it('hand out one event a turn, over all queues, in the order of each', async () => {
    let turn = 0
    let counts = true
    const count = () => {
      turn++
      if (counts) setImmediate(count)
    }
    setImmediate(count)
    const turns: number[] = []
    const queues = Array.from({ length: 20 }, () => new EventQueue<number>())
    const reading = queues.map(async queue => {
      const events: number[] = []
      for await (const event of queue.read()) {
        events.push(event)
        turns.push(turn)
      }
      return events
    })
    for (const queue of queues) for (const event of [1, 2, 3]) queue.push(event)
    for (const queue of queues) queue.endWith(Promise.resolve())
    const read = await Promise.all(reading)
    counts = false
    assert.deepEqual(
      read,
      queues.map(() => [1, 2, 3]),
    )
    assert.equal(new Set(turns).size, turns.length)
  })

  it('end with the error of the work, after the events before it', async () => {
    const queue = new EventQueue<number>()
    queue.push(1)
    queue.endWith(Promise.reject(new Error('no more')))
    const events: number[] = []
    await assert.rejects(async () => {
      for await (const event of queue.read()) events.push(event)
    }, /^Error: no more$/)
    assert.deepEqual(events, [1])
  })
})
