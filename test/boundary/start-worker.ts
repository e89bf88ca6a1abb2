// Starts a Worker on a TypeScript file: tsx does not reach into Workers by itself.
import { Worker } from 'node:worker_threads'

export function startWorker(file: URL, workerData: unknown): Worker {
  const source = `import('tsx/esm/api').then(tsx => {
    tsx.register()
    return import(${JSON.stringify(file.href)})
  })`
  return new Worker(source, { eval: true, workerData })
}
