// Run by exits.test.ts: brings a model to a stage of its life, then ends the process in the way asked for.
//   child.ts FOLDER STAGE EXIT
import { setTimeout as sleep } from 'node:timers/promises'
import { isMainThread, parentPort, workerData } from 'node:worker_threads'
import { loadAddon } from '../../src/native/addon.ts'
import type { NativeLoadOptions, NativeModel } from '../../src/native/types.ts'
import { deep, greedy, newControl, openSession, randomModel, randomPack } from './random-model.ts'
import { startWorker } from './start-worker.ts'

type Order = { folder: string; stage: string; exit: string }
const order: Order = isMainThread
  ? { folder: process.argv[2]!, stage: process.argv[3]!, exit: process.argv[4]! }
  : workerData

if (isMainThread && order.exit.includes('worker')) await inWorker()
else {
  await reach(order.stage)
  console.log(`reached ${order.stage}`)
  if (order.exit === 'process.exit' || order.exit === 'process.exit in a worker') process.exit(3)
  if (order.exit === 'throw' || order.exit === 'throw in a worker') throw new Error('thrown on purpose')
  parentPort?.postMessage('reached')
}

/** Ends this process with 3 once the worker has ended as ordered. */
async function inWorker(): Promise<void> {
  const worker = startWorker(new URL(import.meta.url), order)
  const ended = new Promise<void>(resolve => worker.once('exit', () => resolve()))
  worker.on('error', error => {
    if (!error.message.includes('on purpose')) throw error
  })
  if (order.exit === 'worker.terminate') {
    await new Promise(resolve => worker.once('message', resolve))
    await worker.terminate()
  } else await ended
  process.exitCode = 3
}

async function reach(stage: string): Promise<void> {
  if (stage === 'nothing') return
  const addon = loadAddon()
  if (stage === 'addon') return
  // A script that is to end by itself gets a job that ends soon; the other jobs take minutes.
  const size = order.exit === 'end of the script' ? 1 : 16
  const options: NativeLoadOptions = { dtype: 'float32', device: 'reference', threads: 1 }
  const { config, tensors } = randomModel(order.folder, deep)
  const loading = addon.load(config, tensors, options, newControl())
  if (stage === 'loading') return
  const model: NativeModel = await loading
  if (stage === 'loaded') return
  const pack = randomPack(config, size, 32 * size)
  const control = newControl()
  const jobEnded = () => console.log('job ended')
  const job = (run: Promise<unknown>) => run.then(jobEnded)
  const started = async () => {
    while (Atomics.load(control, 1) === 0) await sleep(1)
  }
  const sequences = Int32Array.of(0, 0, 0)
  const session = () => openSession(model, 512)
  switch (stage) {
    case 'scoring':
      job(model.score(pack, control))
      return started()
    case 'queued':
      for (let i = 0; i < 8; i++) job(model.score(pack, i === 0 ? control : newControl()))
      return started()
    case 'stepping':
      job(
        (await session()).step(
          sequences,
          [greedy],
          Int32Array.of(0, 32 * size),
          pack.ids.slice(0, 32 * size),
          control,
        ),
      )
      return started()
    case 'session':
      await session()
      return
    case 'disposing':
      job(model.score(pack, control))
      await started()
      model.dispose()
      return
    case 'disposed':
      model.dispose()
      return
    default:
      throw new Error(`no such stage: ${stage}`)
  }
}
