// What a GGUF file of a checkpoint consists of, as llama.cpp's convert_hf_to_gguf.py has it.
import { basename } from 'node:path'
import { MtLlamaError } from '../../errors.ts'
import { readableTypes } from '../../native/stored-types.ts'
import type { DType, NativeTensor, StoredType } from '../../native/types.ts'
import type { Checkpoint, LlamaConfig } from '../checkpoint.ts'
import { ggmlArchitectures, ggmlName, isInterleaved, ROPE_FREQS } from '../gguf/gguf-llama.ts'
import { windowKeys } from '../gguf/gguf-windows.ts'
import { ropeFrequencies } from '../rope.ts'
import { plainTypes } from '../tensors.ts'
import type { Plan } from './convert-huggingface.ts'
import { type GgufValue, ggufFile } from './gguf-writer.ts'
import { type OutputTensor, plainType } from './tensor-file.ts'
import { ggufTokenizer } from './tokenizer-gguf.ts'

/** llama.cpp's number for what most tensors of a file are (general.file_type). */
const fileTypeIds: Readonly<Record<StoredType, number>> = { F32: 0, F16: 1, Q8_0: 7, BF16: 32 }

/**
 * Matrices get the type, vectors F32 as llama.cpp has them; a matrix whose rows are no whole blocks of Q8_0 gets F16, as
 * there. A sliding window is written, though llama.cpp leaves it out of what it computes: this package reads it back.
 * @param dtype undefined: as stored, bfloat16 of quantised ones
 * @throws TOKENIZER, CHECKPOINT_UNSUPPORTED for what a GGUF file cannot say
 */
export async function ggufPlan(checkpoint: Checkpoint, dtype: DType | 'q8_0' | undefined): Promise<Plan> {
  const { config, path, tensors, tokenizer, chatTemplate, autoDType } = checkpoint
  refuseUnsupported(config, path)
  const architecture = ggmlArchitectures[config.architecture]
  const warnings: string[] = []
  const typeOf = (source: NativeTensor): StoredType => {
    if (source.shape.length === 1) return 'F32'
    if (dtype !== 'q8_0') return plainType(source, dtype)
    return source.shape[1]! % readableTypes().get('Q8_0')!.blockValues === 0 ? 'Q8_0' : 'F16'
  }
  const written = tensors.map((source): OutputTensor => {
    const name = ggmlName(source.name)
    const ropeInterleaved = isInterleaved(config.architecture, name)
    return { name, type: typeOf(source), shape: source.shape, source, ropeInterleaved }
  })
  const mainType = dtype === 'q8_0' ? 'Q8_0' : plainTypes[dtype ?? autoDType]
  const metadata = new Map<string, GgufValue>([
    ['general.architecture', architecture],
    ['general.type', 'model'],
    ['general.name', basename(path)],
    ['general.file_type', fileTypeIds[mainType]!],
    ['general.quantization_version', 2],
    ...Object.entries({ ...architectureKeys(config), ...windowValues(config, path, warnings) }).map(
      ([key, value]) => [`${architecture}.${key}`, value] as const,
    ),
    ...(await ggufTokenizer(tokenizer, config, path, warnings)),
    ...(chatTemplate === undefined ? [] : [['tokenizer.chat_template', chatTemplate] as const]),
  ])
  const factors = ropeFactors(config)
  if (factors !== undefined) {
    const source = new Uint8Array(factors.buffer, factors.byteOffset, factors.byteLength)
    written.unshift({ name: ROPE_FREQS, type: 'F32', shape: [factors.length], source })
  }
  return { texts: {}, files: [ggufFile(metadata, written)], warnings }
}

function refuseUnsupported(config: LlamaConfig, path: string): void {
  const { architecture, ropeScaling, oBias, mlpBias } = config
  const name = ggmlArchitectures[architecture]
  const refuse = (what: string) =>
    new MtLlamaError(
      'CHECKPOINT_UNSUPPORTED',
      `${basename(path)}: ${what}; convert it to a Hugging Face directory`,
    )
  if (ropeScaling.type === 'yarn' && !ropeScaling.truncate)
    throw refuse('YaRN with "truncate" false is nothing that a GGUF file can say')
  if (name === 'llama') return
  if (ropeScaling.type === 'llama3' || ropeScaling.type === 'factors')
    throw refuse(`llama.cpp's ${name} has no ${ROPE_FREQS}, which ${ropeScaling.type} scaling needs`)
  if (oBias || mlpBias)
    throw refuse(`llama.cpp's ${name} has no biases but those of q, k and v, and this model has more`)
}

function windowValues(
  { architecture, windows, contextLength }: LlamaConfig,
  path: string,
  warnings: string[],
): Record<string, GgufValue> {
  const window = windows.find(window => window < contextLength)
  if (window === undefined) return {}
  warnings.push(
    `${basename(path)}: has a sliding window of ${window} tokens, which llama.cpp does not apply to its architecture ` +
      `${ggmlArchitectures[architecture]}: there, texts longer than that are scored otherwise. ${windowKeys.window} is written, and counts here`,
  )
  const pattern = windows.map(own => own === window)
  return {
    [windowKeys.window]: window,
    ...(pattern.includes(false) && { [windowKeys.pattern]: pattern }),
  }
}

function architectureKeys(config: LlamaConfig): Record<string, GgufValue> {
  return {
    vocab_size: config.vocabSize,
    context_length: config.contextLength,
    embedding_length: config.hiddenSize,
    block_count: config.layers,
    feed_forward_length: config.intermediateSize,
    'attention.head_count': config.heads,
    'attention.head_count_kv': config.kvHeads,
    'attention.key_length': config.headDim,
    'attention.value_length': config.headDim,
    'attention.layer_norm_rms_epsilon': { float32: config.rmsNormEps },
    'rope.dimension_count': config.headDim,
    'rope.freq_base': { float32: config.ropeTheta },
    ...scalingKeys(config),
  }
}

function scalingKeys({ ropeScaling: scaling }: LlamaConfig): Record<string, GgufValue> {
  if (scaling.type === 'linear')
    return { 'rope.scaling.type': 'linear', 'rope.scaling.factor': { float32: scaling.factor } }
  if (scaling.type !== 'yarn') return {}
  // llama.cpp multiplies what it is given by 0.1 ln(factor) + 1.
  const own = scaling.attentionFactor / (scaling.factor <= 1 ? 1 : 0.1 * Math.log(scaling.factor) + 1)
  return {
    'rope.scaling.type': 'yarn',
    'rope.scaling.factor': { float32: scaling.factor },
    'rope.scaling.original_context_length': scaling.originalContextLength,
    'rope.scaling.attn_factor': { float32: own },
    'rope.scaling.yarn_beta_fast': { float32: scaling.betaFast },
    'rope.scaling.yarn_beta_slow': { float32: scaling.betaSlow },
  }
}

/** rope_freqs.weight: what the inverse frequencies are divided by; undefined where they are not. */
function ropeFactors(config: LlamaConfig): Float32Array | undefined {
  const { ropeScaling } = config
  if (ropeScaling.type === 'factors') return ropeScaling.factors
  if (ropeScaling.type !== 'llama3') return undefined
  const plain = ropeFrequencies({ ...config, ropeScaling: { type: 'default' } }).frequencies
  return ropeFrequencies(config).frequencies.map((frequency, i) => plain[i]! / frequency)
}
