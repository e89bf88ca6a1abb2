// A step is cut into packs of bounded size. In a pack each sequence is a tree of one branch, whose segment is the rows
// that the sequence has in the cache.
#include "session.h"

#include <algorithm>
#include <string>

#include "../base/sizes.h"
#include "pack_check.h"

namespace mt {
namespace {

// Tokens of a pack: enough to keep the matrix products busy, few enough that the activations stay small.
constexpr int32_t kPackTokens = 512;
// A GPU needs more rows to be busy. There a pack may have this part of the tokens for which the model has reserved
// memory.
constexpr int32_t kReservedShare = 4;
// Tokens of the smallest pack that is tried after memory has run out.
constexpr int32_t kMinPackTokens = 16;

[[noreturn]] void fail(const std::string& message) { throw Error(ErrorCode::INVALID_ARGUMENT, message); }

}  // namespace

Session::Session(std::shared_ptr<Llama> model, int32_t rows, const Sampling& sampling)
    : model_(std::move(model)), cache_rows_(rows), sampling_(sampling) {
  check_sampling(sampling);
  if (rows < 1) fail("rows is " + std::to_string(rows) + ", expected at least 1");
}

void Session::step(const StepRequest& request, std::span<int32_t> ids, std::span<float> log_probs,
                   const Control& control) {
  check(request);
  allocate_cache();
  // The constructor cannot do this: it may run on another thread while the model reserves memory.
  if (pack_tokens_ == 0) pack_tokens_ = std::max(kPackTokens, model_->reserved_tokens() / kReservedShare);
  Cursor at;
  while (at.sequence < request.sequences.size()) {
    const Cursor next = fill_pack(request, at);
    const size_t total = request.ids.size();
    try {
      run_pack(request, ids, log_probs, control.part(at.id, next.id, total));
      at = next;
    } catch (const Error& error) {  // the next try writes the same rows of the cache again
      const auto tokens = static_cast<int32_t>(pack_.ids.size());
      if (error.code() != ErrorCode::OUT_OF_MEMORY || tokens <= kMinPackTokens) throw;
      pack_tokens_ = std::max(kMinPackTokens, tokens / 2);
    }
  }
}

// Fills the pack with tokens from `at` on, and returns where it ends.
Session::Cursor Session::fill_pack(const StepRequest& request, Cursor at) {
  pack_.clear();
  while (at.sequence < request.sequences.size()) {
    const auto room = pack_tokens_ - static_cast<int32_t>(pack_.ids.size());
    if (room == 0) break;
    const auto i = static_cast<int32_t>(at.sequence);
    const int32_t end = request.offsets[i + 1], count = std::min(room, end - static_cast<int32_t>(at.id));
    const SessionSequence& sequence = request.sequences[i];
    append(sequence, sequence.length + static_cast<int32_t>(at.id) - request.offsets[i],
           request.ids.subspan(at.id, count));
    at.id += count;
    if (static_cast<int32_t>(at.id) < end) break;
    pack_.ending.push_back(i);
    pack_.ending_row.push_back(static_cast<int32_t>(pack_.ids.size()) - 1);
    at.sequence++;
  }
  return at;
}

// Adds tokens to the pack. `length` tokens of the sequence come before them.
void Session::append(const SessionSequence& sequence, int32_t length, std::span<const int32_t> ids) {
  const int32_t start = static_cast<int32_t>(pack_.ids.size());
  for (size_t i = 0; i < ids.size(); i++) {
    const int32_t position = length + static_cast<int32_t>(i);
    pack_.cache_rows.push_back(sequence.first_row + position);
    pack_.ids.push_back(ids[i]);
    pack_.pos.push_back(position);
    pack_.branch_start.push_back(start);
  }
  pack_.trees.push_back({.start = start,
                         .end = static_cast<int32_t>(pack_.ids.size()),
                         .prefix_len = 0,
                         .segment_row = sequence.first_row,
                         .segment_len = length});
}

void Session::run_pack(const StepRequest& request, std::span<int32_t> ids, std::span<float> log_probs,
                       const Control& control) {
  const Pack pack = {pack_.ids, pack_.pos, pack_.branch_start, pack_.trees, pack_.ending_row, pack_.cache_rows};
  const View h = model_->forward(pack, &cache_, control);
  const size_t n = pack_.ending.size();
  if (n == 0) return;
  control.poll();
  for (std::vector<float>* v : {&log_prob_, &best_log_prob_}) v->resize(n);
  for (std::vector<int32_t>* v : {&argmax_, &best_, &no_targets_}) v->resize(n);
  Backend& backend = model_->backend();
  if (sampling_.temperature == 0) {
    backend.head_score(h, model_->head(), no_targets_, 1, {log_prob_, argmax_, best_, best_log_prob_}, control);
  } else {
    random_.clear();
    for (size_t i = 0; i < n; i++) {
      const auto stream = static_cast<uint32_t>(request.sequences[pack_.ending[i]].stream);
      random_.push_back(random_bits(sampling_.seed, stream, pack_.pos[pack_.ending_row[i]] + 1));
    }
    backend.head_sample(h, model_->head(), sampling_, random_, best_, best_log_prob_, control);
  }
  for (size_t i = 0; i < n; i++) {
    ids[pack_.ending[i]] = best_[i];
    log_probs[pack_.ending[i]] = best_log_prob_[i];
  }
}

void Session::check(const StepRequest& request) const {
  const size_t n = request.sequences.size();
  if (n == 0) fail("a step without sequences");
  if (request.offsets.size() != n + 1) {
    fail("offsets has " + std::to_string(request.offsets.size()) + " elements, expected " + std::to_string(n + 1));
  }
  if (request.offsets[0] != 0) fail("offsets[0] is " + std::to_string(request.offsets[0]) + ", expected 0");
  const int context = model_->config().context_length;
  struct Rows {
    int64_t first, end;
    size_t sequence;
  };
  std::vector<Rows> taken;
  for (size_t i = 0; i < n; i++) {
    const int64_t count = int64_t{request.offsets[i + 1]} - request.offsets[i];
    if (count < 1 || request.offsets[i + 1] > static_cast<int64_t>(request.ids.size())) {
      fail("offsets[" + std::to_string(i + 1) + "] is " + std::to_string(request.offsets[i + 1]) + ", expected " +
           std::to_string(request.offsets[i] + int64_t{1}) + " .. " + std::to_string(request.ids.size()));
    }
    const auto [first_row, length, stream] = request.sequences[i];
    const std::string here = "sequence " + std::to_string(i);
    if (first_row < 0) fail(here + " begins at row " + std::to_string(first_row) + ", expected at least 0");
    if (length < 0) fail(here + " holds " + std::to_string(length) + " tokens, expected at least 0");
    if (length + count > context) {
      throw Error(ErrorCode::CONTEXT_LENGTH, here + " holds " + std::to_string(length) + " tokens and is given " +
                                                 std::to_string(count) + "; the model has " + std::to_string(context) +
                                                 " positions");
    }
    const int64_t end = int64_t{first_row} + length + count;
    if (end > cache_rows_) {
      fail(here + " would end at row " + std::to_string(end) + "; the session has " + std::to_string(cache_rows_));
    }
    taken.push_back({first_row, end, i});
  }
  std::ranges::sort(taken, {}, &Rows::first);
  for (size_t i = 1; i < n; i++) {
    const auto [a, b] = std::minmax(taken[i - 1].sequence, taken[i].sequence);
    if (taken[i].first < taken[i - 1].end) {
      fail("sequences " + std::to_string(a) + " and " + std::to_string(b) + " share row " +
           std::to_string(taken[i].first));
    }
  }
  if (request.offsets[n] != static_cast<int64_t>(request.ids.size())) {
    fail("offsets[" + std::to_string(n) + "] is " + std::to_string(request.offsets[n]) + ", expected " +
         std::to_string(request.ids.size()));
  }
  check_ids(request.ids, model_->config().vocab_size, "ids");
}

void Session::allocate_cache() {
  if (cache_buffer_) return;
  const LlamaConfig& config = model_->config();
  const auto rows = static_cast<size_t>(cache_rows_), kv_size = static_cast<size_t>(config.kv_size());
  const size_t values = (product_of({rows, kv_size}) + 15) / 16 * 16;  // 64-byte aligned
  const size_t bytes = product_of({values, 2, static_cast<size_t>(config.layers), sizeof(float)});
  std::unique_ptr<Buffer> buffer;
  try {
    buffer = model_->backend().allocate(bytes);
  } catch (const Error& error) {
    if (error.code() != ErrorCode::OUT_OF_MEMORY) throw;
    throw Error(error.code(), "keys and values of " + std::to_string(cache_rows_) + " tokens take " +
                                  std::to_string(bytes) + " bytes: " + error.what());
  }
  float* at = static_cast<float*>(buffer->data());
  KvCache cache;
  for (int l = 0; l < config.layers; l++) {
    for (std::vector<View>* views : {&cache.k, &cache.v}) {
      views->push_back({at, cache_rows_, config.kv_size(), DType::kFloat32});
      at += values;
    }
  }
  // If one allocation fails, none is kept, so that the step may be asked for again.
  cache_ = std::move(cache);
  cache_buffer_ = std::move(buffer);
}

void Session::StepPack::clear() {
  for (std::vector<int32_t>* v : {&ids, &pos, &branch_start, &cache_rows, &ending, &ending_row}) v->clear();
  trees.clear();
}

}  // namespace mt
