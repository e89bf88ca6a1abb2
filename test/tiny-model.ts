// Makes a tiny LLaMA of random weights without a tokenizer, in a folder that exists while the test runs.
import { type LoadOptions, loadModel, type Model } from '../src/index.ts'
import { randomNumbers } from './attention-oracle.ts'
import {
  type FileTensor,
  safetensorsBytes,
  tinyConfig,
  tinyTensors,
  withFolder,
  writeFiles,
} from './checkpoint-files.ts'

/** Makes the tensors of tinyConfig, in F32 with random values. `edit` may change the values of a tensor. */
export function randomTinyTensors(
  edit: (name: string, values: Float32Array) => void = () => {},
): Map<string, FileTensor> {
  const random = randomNumbers(5)
  const tensors = tinyTensors()
  for (const [name, tensor] of tensors) {
    const values = Float32Array.from(
      { length: tensor.shape.reduce((a, b) => a * b, 1) },
      () => random() - 0.5,
    )
    edit(name, values)
    tensor.data = new Uint8Array(values.buffer)
  }
  return tensors
}

export interface TinyModel {
  /** Fields of config.json. */
  config?: object
  tensors?: Map<string, FileTensor>
  files?: Record<string, object | string | Uint8Array>
  options?: LoadOptions
}

/** Loads a tiny checkpoint, runs `body` and disposes the model. */
export function withTinyModel<T>(
  { config = {}, tensors = randomTinyTensors(), files = {}, options = {} }: TinyModel,
  body: (model: Model, dir: string) => Promise<T>,
): Promise<T> {
  return withFolder(async dir => {
    writeFiles(dir, {
      'config.json': { ...tinyConfig, ...config },
      'model.safetensors': safetensorsBytes(tensors),
      ...files,
    })
    await using model = await loadModel(dir, options)
    return await body(model, dir)
  })
}

/** The path of the embedded default: 258 tokens (256 bytes, BOS, EOS), 2 layers, 2,048 positions. */
export const defaultModel = new URL('../default/model', import.meta.url).pathname
