// A step is cut into packs of bounded size; each sequence is a tree of one branch behind its own rows of the cache.
#include "session.h"

#include <algorithm>
#include <string>

#include "pack_check.h"

namespace mt {
namespace {

// Enough rows to keep the matrix products busy, few enough that the activations stay small.
constexpr int32_t kPackTokens = 512;

[[noreturn]] void fail(const std::string& message) { throw Error(ErrorCode::INVALID_ARGUMENT, message); }

}  // namespace

Session::Session(std::shared_ptr<Llama> model, std::vector<int32_t> capacities, std::vector<int32_t> streams,
                 const Sampling& sampling)
    : model_(std::move(model)), sampler_(sampling) {
  check_sampling(sampling);
  if (capacities.empty()) fail("a session without sequences");
  if (streams.size() != capacities.size()) {
    fail("capacities and streams have " + std::to_string(capacities.size()) + " and " + std::to_string(streams.size()) +
         " elements, expected as many of each");
  }
  const int context = model_->config().context_length;
  int64_t rows = 0;
  for (size_t s = 0; s < capacities.size(); s++) {
    const int32_t capacity = capacities[s];
    const std::string found = "capacities[" + std::to_string(s) + "] is " + std::to_string(capacity);
    if (capacity < 1) fail(found + ", expected at least 1");
    if (capacity > context) {
      throw Error(ErrorCode::CONTEXT_LENGTH, found + "; the model has " + std::to_string(context) + " positions");
    }
    sequences_.push_back({.first_row = static_cast<int32_t>(rows), .capacity = capacity, .stream = streams[s]});
    rows += capacity;
    if (rows > INT32_MAX) throw Error(ErrorCode::OUT_OF_MEMORY, "capacities sum to more than 2147483647 tokens");
  }
  cache_rows_ = static_cast<int32_t>(rows);
}

void Session::step(const StepRequest& request, std::span<int32_t> ids, std::span<float> log_probs,
                   const Control& control) {
  check(request);
  allocate_cache();
  pack_.clear();
  size_t done = 0;
  const auto flush = [&] {
    const size_t first = done;
    done += pack_.ids.size();
    run_pack(request, ids, log_probs, control.part(first, done, request.ids.size()));
    pack_.clear();
  };
  for (size_t i = 0; i < request.sequences.size(); i++) {
    const Sequence& sequence = sequences_[request.sequences[i]];
    std::span<const int32_t> left =
        request.ids.subspan(request.offsets[i], request.offsets[i + 1] - request.offsets[i]);
    int32_t length = sequence.length;
    while (!left.empty()) {
      const size_t room = kPackTokens - pack_.ids.size();
      const size_t count = std::min(room, left.size());
      append(sequence, length, left.first(count));
      length += static_cast<int32_t>(count);
      left = left.subspan(count);
      if (left.empty()) {
        pack_.ending.push_back(static_cast<int32_t>(i));
        pack_.ending_row.push_back(static_cast<int32_t>(pack_.ids.size()) - 1);
      }
      if (pack_.ids.size() == kPackTokens) flush();
    }
  }
  if (!pack_.ids.empty()) flush();
  for (size_t i = 0; i < request.sequences.size(); i++) {
    sequences_[request.sequences[i]].length += request.offsets[i + 1] - request.offsets[i];
  }
}

// Adds tokens to the pack; `length` tokens of the sequence come before them.
void Session::append(const Sequence& sequence, int32_t length, std::span<const int32_t> ids) {
  const int32_t start = static_cast<int32_t>(pack_.ids.size());
  for (size_t i = 0; i < ids.size(); i++) {
    const int32_t position = length + static_cast<int32_t>(i);
    pack_.rows.push_back(static_cast<int32_t>(pack_.ids.size()));
    pack_.cache_rows.push_back(sequence.first_row + position);
    pack_.ids.push_back(ids[i]);
    pack_.pos.push_back(position);
    pack_.lo.push_back(start);
  }
  pack_.trees.push_back({.start = start,
                         .end = static_cast<int32_t>(pack_.ids.size()),
                         .prefix_len = 0,
                         .segment_row = sequence.first_row,
                         .segment_len = length});
}

void Session::run_pack(const StepRequest& request, std::span<int32_t> ids, std::span<float> log_probs,
                       const Control& control) {
  const KvAppend append = {cache_, pack_.rows, pack_.cache_rows};
  const Pack pack = {pack_.ids, pack_.pos, pack_.lo, pack_.trees};
  const View h = model_->forward(pack, pack_.ending_row, &append, control);
  const size_t n = pack_.ending.size();
  if (n == 0) return;
  control.poll();
  if (sampler_.greedy()) {
    for (std::vector<float>* v : {&log_prob_, &best_log_prob_}) v->resize(n);
    for (std::vector<int32_t>* v : {&argmax_, &best_, &no_targets_}) v->resize(n);
    model_->backend().head_score(h, model_->head(), no_targets_, 1, {log_prob_, argmax_, best_, best_log_prob_});
    for (size_t i = 0; i < n; i++) {
      ids[pack_.ending[i]] = best_[i];
      log_probs[pack_.ending[i]] = best_log_prob_[i];
    }
    return;
  }
  const size_t vocab = model_->config().vocab_size;
  logits_.resize(n * vocab);
  model_->backend().head_logits(h, model_->head(), logits_.data());
  for (size_t i = 0; i < n; i++) {
    const int32_t in_step = pack_.ending[i];
    const Sequence& sequence = sequences_[request.sequences[in_step]];
    const int32_t position = pack_.pos[pack_.ending_row[i]] + 1;
    const Choice choice = sampler_.choose({logits_.data() + i * vocab, vocab}, static_cast<uint32_t>(sequence.stream),
                                          static_cast<uint64_t>(position));
    ids[in_step] = choice.id;
    log_probs[in_step] = choice.log_prob;
  }
}

void Session::check(const StepRequest& request) const {
  const size_t n = request.sequences.size();
  if (n == 0) fail("a step without sequences");
  if (request.offsets.size() != n + 1) {
    fail("offsets has " + std::to_string(request.offsets.size()) + " elements, expected " + std::to_string(n + 1));
  }
  if (request.offsets[0] != 0) fail("offsets[0] is " + std::to_string(request.offsets[0]) + ", expected 0");
  std::vector<bool> seen(sequences_.size());
  for (size_t i = 0; i < n; i++) {
    const int32_t s = request.sequences[i];
    const std::string found = "sequences[" + std::to_string(i) + "] is " + std::to_string(s);
    if (s < 0 || static_cast<size_t>(s) >= sequences_.size()) {
      fail(found + ", expected 0 .. " + std::to_string(sequences_.size() - 1));
    }
    if (seen[s]) fail(found + ", which is there twice");
    seen[s] = true;
    const int64_t count = int64_t{request.offsets[i + 1]} - request.offsets[i];
    if (count < 1 || request.offsets[i + 1] > static_cast<int64_t>(request.ids.size())) {
      fail("offsets[" + std::to_string(i + 1) + "] is " + std::to_string(request.offsets[i + 1]) + ", expected " +
           std::to_string(request.offsets[i] + int64_t{1}) + " .. " + std::to_string(request.ids.size()));
    }
    const Sequence& sequence = sequences_[s];
    if (sequence.length + count > sequence.capacity) {
      throw Error(ErrorCode::CONTEXT_LENGTH, "sequence " + std::to_string(s) + " holds " +
                                                 std::to_string(sequence.length) + " tokens and is given " +
                                                 std::to_string(count) + "; its capacity is " +
                                                 std::to_string(sequence.capacity));
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
  const size_t values = (static_cast<size_t>(cache_rows_) * config.kv_size() + 15) / 16 * 16;  // 64-byte aligned
  cache_buffer_ = model_->backend().allocate(2 * values * config.layers * sizeof(float));
  float* at = static_cast<float*>(cache_buffer_->data());
  for (int l = 0; l < config.layers; l++) {
    for (std::vector<View>* views : {&cache_.k, &cache_.v}) {
      views->push_back({at, cache_rows_, config.kv_size(), DType::kFloat32});
      at += values;
    }
  }
}

void Session::StepPack::clear() {
  for (std::vector<int32_t>* v : {&ids, &pos, &lo, &rows, &cache_rows, &ending, &ending_row}) v->clear();
  trees.clear();
}

}  // namespace mt
