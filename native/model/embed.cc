// A text is a tree without branches. The hidden states are those after the last norm, which the head reads.
#include "embed.h"

#include <numeric>
#include <string>

#include "pack_check.h"

namespace mt {
namespace {

float value_at(std::span<const std::byte> values, size_t i, DType dtype) {
  if (dtype == DType::kFloat32) return reinterpret_cast<const float*>(values.data())[i];
  const uint16_t half = reinterpret_cast<const uint16_t*>(values.data())[i];
  return dtype == DType::kBFloat16 ? bf16_to_f32(half) : f16_to_f32(half);
}

}  // namespace

void check_request(const EmbedRequest& request, const LlamaConfig& config) {
  if (request.offsets.size() < 2) throw Error(ErrorCode::INVALID_ARGUMENT, "no texts");
  const size_t n = request.offsets.size() - 1;
  check_pack_size(request.ids.size());
  check_offsets(request.offsets, n, request.ids.size());
  for (size_t i = 0; i < n; i++) {
    const int32_t length = request.offsets[i + 1] - request.offsets[i];
    if (length > config.context_length) {
      throw Error(ErrorCode::CONTEXT_LENGTH, "text " + std::to_string(i) + " has " + std::to_string(length) +
                                                 " tokens; the model has " + std::to_string(config.context_length) +
                                                 " positions");
    }
  }
  check_ids(request.ids, config.vocab_size, "ids");
}

void embed(Llama& model, const EmbedRequest& request, std::span<float> vectors, const Control& control) {
  const auto& [offsets, ids, pooling] = request;
  const size_t n = offsets.size() - 1;
  std::vector<int32_t> positions(ids.size()), branch_start(ids.size()), rows;
  std::vector<Tree> trees;
  for (size_t i = 0; i < n; i++) {
    const int32_t start = offsets[i], end = offsets[i + 1];
    std::iota(positions.begin() + start, positions.begin() + end, 0);
    std::fill(branch_start.begin() + start, branch_start.begin() + end, start);
    trees.push_back({.start = start, .end = end});
    for (int32_t row = pooling == Pooling::kLast ? end - 1 : start; row < end; row++) rows.push_back(row);
  }
  const View h = model.forward({ids, positions, branch_start, trees, rows}, nullptr, control);
  control.poll();
  const size_t dim = static_cast<size_t>(h.cols);
  std::vector<std::byte> states(h.rows * dim * dtype_size(h.dtype));
  model.backend().download(states.data(), h.data, states.size());
  std::vector<double> sums(dim);
  size_t at = 0;
  for (size_t i = 0; i < n; i++) {
    const int32_t count = pooling == Pooling::kLast ? 1 : offsets[i + 1] - offsets[i];
    std::fill(sums.begin(), sums.end(), 0);
    for (int32_t row = 0; row < count; row++) {
      for (size_t c = 0; c < dim; c++) sums[c] += value_at(states, at++, h.dtype);
    }
    for (size_t c = 0; c < dim; c++) vectors[i * dim + c] = static_cast<float>(sums[c] / count);
  }
}

}  // namespace mt
