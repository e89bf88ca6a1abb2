// forward() reads like the paper. Below it comes the memory that it works in.
#include "llama.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>

#include "../base/growth.h"
#include "views.h"

namespace mt {
namespace {

// Tokens of the smallest pack that reserve() settles for: it would rather fail than make every pack smaller.
constexpr int kMinTokens = 64;

// Whether these are all rows in their order, so that there is nothing to gather.
bool are_all(std::span<const int32_t> rows, size_t tokens) {
  if (rows.size() != tokens) return false;
  for (size_t i = 0; i < tokens; i++)
    if (rows[i] != static_cast<int32_t>(i)) return false;
  return true;
}

}  // namespace

Llama::Llama(std::unique_ptr<Backend> backend, LlamaConfig config, const std::vector<StoredTensor>& tensors,
             DType dtype, const Control& control)
    : backend_(std::move(backend)),
      config_(std::move(config)),
      weights_(load_weights(*backend_, config_, tensors, dtype, control)),
      activation_dtype_(backend_->activation_dtype(dtype)),
      windows_(config_.windows) {
  if (windows_.empty()) windows_ = {config_.context_length};
  std::sort(windows_.begin(), windows_.end());
  windows_.erase(std::unique(windows_.begin(), windows_.end()), windows_.end());
}

View Llama::forward(const Pack& pack, const KvCache* cache, const Control& control) {
  Backend& b = *backend_;
  const RopeTable rope = this->rope(*std::max_element(pack.pos.begin(), pack.pos.end()) + 1);
  Activations act = activations(static_cast<int>(pack.ids.size()), static_cast<int>(pack.rows.size()));
  const std::unique_ptr<PlacedPack> placed = b.place(pack, config_.head_shape(), windows_);
  const LayerPass pass = {b, b.backward(), config_, *placed, rope, cache, !pack.cache_rows.empty()};

  View x = act.x;
  b.embed(*placed, *weights_.embedding, x);
  for (int l = 0; l < config_.layers; l++) {
    const LayerWeights& layer = weights_.layers[l];
    const bool last = l + 1 == config_.layers;
    control.poll();
    project_qkv(pass, layer, l, x, act.layer);
    if (last && pack.rows.empty()) return {};
    attend(pass, layer, l, act.layer, x, x);
    if (last && !are_all(pack.rows, pack.ids.size())) {  // from here on a row depends on itself alone
      b.gather_rows(*placed, x, act.x_scored);
      x = act.x_scored;
      act.layer.h.rows = act.layer.f.rows = x.rows;
    }
    control.poll();
    feed_forward(pass, layer, act.layer, x, x);
    control.report(l + 1, config_.layers);
  }
  b.rms_norm(x, weights_.final_norm, config_.rms_norm_eps, act.layer.h);
  return act.layer.h;
}

int Llama::reserve(int max_tokens) {
  Activations views;
  const auto bytes = [&](int tokens) { return place(views, tokens, tokens, nullptr); };
  const size_t free = backend_->free_bytes();
  int tokens = std::min(max_tokens, kMinTokens);
  for (int end = max_tokens; tokens < end;) {
    const int middle = end - (end - tokens) / 2;
    if (bytes(middle) <= free_beside(middle, free) / 2)
      tokens = middle;
    else
      end = middle - 1;
  }
  for (;; tokens /= 2) {
    try {
      allocate(bytes(tokens), reserved_);
      reserved_ = workspace_->bytes();
      return reserved_tokens_ = tokens;
    } catch (const Error& error) {  // another process may have taken memory of the device meanwhile
      if (error.code() != ErrorCode::OUT_OF_MEMORY || tokens <= kMinTokens) throw;
    }
  }
}

size_t Llama::free_bytes() const { return free_beside(reserved_tokens_, backend_->free_bytes()); }

// What remains of `free` bytes of the device after all that packs of `tokens` may yet take beside their activations:
// scratch memory of the ops, and RoPE's table at its longest.
size_t Llama::free_beside(int tokens, size_t free) const {
  if (free == SIZE_MAX) return free;
  const int widths[] = {config_.hidden_size, config_.q_size(), config_.intermediate_size};
  const size_t rope_values = static_cast<size_t>(config_.context_length) * (config_.head_dim / 2) * 2;
  const size_t rope = rope_values * sizeof(float) - (rope_buffer_ ? rope_buffer_->bytes() : 0);
  return free - std::min(free, rope + backend_->scratch_bytes({.tokens = tokens,
                                                               .positions = config_.context_length,
                                                               .windows = windows_,
                                                               .widths = widths,
                                                               .vocab = config_.vocab_size,
                                                               .shape = config_.head_shape(),
                                                               .dtype = weights_.embedding->dtype}));
}

size_t Llama::place(Activations& views, int tokens, int rows, std::byte* base) const {
  const int dim = config_.hidden_size, q = config_.q_size(), kv = config_.kv_size(), ffn = config_.intermediate_size;
  const DType f32 = DType::kFloat32, act = activation_dtype_;
  const int max_rows = std::max(tokens, rows);  // a pack may score a row more than once
  views = {.x = {nullptr, tokens, dim, f32},
           .layer = {.h = {nullptr, max_rows, dim, act},
                     .q = {nullptr, tokens, q, f32},
                     .k = {nullptr, tokens, kv, f32},
                     .v = {nullptr, tokens, kv, f32},
                     .a = {nullptr, tokens, q, act},
                     .log_sums = {},
                     .gate_up = {},
                     .f = {nullptr, max_rows, ffn, act},
                     .z = {}},
           .x_scored = {nullptr, rows, dim, f32}};
  LayerActivations& layer = views.layer;
  size_t bytes =
      place_views(base, {&views.x, &layer.h, &layer.q, &layer.k, &layer.v, &layer.a, &layer.f, &views.x_scored});
  if (weights_.adapter_rank > 0) {
    View z = {nullptr, max_rows, weights_.adapter_rank, act};  // one after another they need no more than one
    bytes += place_views(base ? base + bytes : nullptr, {&z});
    layer.z.fill(z);
  }
  layer.h.rows = layer.f.rows = tokens;
  return bytes;
}

Llama::Activations Llama::activations(int tokens, int rows) {
  Activations views;
  const size_t bytes = place(views, tokens, rows, nullptr);
  if (!workspace_ || workspace_->bytes() < bytes) {
    const size_t held = workspace_ ? workspace_->bytes() : 0;
    workspace_.reset();
    allocate(bytes, std::max(reserved_, grown(held, bytes, free_beside(tokens, backend_->free_bytes()))));
  }
  place(views, tokens, rows, static_cast<std::byte*>(workspace_->data()));
  return views;
}

// Allocates the workspace: `wanted` bytes if that is more than `bytes` and the device has them, else `bytes`.
void Llama::allocate(size_t bytes, size_t wanted) {
  workspace_.reset();
  if (bytes < wanted) {
    try {
      workspace_ = backend_->allocate(wanted);
      return;
    } catch (const Error& error) {
      if (error.code() != ErrorCode::OUT_OF_MEMORY) throw;
    }
  }
  workspace_ = backend_->allocate(bytes);
}

// The table grows by doubling, up to the context length.
const RopeTable& Llama::rope(int positions) {
  if (positions <= rope_.cos.rows) return rope_;
  const int rows =
      std::min<int>(config_.context_length, std::bit_ceil(static_cast<unsigned>(std::max(positions, 256))));
  const int half = config_.head_dim / 2;
  const size_t values = static_cast<size_t>(rows) * half;
  std::vector<float> host(2 * values);
  for (int position = 0; position < rows; position++) {
    for (int i = 0; i < half; i++) {
      const double angle = static_cast<double>(position) * config_.rope_frequencies[i];
      const size_t at = static_cast<size_t>(position) * half + i;
      host[at] = static_cast<float>(std::cos(angle) * config_.rope_attention_factor);
      host[values + at] = static_cast<float>(std::sin(angle) * config_.rope_attention_factor);
    }
  }
  rope_ = {};
  rope_buffer_.reset();
  rope_buffer_ = backend_->allocate(2 * values * sizeof(float));
  float* data = static_cast<float*>(rope_buffer_->data());
  backend_->upload(data, host.data(), host.size() * sizeof(float));
  rope_ = {{data, rows, half, DType::kFloat32}, {data + values, rows, half, DType::kFloat32}};
  return rope_;
}

}  // namespace mt
