// Writes default/model, the embedded default: a small LLaMA with seeded random weights and a tokenizer of bytes.
// Its numbers mean nothing; it lets every command run with nothing downloaded. It has the same bytes on every machine.
import { mkdirSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const folder = process.argv[2] ?? fileURLToPath(new URL('../default/model', import.meta.url))
const bos = 256
const eos = 257
const config = {
  architectures: ['LlamaForCausalLM'],
  model_type: 'llama',
  vocab_size: 258,
  hidden_size: 64,
  intermediate_size: 176,
  num_hidden_layers: 2,
  num_attention_heads: 4,
  num_key_value_heads: 2,
  head_dim: 16,
  max_position_embeddings: 2048,
  rms_norm_eps: 1e-5,
  rope_theta: 10000,
  hidden_act: 'silu',
  attention_bias: false,
  mlp_bias: false,
  tie_word_embeddings: true,
  bos_token_id: bos,
  eos_token_id: eos,
  torch_dtype: 'bfloat16',
}

mkdirSync(folder, { recursive: true })
write('config.json', json(config))
write('tokenizer.json', json(byteTokenizer()))
write(
  'tokenizer_config.json',
  json({
    tokenizer_class: 'PreTrainedTokenizerFast',
    bos_token: '<s>',
    eos_token: '</s>',
    chat_template:
      "{{ bos_token }}{% for message in messages %}{{ message['role'] }}: {{ message['content'] }}\n{% endfor %}{% if add_generation_prompt %}assistant:{% endif %}",
  }),
)
write('model.safetensors', safetensors(weights()))

function write(name, content) {
  writeFileSync(`${folder}/${name}`, content)
}

function json(value) {
  return `${JSON.stringify(value, null, 2)}\n`
}

/** [name, shape, values in bfloat16] of every tensor. */
function weights() {
  const random = uniform(20240601)
  const tensors = []
  const matrix = (name, out, inner) =>
    tensors.push([name, [out, inner], bfloat16(out * inner, () => normal(random) / Math.sqrt(inner))])
  const norm = name => tensors.push([name, [config.hidden_size], bfloat16(config.hidden_size, () => 1)])

  const { hidden_size: hidden, intermediate_size: wide, head_dim: head } = config
  matrix('model.embed_tokens.weight', config.vocab_size, hidden)
  for (let layer = 0; layer < config.num_hidden_layers; layer++) {
    const at = `model.layers.${layer}`
    norm(`${at}.input_layernorm.weight`)
    matrix(`${at}.self_attn.q_proj.weight`, config.num_attention_heads * head, hidden)
    matrix(`${at}.self_attn.k_proj.weight`, config.num_key_value_heads * head, hidden)
    matrix(`${at}.self_attn.v_proj.weight`, config.num_key_value_heads * head, hidden)
    matrix(`${at}.self_attn.o_proj.weight`, hidden, config.num_attention_heads * head)
    norm(`${at}.post_attention_layernorm.weight`)
    matrix(`${at}.mlp.gate_proj.weight`, wide, hidden)
    matrix(`${at}.mlp.up_proj.weight`, wide, hidden)
    matrix(`${at}.mlp.down_proj.weight`, hidden, wide)
  }
  norm('model.norm.weight')
  return tensors
}

function safetensors(tensors) {
  const header = { __metadata__: { format: 'pt' } }
  let offset = 0
  for (const [name, shape, values] of tensors) {
    header[name] = { dtype: 'BF16', shape, data_offsets: [offset, offset + values.byteLength] }
    offset += values.byteLength
  }
  const text = JSON.stringify(header)
  const head = Buffer.from(text.padEnd(Math.ceil(text.length / 8) * 8))
  const length = Buffer.alloc(8)
  length.writeBigUInt64LE(BigInt(head.length))
  return Buffer.concat([length, head, ...tensors.map(([, , values]) => Buffer.from(values.buffer))])
}

/** Rounds `count` numbers to bfloat16, the upper half of a float32: to nearest, ties to even. */
function bfloat16(count, next) {
  const bits = Uint32Array.from(new Uint32Array(Float32Array.from({ length: count }, next).buffer))
  return Uint16Array.from(bits, value => (value + 0x7fff + ((value >>> 16) & 1)) >>> 16)
}

/** Makes a generator of numbers in [0, 1) with 32 random bits (mulberry32). */
function uniform(seed) {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32
  }
}

/** Makes nearly normal numbers by additions alone, since logarithms and cosines of engines differ in their last bit. */
function normal(random) {
  let sum = -6
  for (let i = 0; i < 12; i++) sum += random()
  return sum
}

/** Makes a byte-level BPE without merges: token b is byte b. */
function byteTokenizer() {
  const special = (id, content) => ({
    id,
    content,
    single_word: false,
    lstrip: false,
    rstrip: false,
    normalized: false,
    special: true,
  })
  const byteLevel = { type: 'ByteLevel', add_prefix_space: false, trim_offsets: true, use_regex: false }
  const vocab = Object.fromEntries([...byteCharacters(), '<s>', '</s>'].map((token, id) => [token, id]))
  return {
    version: '1.0',
    truncation: null,
    padding: null,
    added_tokens: [special(bos, '<s>'), special(eos, '</s>')],
    normalizer: null,
    pre_tokenizer: byteLevel,
    post_processor: {
      type: 'TemplateProcessing',
      single: [{ SpecialToken: { id: '<s>', type_id: 0 } }, { Sequence: { id: 'A', type_id: 0 } }],
      pair: [
        { SpecialToken: { id: '<s>', type_id: 0 } },
        { Sequence: { id: 'A', type_id: 0 } },
        { Sequence: { id: 'B', type_id: 1 } },
      ],
      special_tokens: { '<s>': { id: '<s>', ids: [bos], tokens: ['<s>'] } },
    },
    decoder: byteLevel,
    model: {
      type: 'BPE',
      dropout: null,
      unk_token: null,
      continuing_subword_prefix: null,
      end_of_word_suffix: null,
      fuse_unk: false,
      byte_fallback: false,
      ignore_merges: false,
      vocab,
      merges: [],
    },
  }
}

/** The character that stands for each byte in byte-level tokenizers: itself where it can be seen, else U+0100 on. */
function byteCharacters() {
  let hidden = 0
  return Array.from({ length: 256 }, (_, byte) => {
    const seen = (byte >= 33 && byte <= 126) || (byte >= 161 && byte <= 172) || byte >= 174
    return String.fromCharCode(seen ? byte : 256 + hidden++)
  })
}
