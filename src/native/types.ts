// The native addon's types: what goes down to it and comes back.

export type DType = 'float32' | 'bfloat16' | 'float16'

/** A number format of weight files, by the name safetensors and ggml use: one of NativeAddon.storedTypes(). */
export type StoredType = string

export interface NativeStoredType {
  name: StoredType
  /** Values of a block; 1 for plain numbers. */
  blockValues: number
  blockBytes: number
}

/** The sizes of a LLaMA. */
export interface LlamaSizes {
  vocabSize: number
  hiddenSize: number
  intermediateSize: number
  layers: number
  heads: number
  kvHeads: number
  headDim: number
  /** Positions that a sequence can have. */
  contextLength: number
}

/** What tells which parameters a LLaMA has, and their shapes. */
export interface LlamaShape extends LlamaSizes {
  /** The head is the embedding; there is no lm_head.weight. */
  tiedHead: boolean
  /** Biases of q, k and v. */
  qkvBias: boolean
  /** An RMSNorm over each head of q, and one over each head of k. */
  headNorms: boolean
  /** A bias of the output of attention. */
  oBias: boolean
  /** Biases of gate, up and down. */
  mlpBias: boolean
}

/** One matrix or vector of a model: see native/model/parameters.h. */
export interface NativeParameter {
  /** Hugging Face's: model.layers.0.self_attn.q_proj.weight */
  name: string
  /** [out, in] of a matrix, [n] of a vector. */
  shape: number[]
  /** Which sizes each dimension is made of. */
  fields: (keyof LlamaSizes)[][]
}

/** The numbers of a LLaMA that the forward pass needs. */
export interface NativeConfig extends LlamaShape {
  rmsNormEps: number
  /** Inverse frequencies, scaling applied: [headDim / 2]. */
  ropeFrequencies: Float32Array
  /** Multiplies cos and sin (YaRN's attention factor, else 1). */
  ropeAttentionFactor: number
  /** [layers] how many positions a token sees, its own the last of them; [] where every layer sees the context. */
  windows: Int32Array
}

/** A matrix or vector, row-major, in one piece of a file. */
export interface StoredPart {
  file: string
  /** Byte offset of the first element in the file. */
  offset: number
  bytes: number
  type: StoredType
  /** [out, in] of a matrix, [n] of a vector. */
  shape: number[]
  /**
   * Rows of a q or k projection as Meta and llama.cpp order them (pairs of RoPE side by side); undone while loading.
   * Within each head, stored row 2 i + j is row i + j * headDim / 2.
   */
  ropeInterleaved?: boolean
}

/** Parts that make up one matrix or vector. */
export interface StoredStack {
  parts: StoredPart[]
  /** Whether each part begins where the rows (0) or the columns (1) of the one before it end. @default 0 */
  axis?: 0 | 1
}

/** A product that is added to a matrix, scale * b a: a is [rank, in], b [out, rank]. */
export interface StoredAdapter {
  a: StoredPart
  b: StoredPart
  scale: number
}

/**
 * Which bytes of which files are a tensor, and how they come together: see native/model/stored_tensor.h. Names are
 * Hugging Face's (model.layers.0.self_attn.q_proj.weight).
 */
export interface NativeTensor extends StoredStack {
  name: string
  shape: number[]
  /** What is added to the parts in float16, or subtracted from them; rows that it lacks count as zero. */
  base?: StoredStack & { subtract?: boolean }
  /** Added one after another, in float32. */
  adapters?: StoredAdapter[]
}

/**
 * Shared with native while a job runs, Int32Array(2) on a SharedArrayBuffer:
 * [0] is set to 1 to cancel, [1] is written by native: parts of 1,000,000 done.
 */
export type Control = Int32Array

/** 'reference' is the slow definition; 'cuda:N' the N-th GPU, counted from 0. */
export type Device = 'reference' | 'cpu' | `cuda:${number}`

export interface NativeLoadOptions {
  dtype: DType
  device: Device
  /** 0: one thread a core. */
  threads: number
}

/** One pack in the flat-tree layout, and its scored rows: see native/backend/pack.h, struct Pack. */
export interface NativeRows {
  /** [tokens] */
  ids: Int32Array
  /** [tokens] rotary positions. */
  positions: Int32Array
  /** [tokens] start of the token's branch. */
  branchStart: Int32Array
  /** [trees, 3]: start, end, prefix length. */
  trees: Int32Array
  /** [trees, 2]: what comes before the tree in a session, as its first row and the number of rows; none by default. */
  segments?: Int32Array
  /** [scored] index of the pack row whose output predicts the target. */
  rows: Int32Array
  /** [scored] token ids. */
  targets: Int32Array
}

export interface NativePack extends NativeRows {
  /** Alternatives wanted per scored row. */
  topK: number
}

export interface NativeTrainPack extends NativeRows {
  /** [scored] of each row's negative log-likelihood in the loss. */
  weights: Float32Array
}

/** Settings of AdamW (Loshchilov and Hutter 2019), as torch.optim.AdamW has them. */
export interface NativeStep {
  /** Counts from 1. */
  step: number
  learningRate: number
  beta1: number
  beta2: number
  eps: number
  weightDecay: number
  /** Norms and biases decay as matrices do. */
  decayVectors: boolean
  /** Gradients are scaled down to this norm; 0 leaves them as they are. */
  maxNorm: number
}

/** A low-rank adapter (LoRA) of one linear map: y = x w^T + scale * (x a^T) b^T. */
export interface NativeAdapter {
  /** model.layers.0.self_attn.q_proj */
  module: string
  rank: number
  scale: number
}

/** Which numbers of a parameter: its own in float32, their gradients, or AdamW's moments. */
export type ParameterPart = 'weight' | 'gradient' | 'mean' | 'square'

/** Trains all weights of a model, or adapters of it; the model scores with those of the last step: see native/train/trainer.h. */
export interface NativeTrainer {
  /** Adds the gradients of sum(weights * -log p) to those that are there; all are zero if it fails. */
  forwardBackward(pack: NativeTrainPack, control: Control): Promise<{ loss: number; correct: number }>
  /**
   * Updates the weights and sets the gradients to zero.
   * @returns the norm of all gradients before it is clipped; if it is no finite number, no weight has changed
   */
  step(options: NativeStep, control: Control): Promise<number>
  /** @param name one of NativeAddon.parameters(), or of an adapter MODULE.lora_A.weight and MODULE.lora_B.weight */
  read(name: string, part: ParameterPart, control: Control): Promise<Float32Array>
  write(name: string, part: ParameterPart, values: Float32Array, control: Control): Promise<void>
  dispose(): void
}

/** How the hidden states of a text become one vector: their mean over all tokens, or the last token's. */
export type Pooling = 'mean' | 'last'

export interface NativeScores {
  /** [scored] */
  logProbs: Float32Array
  /** [scored] the best token; ties go to the lowest id. */
  argmax: Int32Array
  /** [scored, topK], best first. */
  topIds: Int32Array
  topLogProbs: Float32Array
}

export interface NativeSampling {
  /** 0 is greedy. */
  temperature: number
  /** 0 is off. */
  topK: number
  /** 1 is off. */
  topP: number
  /** 0 is off. */
  minP: number
  /** What is drawn for position t of a sequence depends on (seed, its stream, t) alone, so a batch changes nothing. */
  seed: number
}

/** What a step gives of each sequence. */
export interface NativeNext {
  /** [n] */
  ids: Int32Array
  /** [n] before adjustments and temperature. */
  logProbs: Float32Array
  /** [sum of topCounts] the best tokens of each sequence before adjustments, best first; one sequence after another. */
  topIds: Int32Array
  topLogProbs: Float32Array
}

/** Change the logits x of tokens before one is chosen: (x < 0 ? x * penalty : x / penalty) + addend. */
export interface NativeAdjustments {
  /** [n + 1] where those of each sequence lie. */
  offsets: Int32Array
  /** In ascending order within a sequence. */
  ids: Int32Array
  /** Above 0. */
  penalties: Float32Array
  /** Minus infinity bans the token. */
  addends: Float32Array
}

/** Which tokens may be drawn, one bit each: bit id % 32 of word id / 32. */
export interface NativeMasks {
  /** [n] which mask is each sequence's; -1: none, all tokens may be drawn. */
  ofSequences: Int32Array
  /** [masks, ceil(vocabulary / 32)]; a mask that a sequence has lets one token be drawn at least. */
  words: Int32Array
}

/**
 * A KV cache for sequences that the caller places. Each step appends tokens to some sequences and returns each one's
 * next token. A step of many tokens is a prefill; a step of one each is a decode step.
 */
export interface NativeSession {
  /**
   * Makes room for so many tokens over all sequences, into which rows of the room before are copied; a new session has
   * none. While they are copied there is memory for both.
   * @param copies [n, 3]: first row, the row it goes to, number of rows
   * @throws OUT_OF_MEMORY, after which all is as before
   */
  resize(rows: number, copies: Int32Array, control: Control): Promise<void>
  /** Copies rows to others, so that a sequence may begin as another does. @param copies as for resize() */
  copy(copies: Int32Array, control: Control): Promise<void>
  /**
   * @param sequences [n, 3]: first row, tokens held so far in the rows from there on, id of its random stream; no row in
   * two of them
   * @param samplings [n] of each sequence
   * @param offsets [n + 1] where each one's tokens lie in `ids`; at least one token each
   * @param adjustments those of each sequence; without them logits stay as they are
   * @param topCounts [n] how many alternatives each asks for; none without it
   * @param masks without them all tokens may be drawn
   */
  step(
    sequences: Int32Array,
    samplings: readonly NativeSampling[],
    offsets: Int32Array,
    ids: Int32Array,
    control: Control,
    isUrgent?: boolean,
    adjustments?: NativeAdjustments,
    topCounts?: Int32Array,
    masks?: NativeMasks,
  ): Promise<NativeNext>
  /** NativeModel.score() of a pack whose segments lie in the session. */
  score(pack: NativePack, control: Control, isUrgent?: boolean): Promise<NativeScores>
  dispose(): void
}

/**
 * Jobs of all models run one after another, in the order of their calls. An urgent one goes before those that wait; each of
 * them is passed once at the most.
 */
export interface NativeModel {
  /** Bytes of weights on the device. */
  readonly weightBytes: number
  /** 'cpu avx512_bf16', say. */
  readonly backend: string
  /**
   * Takes memory for packs of so many tokens, or of as many as half of the GPU's free memory holds.
   * @returns how many, and what such packs leave of the GPU; undefined where memory is the machine's
   * @throws OUT_OF_MEMORY
   */
  reserve(packTokens: number, control: Control): Promise<{ packTokens: number; freeBytes?: number }>
  score(pack: NativePack, control: Control, isUrgent?: boolean): Promise<NativeScores>
  /**
   * The final hidden states of texts, pooled over the tokens of each: row-major [n, hiddenSize].
   * @param offsets [n + 1] where each text's tokens lie in `ids`; at least one token each
   */
  embed(
    offsets: Int32Array,
    ids: Int32Array,
    pooling: Pooling,
    control: Control,
    isUrgent?: boolean,
  ): Promise<Float32Array>
  /** Logits of every row of one sequence, row-major [ids.length, vocabSize]. */
  logits(ids: Int32Array, control: Control): Promise<Float32Array>
  session(): NativeSession
  /**
   * @param adapters what is trained; [] trains all weights. They are on the model as long as the trainer lives, and zero
   * at first
   * @param keptBytes memory for activations that stay for the way back; those of layers that do not fit are computed
   * again, to the same bits
   * @throws INVALID_ARGUMENT where the device cannot train, OUT_OF_MEMORY
   */
  trainer(adapters: NativeAdapter[], keptBytes: number, control: Control): Promise<NativeTrainer>
  /** Frees the weights once jobs that were queued have ended, and then resolves; later calls reject with DISPOSED. */
  dispose(): Promise<void>
}

export interface NativeCpuInfo {
  /** The processor's name. */
  name: string
  /** Logical processors this process may use. */
  threads: number
  /** Kernel variants this processor runs, best first: 'avx512_bf16', 'avx512', 'avx2', 'scalar'. */
  variants: string[]
}

export interface NativeGpu {
  name: string
  /** '9.0' */
  computeCapability: string
  multiprocessors: number
  totalBytes: number
  /** The newest CUDA version the driver speaks: '13.0'. */
  driver: string
  /** The CUDA version of this build. */
  runtime: string
}

export interface NativePeaks {
  /** Operations a second on registers, a multiply-add counting two; only instructions that the device has. */
  arithmetic: { instruction: string; flops: number }[]
  /** Bytes a second from memory, past all caches. */
  read: number
  /** 'cpu avx512_bf16', say. */
  backend: string
  /** Which of `arithmetic` the matrix products of a dtype go through. */
  instructions: Record<DType, string>
}

/** Ops of the forward pass: see native/backend/forward_ops.h. */
export type NativeOp =
  | 'embed'
  | 'rms_norm'
  | 'qkv'
  | 'attention'
  | 'append_kv'
  | 'linear_add out'
  | 'swiglu'
  | 'linear_add down'
  | 'gather_rows'
  | 'head_score'
  | 'head_sample'
  | 'head_logits'
  | NativeTrainOp

/** Those of training. */
export type NativeTrainOp =
  | 'head_loss'
  | 'rms_norm_backward'
  | 'linear_backward'
  | 'linear_backward thin'
  | 'product'
  | 'swiglu_backward'
  | 'attention_backward'
  | 'rope_backward'
  | 'scatter_rows'
  | 'embed_backward'
  | 'repack'
  | 'convert'
  | 'adamw'

export interface NativeOpRequest extends Omit<LlamaSizes, 'layers' | 'contextLength'> {
  op: NativeOp
  /** Tokens of one sequence. */
  rows: number
  /** Positions of the sequence that are in the KV cache already; 0 for an op of training. */
  cache: number
  /** How long to time for, about. */
  seconds: number
}

export interface NativeOpTiming {
  /** Median of a run; the 10th and 90th percentile. */
  seconds: number
  secondsP10: number
  secondsP90: number
  runs: number
  /** Operations of a run's matrix products and attention; 0 for ops that move numbers. */
  flops: number
  /** Bytes that a run must read or write at least once. */
  bytes: number
  /** Those of `bytes` that come from memory: weights, cached keys and values. Activations lie in caches. */
  memoryBytes: number
  /** Whether memoryBytes came from memory and not, being few, from a cache. */
  fromMemory: boolean
  /** Rows of the result that were compared with the reference before anything was timed. */
  rowsChecked: number
}

export interface NativeAddon {
  errorCodes: string[]
  /** The formats that are read, plain numbers first: the table of native/model/stored.cc. */
  storedTypes(): NativeStoredType[]
  cpu(): NativeCpuInfo
  /** The GPUs in the order of their numbers, or none and why: this build, the driver or the machine lacks something. */
  gpus(control: Control): Promise<{ gpus: NativeGpu[]; reason: string }>
  /**
   * Bytes that this process may still take of a GPU. Makes its CUDA context there, once, which stays.
   * @throws DEVICE_UNAVAILABLE where the GPU cannot be used, with the reason
   */
  gpuFreeBytes(ordinal: number, control: Control): Promise<number>
  /** All that a model has learnt, in the order of the forward pass. */
  parameters(shape: LlamaShape): NativeParameter[]
  /** Bytes of weights a load will take on the device. */
  weightBytes(config: NativeConfig, options: NativeLoadOptions, control: Control): Promise<number>
  /**
   * Rows of a tensor, [rows, in], as the bytes of another stored type (native/model/stored.h, encode()). A vector counts
   * as rows of one number. Heads whose rows are interleaved are read whole, and so are vectors.
   * @throws TENSOR_SHAPE, TENSOR_DTYPE, FILE_READ, and WEIGHT_NOT_FINITE where a number is not finite, or too large
   */
  readRows(
    tensor: NativeTensor,
    headDim: number,
    firstRow: number,
    rows: number,
    type: StoredType,
    control: Control,
  ): Promise<Uint8Array>
  load(
    config: NativeConfig,
    tensors: NativeTensor[],
    options: NativeLoadOptions,
    control: Control,
  ): Promise<NativeModel>
  /** Measures what the device can do at the most, for some seconds. */
  peaks(device: Device, threads: number, control: Control): Promise<NativePeaks>
  /**
   * Times an op on random numbers, with as many copies of its weights as caches do not hold.
   * @throws INTERNAL where the result differs from the reference's
   */
  timeOp(request: NativeOpRequest, options: NativeLoadOptions, control: Control): Promise<NativeOpTiming>
}
