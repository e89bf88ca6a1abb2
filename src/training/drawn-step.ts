// The checkpoint that a run from scratch begins with: weights drawn as transformers draws those of a new LlamaForCausalLM.
import type { Checkpoint } from '../checkpoint/checkpoint.ts'
import { Fields } from '../checkpoint/fields.ts'
import { elementCount } from '../checkpoint/tensors.ts'
import { kind } from '../data/fields.ts'
import { drawnStream, normalNumbers } from './drawn-weights.ts'
import { checkRunMemory, type OpenRun } from './open-run.ts'
import { saveStep } from './save-step.ts'
import type { ReadPart, TrainedParameter } from './train-checkpoint.ts'
import type { TrainSettings } from './train-config.ts'
import type { SavedStep, TrainFolder } from './train-folder.ts'
import { progressOf } from './train-state.ts'

/**
 * Writes step-0000000, with moments of zero, which a run then goes on from as from any other checkpoint.
 * @throws OUT_OF_MEMORY where training would not fit, OUTPUT, CHECKPOINT_CORRUPT (initializer_range, pad_token_id)
 */
export async function drawnStep(
  folder: TrainFolder,
  run: OpenRun,
  settings: TrainSettings,
): Promise<SavedStep | undefined> {
  const { base, target, inputs } = run
  await checkRunMemory(settings, target, base)
  const weights = drawnWeights(base, settings.seed)
  const parameters = new Map(target.parameters.map(parameter => [parameter.name, parameter]))
  const read: ReadPart = async (name, part) => {
    const parameter = parameters.get(name)!
    return part === 'weight' ? weights(parameter) : new Float32Array(elementCount(parameter.shape))
  }
  await saveStep(folder, run, read, { version: 1, ...progressOf(undefined), settings, inputs, backend: null })
  return folder.latest()
}

const deviation = kind(
  'a number from 0 to 1000',
  (value): value is number => typeof value === 'number' && value >= 0 && value <= 1000,
)

/**
 * Weights as PreTrainedModel._init_weights() of transformers 5 makes them: matrices from the normal distribution of deviation
 * initializer_range (0.02 where config.json has none, or 0), the embedding's row of pad_token_id zeros, norms ones, biases zeros.
 * A number depends on the seed, the tensor's name and its place in it.
 */
function drawnWeights(
  { config, configSource }: Checkpoint,
  seed: number,
): (parameter: TrainedParameter) => Promise<Float32Array> {
  const fields = new Fields(configSource!.json, 'config.json')
  const std = fields.read('initializer_range', deviation, 0) || 0.02
  const rows = config.vocabSize
  const paddingRow = kind(
    `a row of the vocabulary, from ${-rows} to ${rows - 1}`,
    (value): value is number =>
      Number.isInteger(value) && (value as number) >= -rows && (value as number) < rows,
  )
  const padding = fields.isNull('pad_token_id') ? undefined : fields.read('pad_token_id', paddingRow)
  return async parameter => {
    const { name, shape } = parameter
    if (shape.length === 1) return new Float32Array(elementCount(shape)).fill(name.endsWith('.bias') ? 0 : 1)
    const values = await normalNumbers(elementCount(shape), std, drawnStream(seed, name))
    if (name === 'model.embed_tokens.weight' && padding !== undefined) {
      const begin = ((padding + rows) % rows) * shape[1]!
      values.fill(0, begin, begin + shape[1]!)
    }
    return values
  }
}
