// Run by workers.test.ts in a Worker: scores the random pack and posts the scores.
import { parentPort, workerData } from 'node:worker_threads'
import { loadAddon } from '../../src/native/addon.ts'
import { newControl, randomModel, randomPack } from './random-model.ts'

const { config, tensors } = randomModel(workerData)
const options = { dtype: 'float32', device: 'cpu', threads: 0 } as const
const model = await loadAddon().load(config, tensors, options, newControl())
parentPort!.postMessage(await model.score(randomPack(config, 8, 64), newControl()))
