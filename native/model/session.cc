// A step is cut into packs of bounded size. In a pack each sequence is a tree of one branch, whose segment is the rows
// that the sequence has in the cache.
#include "session.h"

#include <algorithm>
#include <cstdlib>
#include <functional>
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

// Checks a copy from a cache of `from_rows` into one of `to_rows`.
void check_copy(const RowCopy& copy, int32_t from_rows, int32_t to_rows) {
  if (copy.count < 1) fail("a copy of " + std::to_string(copy.count) + " rows, expected at least 1");
  const auto check_place = [&](const char* what, int32_t first, int32_t rows) {
    if (first >= 0 && int64_t{first} + copy.count <= rows) return;
    fail(std::to_string(copy.count) + " rows are copied " + what + " row " + std::to_string(first) +
         "; the cache has " + std::to_string(rows));
  };
  check_place("from", copy.from, from_rows);
  check_place("to", copy.to, to_rows);
}

}  // namespace

void Session::step(const StepRequest& request, const StepResult& result, const Control& control) {
  check(request);
  // The constructor cannot do this: it may run on another thread while the model reserves memory.
  if (pack_tokens_ == 0) pack_tokens_ = std::max(kPackTokens, model_->reserved_tokens() / kReservedShare);
  Cursor at;
  while (at.sequence < request.sequences.size()) {
    const Cursor next = fill_pack(request, at);
    const size_t total = request.ids.size();
    try {
      run_pack(request, result, control.part(at.id, next.id, total));
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
    pack_.ending.push_back({i, static_cast<int32_t>(pack_.ids.size()) - 1});
    at.sequence++;
  }
  // Each op of the head runs on rows that are side by side.
  const auto takes_best = [&](const Ending& ending) {
    const SessionSequence& sequence = request.sequences[ending.sequence];
    return sequence.sampling.temperature == 0 && sequence.adjustments.empty() && sequence.mask.empty();
  };
  const auto has_top = [&](const Ending& ending) { return request.sequences[ending.sequence].top_k > 0; };
  const auto begin = pack_.ending.begin(), end = pack_.ending.end();
  const auto others = std::partition(begin, end, takes_best);
  const auto top = std::partition(begin, others, std::not_fn(has_top));
  const auto without = std::partition(others, end, has_top);
  pack_.best = static_cast<int>(others - begin);
  pack_.top_begin = static_cast<int>(top - begin);
  pack_.top_end = static_cast<int>(without - begin);
  for (const Ending& ending : pack_.ending) pack_.rows.push_back(ending.row);
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

void Session::run_pack(const StepRequest& request, const StepResult& result, const Control& control) {
  const Pack pack = {pack_.ids, pack_.pos, pack_.branch_start, pack_.trees, pack_.rows, pack_.cache_rows};
  const View h = model_->forward(pack, &cache_, control);
  const size_t n = pack_.ending.size();
  if (n == 0) return;
  control.poll();
  for (std::vector<float>* v : {&log_prob_, &best_log_prob_}) v->resize(n);
  for (std::vector<int32_t>* v : {&argmax_, &best_, &no_targets_}) v->resize(n);
  Backend& backend = model_->backend();
  const auto best = static_cast<size_t>(pack_.best);
  if (pack_.top_begin > 0) {
    score_rows(h, 0, pack_.top_begin, 1, control);
    std::copy_n(top_ids_.begin(), pack_.top_begin, best_.begin());
    std::copy_n(top_log_prob_.begin(), pack_.top_begin, best_log_prob_.begin());
  }
  if (pack_.top_begin < pack_.top_end) take_top(request, h, result, control);
  if (best < n) {
    draws_.clear();
    adjustments_.clear();
    masks_.clear();
    for (size_t i = best; i < n; i++) add_draw(request.sequences[pack_.ending[i].sequence], pack_.ending[i].row);
    const auto rest = [&](auto& values) { return std::span(values).subspan(best); };
    backend.head_sample(h.part(pack_.best, h.rows - pack_.best), model_->head(), draws_, {adjustments_, masks_},
                        rest(best_), rest(best_log_prob_), control);
  }
  for (size_t i = 0; i < n; i++) {
    result.ids[pack_.ending[i].sequence] = best_[i];
    result.log_probs[pack_.ending[i].sequence] = best_log_prob_[i];
  }
}

void Session::score_rows(View h, int begin, int end, int top_k, const Control& control) {
  const size_t count = end - begin;
  top_ids_.resize(count * top_k);
  top_log_prob_.resize(count * top_k);
  const auto part = [&](auto& values) { return std::span(values).subspan(begin, count); };
  model_->backend().head_score(h.part(begin, end - begin), model_->head(), part(no_targets_), top_k,
                               {part(log_prob_), part(argmax_), top_ids_, top_log_prob_}, control);
}

void Session::take_top(const StepRequest& request, View h, const StepResult& result, const Control& control) {
  std::vector<size_t> offsets = {0};  // of each sequence's alternatives
  for (const SessionSequence& sequence : request.sequences) offsets.push_back(offsets.back() + sequence.top_k);
  int most = 0;
  for (int i = pack_.top_begin; i < pack_.top_end; i++)
    most = std::max(most, request.sequences[pack_.ending[i].sequence].top_k);
  score_rows(h, pack_.top_begin, pack_.top_end, most, control);
  for (int i = pack_.top_begin; i < pack_.top_end; i++) {
    const size_t from = size_t(i - pack_.top_begin) * most;
    const int32_t sequence = pack_.ending[i].sequence, count = request.sequences[sequence].top_k;
    std::copy_n(top_ids_.begin() + from, count, result.top_ids.begin() + offsets[sequence]);
    std::copy_n(top_log_prob_.begin() + from, count, result.top_log_probs.begin() + offsets[sequence]);
    best_[i] = top_ids_[from];
    best_log_prob_[i] = top_log_prob_[from];
  }
}

void Session::add_draw(const SessionSequence& sequence, int32_t row) {
  const auto begin = static_cast<int32_t>(adjustments_.size());
  adjustments_.insert(adjustments_.end(), sequence.adjustments.begin(), sequence.adjustments.end());
  Draw draw = {.adjustments_begin = begin, .adjustments_end = static_cast<int32_t>(adjustments_.size())};
  if (!sequence.mask.empty()) {
    draw.mask = static_cast<int32_t>(masks_.size() / sequence.mask.size());
    masks_.insert(masks_.end(), sequence.mask.begin(), sequence.mask.end());
  }
  // Random bits of 0 pick the first of the best tokens.
  if (sequence.sampling.temperature > 0) {
    draw.sampling = sequence.sampling;
    draw.random = random_bits(sequence.sampling.seed, static_cast<uint32_t>(sequence.stream), pack_.pos[row] + 1);
  }
  draws_.push_back(draw);
}

void Session::check(const StepRequest& request) const {
  const size_t n = request.sequences.size();
  if (n == 0) fail("a step without sequences");
  check_offsets(request.offsets, n, request.ids.size());
  const int context = model_->config().context_length;
  struct Rows {
    int64_t first, end;
    size_t sequence;
  };
  std::vector<Rows> taken;
  for (size_t i = 0; i < n; i++) {
    const int64_t count = int64_t{request.offsets[i + 1]} - request.offsets[i];
    const auto& [first_row, length, stream, sampling, adjustments, mask, top_k] = request.sequences[i];
    const std::string here = "sequence " + std::to_string(i);
    check_sampling(sampling);
    check_adjustments(adjustments, model_->config().vocab_size);
    if (!mask.empty()) check_mask(mask, model_->config().vocab_size);
    if (top_k < 0 || top_k > model_->config().vocab_size) {
      fail(here + " asks for " + std::to_string(top_k) + " alternatives, expected 0 .. " +
           std::to_string(model_->config().vocab_size));
    }
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
  check_ids(request.ids, model_->config().vocab_size, "ids");
}

void Session::score(const ScoreRequest& request, HeadResult result, const Control& control) {
  check_request(request, config(), cache_rows_);
  // A session that has never had rows has no cache of any layer.
  mt::score(*model_, request, result, control, cache_rows_ > 0 ? &cache_ : nullptr);
}

void Session::resize(int32_t rows, std::span<const RowCopy> copies) {
  if (rows < 0) fail("rows is " + std::to_string(rows) + ", expected at least 0");
  for (const RowCopy& copy : copies) check_copy(copy, cache_rows_, rows);
  const LlamaConfig& config = model_->config();
  const size_t values = product_of({static_cast<size_t>(rows), static_cast<size_t>(config.kv_size())});
  const size_t aligned = (values + 15) / 16 * 16;  // 64-byte aligned
  const size_t bytes = product_of({aligned, 2, static_cast<size_t>(config.layers), sizeof(float)});
  std::unique_ptr<Buffer> buffer;
  try {
    if (rows > 0) buffer = model_->backend().allocate(bytes);
  } catch (const Error& error) {
    if (error.code() != ErrorCode::OUT_OF_MEMORY) throw;
    throw Error(error.code(), "keys and values of " + std::to_string(rows) + " tokens take " + std::to_string(bytes) +
                                  " bytes: " + error.what());
  }
  float* at = buffer ? static_cast<float*>(buffer->data()) : nullptr;
  KvCache cache;
  for (int l = 0; l < config.layers; l++) {
    for (std::vector<View>* views : {&cache.k, &cache.v}) {
      views->push_back({at, rows, config.kv_size(), DType::kFloat32});
      at += aligned;
    }
  }
  for (const RowCopy& copy : copies) copy_rows(cache, copy);
  // The copies may be queued still.
  if (cache_buffer_) model_->backend().wait();
  cache_ = std::move(cache);
  cache_buffer_ = std::move(buffer);
  cache_rows_ = rows;
}

void Session::copy(const RowCopy& rows) {
  check_copy(rows, cache_rows_, cache_rows_);
  const int64_t apart = std::abs(int64_t{rows.from} - rows.to);
  if (apart < rows.count) fail("rows are copied onto themselves");
  copy_rows(cache_, rows);
}

void Session::copy_rows(const KvCache& to, const RowCopy& rows) {
  for (size_t l = 0; l < to.k.size(); l++) {
    for (std::vector<View> KvCache::*views : {&KvCache::k, &KvCache::v}) {
      const View from = (cache_.*views)[l].part(rows.from, rows.count);
      model_->backend().copy((to.*views)[l].part(rows.to, rows.count).data, from.data,
                             product_of({size_t(rows.count), size_t(from.cols), sizeof(float)}));
    }
  }
}

void Session::StepPack::clear() {
  for (std::vector<int32_t>* v : {&ids, &pos, &branch_start, &cache_rows, &rows}) v->clear();
  trees.clear();
  ending.clear();
}

}  // namespace mt
