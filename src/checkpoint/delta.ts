// Delta weights: what a base needs added to become another model, as LLaMA's descendants were published.
import { MtLlamaError } from '../errors.ts'
import { loadAddon } from '../native/addon.ts'
import { nativeJob, newControl } from '../native/job.ts'
import type { NativeTensor } from '../native/types.ts'
import { type Checkpoint, shapeOf } from './checkpoint.ts'

/**
 * The model of a base and a delta, tensor by tensor base + delta in float16, where rows of the vocabulary that the base
 * lacks count as zero. Its config, tokenizer and chat template are the delta's, where the delta has them.
 * @throws CHECKPOINT_MISMATCH where they cannot belong together
 */
export async function withDelta(base: Checkpoint, delta: Checkpoint): Promise<Checkpoint> {
  const tensors = combined(base, delta, false)
  const changed = await changeOfNorms(base, tensors)
  const warnings = [...base.warnings, ...delta.warnings]
  if (!(changed > 1 / MAX_CHANGE && changed < MAX_CHANGE)) {
    warnings.push(
      `${delta.path}: added to ${base.path}, it changes the norm of the weights by a factor of ${changed.toFixed(2)}; ` +
        'training changes it little. Is it a delta of another base, or no delta?',
    )
  }
  return {
    ...base,
    config: delta.config,
    configSource: delta.configSource,
    tensors,
    ...{ autoDType: 'float16', storedTypes: `${base.storedTypes}, with a delta of ${delta.storedTypes}` },
    ...(delta.tokenizer && { tokenizer: delta.tokenizer }),
    ...(delta.chatTemplate !== undefined && {
      chatTemplate: delta.chatTemplate,
      chatTemplateFile: delta.chatTemplateFile,
    }),
    warnings,
  }
}

/**
 * The delta that makes `target` of `base`: target - base in float16. A delta is a checkpoint like others.
 * @throws CHECKPOINT_MISMATCH where they cannot belong together
 */
export function deltaOf(base: Checkpoint, target: Checkpoint): Checkpoint {
  return { ...target, tensors: combined(base, target, true), autoDType: 'float16' }
}

function combined(base: Checkpoint, other: Checkpoint, subtract: boolean): NativeTensor[] {
  checkShapes(base, other)
  const own = new Map(base.tensors.map(tensor => [tensor.name, tensor]))
  return other.tensors.map(tensor => {
    const { parts, axis } = own.get(tensor.name)!
    return { ...tensor, base: { parts, ...(axis !== undefined && { axis }), ...(subtract && { subtract }) } }
  })
}

/**
 * Refuses checkpoints whose shapes differ, but for a vocabulary that has grown. Those of one shape have tensors of the same
 * names, which follow from it.
 */
function checkShapes(base: Checkpoint, other: Checkpoint): void {
  for (const checkpoint of [base, other])
    if (checkpoint.tensors.some(({ base, adapters }) => base ?? adapters))
      throw mismatch(`${checkpoint.path} is made of a base already`)
  const shape = ({ config }: Checkpoint) => ({ ...shapeOf(config), architecture: config.architecture })
  const found = shape(other)
  for (const [name, value] of Object.entries(shape(base)) as [keyof typeof found, unknown][]) {
    if (name === 'contextLength' || found[name] === value) continue
    if (name === 'vocabSize' && found.vocabSize > base.config.vocabSize) continue
    throw mismatch(`${name} is ${value} in ${base.path} and ${found[name]} in ${other.path}`)
  }
}

function mismatch(what: string): MtLlamaError {
  return new MtLlamaError('CHECKPOINT_MISMATCH', `${what}. Is it a delta of another base?`)
}

/**
 * A base of the same shapes that is another model's gives weights of about 1.7 times the norm (three independent terms);
 * a checkpoint that is no delta, twice the norm. Training moves the norm by some per cent.
 */
const MAX_CHANGE = 1.35

/** The number of rows of a matrix that are looked at. */
const PROBED_ROWS = 64

/** Divides the norm of some weights with the delta by their norm without: the query projections of a few layers. */
async function changeOfNorms(base: Checkpoint, tensors: NativeTensor[]): Promise<number> {
  const { layers, headDim } = base.config
  const probed = new Set([0, layers >> 1, layers - 1].map(l => `model.layers.${l}.self_attn.q_proj.weight`))
  let [before, after] = [0, 0]
  for (const tensor of tensors.filter(({ name }) => probed.has(name))) {
    const rows = Math.min(tensor.shape[0]!, Math.max(headDim, Math.floor(PROBED_ROWS / headDim) * headDim))
    const { parts, axis } = tensor.base!
    const own = { name: tensor.name, shape: tensor.shape, parts, ...(axis !== undefined && { axis }) }
    before += await squares(own, headDim, rows)
    after += await squares(tensor, headDim, rows)
  }
  return Math.sqrt(after / before)
}

async function squares(tensor: NativeTensor, headDim: number, rows: number): Promise<number> {
  const bytes = await nativeJob(() => loadAddon().readRows(tensor, headDim, 0, rows, 'F32', newControl()))
  return new Float32Array(bytes.buffer).reduce((sum, value) => sum + value * value, 0)
}
